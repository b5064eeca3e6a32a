"""The authenticator app of the simulation's teller: no code comes twice, and none has to be waited for."""

import pyotp
import pytest

from simulation.client.authenticator import Authenticator, read_authenticator

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_the_codes_are_those_of_now_and_the_next_step_and_then_recovery_codes() -> None:
    moments = [3000.0]
    app = Authenticator(SECRET, ["AAAA-BBBB", "CCCC-DDDD"], now_s=lambda: moments[-1])
    totp = pyotp.TOTP(SECRET)
    assert [app.code() for _ in range(3)] == [totp.generate_otp(100), totp.generate_otp(101), "CCCC-DDDD"]
    moments.append(3059.0)
    assert app.code() == totp.generate_otp(102)
    moments.append(9000.0)
    assert app.code() == totp.generate_otp(300)


def test_the_output_of_the_command_is_read_and_not_shown() -> None:
    app = read_authenticator(f"ana@example.com is an administrator.\nsecret: {SECRET}\nrecovery code: AAAA-BBBB\n")
    assert app.secrets == [SECRET, "AAAA-BBBB"]
    assert SECRET not in repr(app)
    with pytest.raises(ValueError, match="no line with a secret"):
        read_authenticator("ana@example.com is an administrator.")

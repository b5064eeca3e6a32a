"""Each line of the log is one JSON object, from every logger, without secrets and personal data."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bank.telemetry.masking import mask_text, mask_value

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTkzIn0.c2lnbmF0dXJl-_x"
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
REFRESH = "M9Ir0_4w0MA78KCgPTT3RT6IdoS76vTQsARRT1FF9-4"

OTHERS = """
import asyncio, logging, sys, threading, traceback, warnings
import structlog
from bank.telemetry.logs import configure_logs, stderr_as_log

SECRET = "cpf 529.982.247-25, ana@example.com, Bearer %(jwt)s"
configure_logs("info")
with stderr_as_log():
    logging.getLogger("aiohttp.server").error("bad request %%s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("some.library").exception("it broke")
        structlog.get_logger().exception("ours", nested={"password": "an umbrella", "list": [SECRET]})
        traceback.print_exc()
    warnings.warn(SECRET, stacklevel=1)
    print("printed", SECRET, file=sys.stderr)
    sys.stderr.write("half a line, ")
    sys.stderr.write("and its end\\n")
    structlog.get_logger().info("half a pair", text="\\ud800")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

    async def forgotten():
        raise ValueError(SECRET)

    async def main():
        task = asyncio.create_task(forgotten())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
raise RuntimeError(SECRET)
"""


def test_output_of_libraries_is_masked_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OTHERS % {"jwt": JWT}], capture_output=True, text=True, timeout=60, check=False
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"event", "level", "timestamp"} <= set.intersection(*[set(line) for line in lines])
    events = {line["event"] for line in lines}
    assert {"it broke", "ours", "stderr_line", "half a pair", "uncaught"} <= events
    assert any(line.get("logger") == "py.warnings" for line in lines)
    assert any(line.get("logger") == "asyncio" for line in lines)
    assert {"stderr_line", "half a line, and its end"} <= {line["event"] for line in lines} | {
        line.get("text") for line in lines
    }
    for secret in ("529.982.247-25", "ana@example.com", JWT, "an umbrella"):
        assert secret not in done.stderr


@pytest.mark.parametrize(
    "secret",
    [
        "529.982.247-25",
        "52998224725",
        "529 982 247 25",
        JWT,
        REFRESH,
        TOTP,
        f"otpauth://totp/Bank:ana?secret={TOTP}",
        "ana.souza+x@example.com",
        "ana%40example.com",
        "+5511987654321",
        "(11) 98765-4321",
        "203.0.113.77",
        "2001:db8:7:1::5",
    ],
)
@pytest.mark.parametrize(
    "around",
    ["{}", "the value {} is wrong", "Key (a)=({}) exists", "b'GET /?x={} HTTP/1.1'", '{{"a": "{}"}}', "x\n{}\n"],
)
def test_values_of_a_secret_form_are_masked_anywhere(secret: str, around: str) -> None:
    assert secret not in mask_text(around.format(secret))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("CPF 456.123.789-09", "CPF ***.123.789-**"),
        ("45612378909", "***.123.789-**"),
        ("cpf=45612378909", "cpf=***.123.789-**"),
        ("from ana.souza+x@example.com", "from a***@example.com"),
        ("/?x=ana%40example.com", "***@example.com"),
        ("+5511987654321", "+***4321"),
        ("+55 11 98765-4321", "+***4321"),
        ("call (11) 98765-4321", "call +***4321"),
        ("203.0.113.77:5000 left", "203.0.113.***:5000 left"),
        ("[2001:db8:7:1::5]:443", "[2001:db8:7::***]:443"),
        ("postgresql://bank:umbrella!@db.example.com/bank", "postgresql://***@db.example.com/bank"),
    ],
)
def test_personal_data_is_masked_by_its_type(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("cpf", "529.982.247-25", "***.982.247-**"),
        ("cpf", "52998224", "***"),
        ("email", "ana@example.com", "a***@example.com"),
        ("email", "ana", "***"),
        ("phone", "+5511987654321", "+***4321"),
        ("fullName", "Ana Lima", "***"),
        ("recoveryCodes", ["abcd-efgh"], "***"),
        ("totpSecret", TOTP, "***"),
        ("otp_code", 123456, "***"),
    ],
)
def test_a_member_is_masked_by_its_name_and_type(name: str, value: object, masked: str) -> None:
    assert mask_value({name: value}) == {name: masked}


@pytest.mark.parametrize(
    "text",
    [
        "password=umbrella!",
        "password: umbrella!",
        '{"password": "umbrella! in the rain"}',
        '{\\"newPassword\\": \\"umbrella! \\"}',
        "{'access_token': 'umbrella!'}",
        "Authorization: Bearer umbrella!",
        "Authorization: Basic umbrella! more",
        "('Authorization', 'Digest umbrella!')",
        "postgresql://bank:umbrella!@localhost/bank",
        "BANK_TOKEN_SECRET=umbrella!",
        "BANK_MASTER_KEY=umbrella!",
        '{"recoveryCodes": ["one", "umbrella!"]}',
        "totp_secret: umbrella!",
        "cpf: umbrella!",
    ],
)
def test_values_with_a_secret_name_are_masked(text: str) -> None:
    assert "umbrella!" not in mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "request",
        "transfer",
        "0193e3b2-7c11-7d4e-9a45-12345678901f",
        "account 0001/00000042-4",
        "1764061234567",
        "10.50",
        "12:34:56",
        "2026-12-01 07:11:19.123456+00",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "postgresql at 10.0.0.5 and fd00::5",
        "Python 3.11.7",
        "tests/unit/test_masking.py::test",
    ],
)
def test_values_that_are_not_personal_are_not_masked(text: str) -> None:
    assert mask_text(text) == text


def test_members_with_a_secret_name_are_masked_at_any_depth() -> None:
    line: dict[str, Any] = {
        "input": [{"cpf": "x", "passWord": 1, "ok": (1, "a", None)}],
        "error": ValueError("ana@b.c"),
    }
    assert mask_value(line) == {"input": [{"cpf": "***", "passWord": "***", "ok": [1, "a", None]}], "error": "a***@b.c"}


@pytest.mark.parametrize("text", ["x" * 20_000, "1" * 20_000, "a." * 10_000, "token" * 4_000, 'token="' * 3_000])
def test_a_long_text_is_masked_in_bounded_time(text: str) -> None:
    assert mask_text(text) is not None

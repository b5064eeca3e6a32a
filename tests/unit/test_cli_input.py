"""The input of commands: passwords, times, exports and settings."""

from datetime import UTC, datetime

import pytest

from bank.cli.environment import _exports
from bank.cli.log import read_bound
from bank.cli.users import _first_line
from bank.errors import BadInput
from bank.ledger.post import BATCH_MAX, BATCH_SIZE
from bank.settings import unknown_settings

PASSWORD = "um guarda-chuva às terças"


@pytest.mark.parametrize(
    "piped",
    [
        PASSWORD.encode(),
        f"{PASSWORD}\n".encode(),
        f"{PASSWORD}\r\n".encode(),
        f"\ufeff{PASSWORD}\r\n".encode(),
        f"{PASSWORD}\r\n".encode("utf-16"),
        f"\ufeff{PASSWORD}\n".encode("utf-16-be"),
        f"{PASSWORD}\nanother line\n".encode(),
    ],
)
def test_a_piped_password_is_the_first_line_without_its_line_end(piped: bytes) -> None:
    assert _first_line(piped) == PASSWORD


def test_spaces_of_a_piped_password_are_kept() -> None:
    assert _first_line(b" a password \r\n") == " a password "
    assert _first_line(b"") == ""


@pytest.mark.parametrize("piped", [b"caf\xe9 com leite\n", b"\xff\xfea"])
def test_a_piped_password_that_is_not_utf_8_is_refused_with_one_sentence(piped: bytes) -> None:
    with pytest.raises(BadInput, match=r"^The password on standard input is not UTF-8 text\.$"):
        _first_line(piped)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01T00:00:00+14:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-12:00", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2031-05-02T09:30:00-03:00", datetime(2031, 5, 2, 12, 30, tzinfo=UTC)),
    ],
)
def test_the_first_and_the_last_possible_time_are_accepted(text: str, moment: datetime) -> None:
    assert read_bound(text) == moment


def test_unknown_settings_are_named_and_those_of_kubernetes_are_not() -> None:
    given = {
        "BANK_TRANSFER_FEES": "1", "BANK_LOGLEVEL": "debug", "BANK_LOG_LEVEL": "debug", "BANK_QQQQ": "", "OTHER": "",
        "BANK_PORT": "tcp://10.0.0.1:80", "BANK_SERVICE_PORT_HTTP": "80", "BANK_AUDIT_PUBLIC_KEY_FILE": "x",
    }  # fmt: skip
    found = [(unknown.name, unknown.nearest) for unknown in unknown_settings(given)]
    assert found == [
        ("BANK_LOGLEVEL", "BANK_LOG_LEVEL"),
        ("BANK_QQQQ", None),
        ("BANK_TRANSFER_FEES", "BANK_TRANSFER_FEE"),
    ]


def test_an_environment_file_is_read_without_execution() -> None:
    text = (
        "export DATABASE_URL='postgresql://postgres@/bank?host=/a b'\nexport BANK_TOKEN_SECRET=\"$(cat x)\"\nrm -r x\n"
    )
    assert _exports(text) == {"DATABASE_URL": "postgresql://postgres@/bank?host=/a b"}


def test_the_last_bucket_of_batch_sizes_is_a_full_batch() -> None:
    bounds = [
        sample.labels["le"] for sample in next(iter(BATCH_SIZE.collect())).samples if sample.name.endswith("_bucket")
    ]
    assert bounds[-2:] == [f"{BATCH_MAX}.0", "+Inf"]

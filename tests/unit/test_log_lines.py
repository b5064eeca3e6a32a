"""Each line of the log is one JSON object, from every logger, without secrets and personal data."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bank.telemetry.masking import mask_text, mask_value

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTkzIn0.c2lnbmF0dXJl-_x"
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
    ["529.982.247-25", "52998224725", "529 982 247 25", JWT, REFRESH, "ana.souza+x@example.com", "ana%40example.com"],
)
@pytest.mark.parametrize(
    "around",
    ["{}", "the value {} is wrong", "Key (a)=({}) exists", "b'GET /?x={} HTTP/1.1'", '{{"a": "{}"}}', "x\n{}\n"],
)
def test_values_of_a_secret_form_are_masked_anywhere(secret: str, around: str) -> None:
    assert secret not in mask_text(around.format(secret))


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
    ],
)
def test_values_that_are_not_personal_are_not_masked(text: str) -> None:
    assert mask_text(text) == text


def test_members_with_a_secret_name_are_masked_at_any_depth() -> None:
    line: dict[str, Any] = {"input": [{"cpf": "x", "passWord": 1, "ok": (1, "a", None)}], "error": ValueError("a@b.c")}
    assert mask_value(line) == {"input": [{"cpf": "***", "passWord": "***", "ok": [1, "a", None]}], "error": "***"}


@pytest.mark.parametrize("text", ["x" * 20_000, "1" * 20_000, "a." * 10_000, "token" * 4_000, 'token="' * 3_000])
def test_a_long_text_is_masked_in_bounded_time(text: str) -> None:
    assert mask_text(text) is not None

"""Hiding in log lines what is a secret or somebody's own, wherever it stands: names of members, and forms in a text.

The forms are those that the bank knows: tokens, CPFs, e-mail addresses, passwords by their names, credentials in URLs.
A person's name has no form; no line of the bank has one.
"""

import re
from typing import Any

HIDDEN = "***"
# Values under these names never reach a log line, whoever puts them there.
_SECRET = frozenset(
    {
        "access_token", "accesstoken", "authorization", "cpf", "email", "full_name", "fullname", "new_password",
        "passwd", "password", "password_hash", "proxy-authorization", "refresh_token", "refreshtoken", "secret",
        "token", "token_secret",
    }
)  # fmt: skip
# Whether a text needs a closer look: most do not, and each line of the log has half a dozen.
_SUSPECT = re.compile(
    r"@|%40|eyJ|[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2}|[\w-]{43}"
    r"|[Bb]earer|[Bb]asic|[Pp]ass|PASS|[Ss]ecret|SECRET|[Tt]oken|TOKEN|[Aa]uthoriz|AUTHORIZ|[Cc]pf|CPF"
)
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Credentials in a URL.
    (re.compile(r"(://)[^\s/@]*@"), rf"\1{HIDDEN}@"),
    # The value of a header, to the end of its line or of the quotation around it.
    (re.compile(r"(authorization\W{1,6})[^\r\n\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+(?!error|realm)[^\s\"',;]{4,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # A JWT: its first part is JSON, which begins with {" in base64.
    (re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"), HIDDEN),
    # A refresh token: 32 bytes in base64.
    (re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])"), HIDDEN),
    # `password=…`, `"password": "…"`, also with the quotation marks escaped.
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|cpf)\w{0,20}\\*[\"']?\s*[:=]\s*)"
            r"(?:\\*\"(?:[^\"\\]|\\+[^\"\\]){0,200}\\*\"|'[^']{0,200}'|[^\s,;&)}\]\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<![\w.+-])[\w.!#$&*+/=?^`{|}~-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)*"), HIDDEN),
    # A CPF, in any of its spellings; not the digits in the middle of a UUID or another number.
    (
        re.compile(r"(?<![0-9a-fA-F])[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2}(?![0-9a-fA-F])"),
        HIDDEN,
    ),
)


def mask_text(text: str) -> str:
    """Return a text without what is a secret or somebody's own."""
    if _SUSPECT.search(text) is None:
        return text
    for form, hidden in _FORMS:
        text = form.sub(hidden, text)
    return text


def mask_value(value: Any, name: str = "") -> Any:
    """Return the value of a member of a log line as it may be written."""
    if name.lower() in _SECRET:
        return HIDDEN
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {mask_text(str(key)): mask_value(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value(inner) for inner in value]
    return mask_text(str(value) if isinstance(value, Exception) else repr(value))

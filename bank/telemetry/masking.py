"""Masking of secrets and personal data in log lines, by the names of members and by patterns in texts.

The patterns are those of tokens, CPFs, e-mail addresses, named passwords, and credentials in URLs. There is no pattern
for the names of people, so the bank never logs them.
"""

import re
from typing import Any

HIDDEN = "***"
# Values under these names are always masked.
_SECRET = frozenset(
    {
        "access_token", "accesstoken", "authorization", "cpf", "email", "full_name", "fullname", "new_password",
        "passwd", "password", "password_hash", "proxy-authorization", "refresh_token", "refreshtoken", "secret",
        "token", "token_secret",
    }
)  # fmt: skip
# A fast check that rules out most texts, since each log line has half a dozen.
_SUSPECT = re.compile(
    r"@|%40|eyJ|[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2}|[\w-]{43}"
    r"|[Bb]earer|[Bb]asic|[Pp]ass|PASS|[Ss]ecret|SECRET|[Tt]oken|TOKEN|[Aa]uthoriz|AUTHORIZ|[Cc]pf|CPF"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Credentials in a URL.
    (re.compile(r"(://)[^\s/@]*@"), rf"\1{HIDDEN}@"),
    # The value of an Authorization header, to the end of its line or of the quotation.
    (re.compile(r"(authorization\W{1,6})[^\r\n\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+(?!error|realm)[^\s\"',;]{4,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # A JWT. Its first part is JSON in base64, so that it begins with `eyJ`.
    (re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"), HIDDEN),
    # A refresh token: 32 bytes in base64.
    (re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])"), HIDDEN),
    # `password=…` and `"password": "…"`, also with escaped quotation marks.
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|cpf)\w{0,20}\\*[\"']?\s*[:=]\s*)"
            r"(?:\\*\"(?:[^\"\\]|\\+[^\"\\]){0,200}\\*\"|'[^']{0,200}'|[^\s,;&)}\]\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<![\w.+-])[\w.!#$&*+/=?^`{|}~-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)*"), HIDDEN),
    # A CPF in any of its spellings, but not digits inside of a UUID or a longer number.
    (
        re.compile(r"(?<![0-9a-fA-F])[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2}(?![0-9a-fA-F])"),
        HIDDEN,
    ),
)


def mask_text(text: str) -> str:
    """Return a text with its secrets and personal data masked."""
    if _SUSPECT.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def mask_value(value: Any, name: str = "") -> Any:
    """Return the value of a log line's member with its secrets and personal data masked."""
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

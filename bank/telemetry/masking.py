"""Masking of secrets and personal data in log lines, by the names of members and by patterns in texts.

A secret (password, token, TOTP secret, recovery code, key) is never shown, in any part. Personal data is masked by its
type, so that an operator can recognise equal values: `***.456.789-**` for a CPF, `a***@example.com` for an e-mail
address, `+***4321` for a phone number, `203.0.113.***` and `2001:db8:7::***` for the address of a client. There is no
pattern for the names of people, so the bank never logs them.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from bank.documents import mask_cpf

HIDDEN = "***"

# 16 bytes, the least of a TOTP secret (RFC 4226, section 4), have 26 characters in base32.
BASE32_MIN = 26
UUID_LENGTH = 36
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# A fast check that rules out most texts, since each log line has half a dozen. Each alternative begins with a character
# or a set, because the module `re` then skips it without a call.
_SUSPECT = re.compile(
    r"@|%40|eyJ|:(?::|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:)|\+[0-9]{2}|[\w-](?<![\w-]{2})(?:[\w-]{42}|[A-Z2-7]{25})"
    r"|[0-9](?<![0-9a-fA-F].)(?:[0-9]{2}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2}"
    r"|[0-9]{0,2}(?:\.[0-9]{1,3}){3}|[0-9]\)? ?9?[0-9]{4}[- ][0-9]{4})"
    r"|[Bb]earer|[Bb]asic|[Pp]ass|PASS|[Ss]ecret|SECRET|[Tt]oken|TOKEN|[Aa]uthoriz|AUTHORIZ|[Cc]pf|CPF"
    r"|[Oo]tp|OTP|[Rr]ecovery|RECOVERY|[Mm]aster|MASTER"
)


def _masked_email(match: re.Match[str]) -> str:
    if match[0].startswith(f"//{HIDDEN}@"):
        return match[0]  # the masked credentials of a URL
    # In a URL, the path and the names of arguments look like a part of the address; then its first letter is unknown.
    first = "" if re.search(r"[/?=&]", match[1]) else match[1][0]
    return f"{first}{HIDDEN}@{match[2]}"


def _masked_cpf(match: re.Match[str]) -> str:
    return mask_cpf(re.sub(r"[^0-9]", "", match[0]))


def _masked_phone(match: re.Match[str]) -> str:
    return f"+{HIDDEN}{re.sub(r'[^0-9]', '', match[0])[-4:]}"


def _masked_ipv4(match: re.Match[str]) -> str:
    return f"{match[1]}.{HIDDEN}"


def _masked_ipv6(match: re.Match[str]) -> str:
    """Keep the first 48 bits, which a provider usually gives to a customer with many networks."""
    try:
        address = IPv6Address(match[0])
    except ValueError:
        return match[0]  # a time, or a part of a fingerprint
    if address.is_loopback or address.is_link_local or address.is_unspecified or address in _UNIQUE_LOCAL:
        return match[0]  # as for private IPv4 networks
    return f"{':'.join(format(int(group, 16), 'x') for group in address.exploded.split(':')[:3])}::{HIDDEN}"


_EMAIL = re.compile(r"(?<![\w.+-])([\w.!#$&*+/=?^`{|}~-]{1,64})(?:@|%40)([\w-]+(?:\.[\w-]+)*)")
# A CPF in any of its spellings, but not digits inside of a UUID or a longer number.
_CPF = re.compile(r"(?<![0-9a-fA-F+])[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[-./ ]?[0-9]{2}(?![0-9a-fA-F])")
# E.164 with or without spaces, or a Brazilian number with its area code.
_PHONE = re.compile(
    r"(?<![\w.+])\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{1,5}\)?){2,6}(?![0-9a-fA-F:])"
    r"|(?<![0-9a-fA-F-])\(?[1-9][0-9]\)? ?9?[0-9]{4}[- ][0-9]{4}(?![0-9a-fA-F-])"
)
# The networks of the bank's own servers stay readable: loopback, link-local and private ones.
_IPV4 = re.compile(
    r"(?<![\w.])(?!127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|0\.0\.0\.0)"
    r"((?:[0-9]{1,3}\.){2}[0-9]{1,3})\.[0-9]{1,3}(?![\w.]*[\w])"
)
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]{3,39}(?![\w:])")

_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # Credentials in a URL.
    (re.compile(r"(://)[^\s/@]*@"), rf"\1{HIDDEN}@"),
    # The address of an authenticator app has the TOTP secret in it.
    (re.compile(r"otpauth://[^\s\"']+"), HIDDEN),
    # The value of an Authorization header, to the end of its line or of the quotation.
    (re.compile(r"(authorization\W{1,6})[^\r\n\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+(?!error|realm)[^\s\"',;]{4,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # A JWT. Its first part is JSON in base64, so that it begins with `eyJ`.
    (re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"), HIDDEN),
    # A refresh token: 32 bytes in base64.
    (re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])"), HIDDEN),
    # A TOTP secret in base32.
    (re.compile(rf"(?<![\w-])[A-Z2-7]{{{BASE32_MIN},}}=*(?![\w-])"), HIDDEN),
    # `password=…`, `"password": "…"` and `"recoveryCodes": ["…"]`, also with escaped quotation marks.
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|recovery_?code|totp|otp_?code|master_?key)\w{0,20}\\*[\"']?\s*[:=]\s*)"
            r"(?:\\*\"(?:[^\"\\]|\\+[^\"\\]){0,200}\\*\"|'[^']{0,200}'|\[[^\]]{0,2000}\]?|[^\s,;&)}\]\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (_EMAIL, _masked_email),
    (_CPF, _masked_cpf),
    # A value that is called a CPF and is none may be one with a typing error.
    (
        re.compile(
            r"(cpf\w{0,20}\\*[\"']?\s*[:=]\s*)(?!\\*[\"']?\*{3}\.)"
            r"(?:\\*\"(?:[^\"\\]|\\+[^\"\\]){0,200}\\*\"|'[^']{0,200}'|[^\s,;&)}\]\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (_PHONE, _masked_phone),
    (_IPV4, _masked_ipv4),
    (_IPV6, _masked_ipv6),
)

# Values under these names are never shown.
_SECRET = frozenset(
    {
        "access_token", "accesstoken", "authorization", "full_name", "fullname", "master_key", "new_password",
        "newpassword", "otp", "otp_code", "passwd", "password", "password_hash", "proxy-authorization",
        "recovery_code", "recovery_codes", "recoverycode", "recoverycodes", "refresh_token", "refreshtoken", "secret",
        "token", "token_secret", "totp", "totp_code", "totp_secret", "totpcode", "totpsecret",
    }
)  # fmt: skip
# Values under these names are masked by their type, and hidden if they do not have its form.
_TYPES: Mapping[str, tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = {
    "cpf": (_CPF, _masked_cpf),
    "email": (_EMAIL, _masked_email),
    "phone": (_PHONE, _masked_phone),
}


def mask_text(text: str) -> str:
    """Return a text with its secrets and personal data masked."""
    if _is_harmless(text) or _SUSPECT.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _is_harmless(text: str) -> bool:
    """Return whether a text is one short word, such as the name of an event, or a UUID: most texts of log lines are."""
    if len(text) == UUID_LENGTH:
        return _UUID.fullmatch(text) is not None
    return len(text) < BASE32_MIN and text.replace("_", "").isalpha()


def mask_value(value: Any, name: str = "") -> Any:
    """Return the value of a log line's member with its secrets and personal data masked."""
    if (lower := name.lower()) in _SECRET:
        return HIDDEN
    if lower in _TYPES:
        pattern, mask = _TYPES[lower]
        match = pattern.fullmatch(str(value))
        return mask(match) if match else HIDDEN
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {mask_text(str(key)): mask_value(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value(inner) for inner in value]
    return mask_text(str(value) if isinstance(value, Exception) else repr(value))

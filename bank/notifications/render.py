"""Rendering: a template and its variables become a message in every form."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import css_inline
import jinja2
from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal
from markupsafe import Markup

from bank.notifications.template_syntax import HTML, PLAIN_TEXT, environment_of

LANGUAGES: Mapping[str, Locale] = MappingProxyType({"pt-BR": Locale("pt", "BR"), "en": Locale("en")})
"""The languages of templates (BCP 47), with the formats of each."""

# What is below every e-mail, in each language.
_FOOTER: Mapping[str, str] = MappingProxyType(
    {
        "pt-BR": "Esta mensagem foi enviada porque você é cliente. Nunca pedimos senha ou código por e-mail.",
        "en": "You get this message because you are a customer. We never ask for a password or a code by e-mail.",
    }
)
_UNSUBSCRIBE: Mapping[str, str] = MappingProxyType(
    {"pt-BR": "Não receber mais mensagens deste tipo.", "en": "Receive no more messages of this kind."}
)
# The compiled parts of all templates in all languages fit, also while old versions are still sent.
_COMPILED_MAX = 512
# The name under which the filters find the formats. No template can show it, because it is no variable of any type.
_FORMATS = "__formats"


@dataclass(frozen=True, slots=True)
class Template:
    """A version of a template in a language. Version 0 is the one that the bank ships with."""

    name: str
    language: str
    version: int
    subject: str
    short: str
    text: str
    html: str

    def part(self, name: str) -> str:
        """Return the source of a part: `subject`, `short`, `text` or `html`."""
        source: str = getattr(self, name)
        return source


@dataclass(frozen=True, slots=True)
class Message:
    """The texts of a notification: `subject` and `short` are one line each, `html` is a whole document."""

    subject: str
    short: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Formats:
    locale: Locale
    time_zone: ZoneInfo


def render(
    template: Template, variables: Mapping[str, Any], *, time_zone: str, unsubscribe_url: str | None = None
) -> Message:
    """Return the message of a template with the values of its variables.

    `time_zone` is that of the person (IANA). Raises `jinja2.UndefinedError` if a variable has no value; the variables
    of each type are declared in `bank.notifications.types`.
    """
    language = template.language
    known = {**variables, _FORMATS: _Formats(LANGUAGES[language], ZoneInfo(time_zone))}
    parts = {part: _compiled(part, template.part(part)).render(known) for part in ("subject", "short", "text", "html")}
    # A name or a text of a person may have line ends, which would begin another header of an e-mail.
    subject, short = (" ".join(parts[part].split()) for part in ("subject", "short"))
    footer = _FOOTER[language]
    page = _layout().render(
        language=language,
        subject=subject,
        body=Markup(parts["html"]),  # noqa: S704 - rendered with escaping
        bank_name=variables["bank_name"],
        footer=footer,
        unsubscribe=_UNSUBSCRIBE[language],
        unsubscribe_url=unsubscribe_url,
        style=Markup(_read("style.css")),  # noqa: S704 - a file of the bank
    )
    ending = f"{footer}\n{_UNSUBSCRIBE[language]} {unsubscribe_url}" if unsubscribe_url else footer
    return Message(
        subject=subject,
        short=short,
        text=f"{parts['text'].strip()}\n\n-- \n{ending}\n",
        html=_inliner().inline(page),
    )


@lru_cache(maxsize=_COMPILED_MAX)
def _compiled(part: str, source: str) -> jinja2.Template:
    return environment_of(part).from_string(source)


@cache
def _layout() -> jinja2.Template:
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_read("layout.html"))


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@cache
def _read(name: str) -> str:
    return files("bank.notifications").joinpath("mail", name).read_text("utf-8")


@jinja2.pass_context
def _money(context: jinja2.runtime.Context, value: Mapping[str, str]) -> str:
    return format_currency(Decimal(value["amount"]), value["currency"], locale=_formats(context).locale)


@jinja2.pass_context
def _date(context: jinja2.runtime.Context, value: str) -> str:
    formats = _formats(context)
    moment = datetime.fromisoformat(value).astimezone(formats.time_zone)
    return format_date(moment, "long", locale=formats.locale)


@jinja2.pass_context
def _time(context: jinja2.runtime.Context, value: str) -> str:
    formats = _formats(context)
    return format_time(datetime.fromisoformat(value), "short", tzinfo=formats.time_zone, locale=formats.locale)


@jinja2.pass_context
def _datetime(context: jinja2.runtime.Context, value: str) -> str:
    return f"{_date(context, value)}, {_time(context, value)}"


@jinja2.pass_context
def _number(context: jinja2.runtime.Context, value: int) -> str:
    return format_decimal(value, locale=_formats(context).locale)


def _formats(context: jinja2.runtime.Context) -> _Formats:
    formats: _Formats = context[_FORMATS]
    return formats


for _environment in (PLAIN_TEXT, HTML):
    _environment.filters.clear()
    _environment.filters |= {
        "money": _money, "date": _date, "time": _time, "datetime": _datetime, "number": _number
    }  # fmt: skip

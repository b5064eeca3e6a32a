"""The templates that the bank ships with, and the check that every template passes before it is stored."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from bank.notifications.render import LANGUAGES, Template, render
from bank.notifications.samples import sample_variables
from bank.notifications.sms_text import count_segments, to_sms_text
from bank.notifications.template_syntax import PART_MAX, WrongTemplate, check_part
from bank.notifications.types import NOTIFICATION_TYPES

# Gmail cuts a message off after 102 kB.
HTML_BYTES_MAX = 100_000
# Providers charge for each segment, and a message of more than three is no short message.
SEGMENTS_MAX = 3
SHIPPED_VERSION = 0


@cache
def shipped_templates() -> Mapping[tuple[str, str], Template]:
    """Return the template of each type in each language, by name and language."""
    return MappingProxyType(
        {
            (name, language): Template(name, language, SHIPPED_VERSION, **parts)
            for name in NOTIFICATION_TYPES
            for language, parts in _read(name).items()
        }
    )


def check_template(template: Template) -> None:
    """Check everything about a template. Raises `WrongTemplate` with the first thing that is wrong."""
    notification_type = NOTIFICATION_TYPES.get(template.name)
    if notification_type is None:
        raise WrongTemplate(f"There is no template {template.name}; there are {', '.join(NOTIFICATION_TYPES)}.")
    if template.language not in LANGUAGES:
        raise WrongTemplate(f"There is no language {template.language}; there are {' and '.join(LANGUAGES)}.")
    for part in PART_MAX:
        check_part(part, template.part(part), notification_type)
    for with_optional in (True, False):
        variables = sample_variables(notification_type, with_optional=with_optional)
        message = render(template, variables, time_zone="America/Sao_Paulo")
        if (size := len(message.html.encode())) > HTML_BYTES_MAX:
            raise WrongTemplate(f"The e-mail has {size:,} bytes; mail programs cut it off after {HTML_BYTES_MAX:,}.")
        if not message.subject:
            raise WrongTemplate("The part subject is empty when the optional variables are.")
        if (segments := count_segments(to_sms_text(message.short))) > SEGMENTS_MAX:
            raise WrongTemplate(
                f"The part short takes {segments} segments of an SMS; at most {SEGMENTS_MAX} are allowed."
            )


def _read(name: str) -> dict[str, dict[str, str]]:
    text = files("bank.notifications").joinpath("templates", f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)

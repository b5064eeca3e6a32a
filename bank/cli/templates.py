"""`bank templates`: the texts of notifications, and their versions."""

import asyncio
import json
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TextIO

import click

from bank.cli.actor import enter_command
from bank.cli.log import DATABASE_URL, open_database
from bank.cli.parts import open_parts
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.notifications.edit_template import (
    read_current_versions,
    read_history,
    read_template,
    revert_template,
    set_template,
)
from bank.notifications.render import LANGUAGES, Template, render
from bank.notifications.samples import sample_variables
from bank.notifications.shipped_templates import SHIPPED_VERSION, check_template
from bank.notifications.sms_text import count_segments, to_sms_text
from bank.notifications.template_syntax import PART_MAX, WrongTemplate
from bank.notifications.types import COMMON, NOTIFICATION_TYPES, NotificationType

# A file with all parts of their greatest length has less.
_FILE_MAX = 100_000

LANGUAGE = click.option(
    "--language", default="pt-BR", show_default=True, type=click.Choice(list(LANGUAGES)), help="The language."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")


@click.group()
def templates() -> None:
    """Show and edit the texts of notifications."""


@templates.command("list")
@DATABASE_URL
@AS_JSON
def list_(database_url: str | None, *, as_json: bool) -> None:
    """List the templates with their current versions. Version 0 is the one the bank ships with."""
    edited = asyncio.run(_read(database_url, read_current_versions))
    if as_json:
        click.echo(json.dumps([_described(one, edited) for one in NOTIFICATION_TYPES.values()], ensure_ascii=False))
        return
    width = max(map(len, NOTIFICATION_TYPES))
    for one in NOTIFICATION_TYPES.values():
        versions = "  ".join(f"{language} {version}" for language, version in _versions(one, edited).items())
        click.echo(f"{one.name:{width}}  {versions}  {one.explanation}")


@templates.command()
@DATABASE_URL
@click.argument("name")
@LANGUAGE
@click.option("--version", type=click.IntRange(0), help="The version; the current one by default.")
@AS_JSON
def show(database_url: str | None, name: str, language: str, version: int | None, *, as_json: bool) -> None:
    """Show the text of a template, as a file that `set` reads."""
    template = asyncio.run(_read(database_url, lambda connection: read_template(connection, name, language, version)))
    if as_json:
        named = {"name": name, "language": language, "version": template.version}
        click.echo(json.dumps({**named, **{part: template.part(part) for part in PART_MAX}}, ensure_ascii=False))
    else:
        click.echo(_as_toml(template), nl=False)


@templates.command()
@DATABASE_URL
@click.argument("name")
@LANGUAGE
@click.option("--version", type=click.IntRange(0), help="The version; the current one by default.")
@click.option("--file", "source", type=click.File(encoding="utf-8"), help="A file for `set` that is not stored yet.")
@click.option("--html", type=click.File("w", encoding="utf-8", lazy=True), help="Write the e-mail to a file.")
@AS_JSON
def preview(
    *,
    database_url: str | None,
    name: str,
    language: str,
    version: int | None,
    source: TextIO | None,
    html: TextIO | None,
    as_json: bool,
) -> None:
    """Show the message of a template with sample values."""
    if source is not None:
        template = Template(name, language, SHIPPED_VERSION, **_parts_in(source))
    else:
        template = asyncio.run(
            _read(database_url, lambda connection: read_template(connection, name, language, version))
        )
    check_template(template)
    message = render(template, sample_variables(NOTIFICATION_TYPES[name]), time_zone="America/Sao_Paulo")
    sms = to_sms_text(message.short)
    if html is not None:
        html.write(message.html)
    if as_json:
        texts = {"subject": message.subject, "short": message.short, "text": message.text, "html": message.html}
        click.echo(json.dumps({**texts, "sms": sms, "segments": count_segments(sms)}, ensure_ascii=False))
        return
    segments = count_segments(sms)
    click.echo(f"Subject: {message.subject}")
    click.echo(f"Short: {message.short}")
    click.echo(f"SMS ({segments} segment{'s' if segments > 1 else ''}): {sms}")
    click.echo(f"\n{message.text}", nl=False)


@templates.command("set")
@DATABASE_URL
@click.argument("name")
@click.argument("file", type=click.File(encoding="utf-8"))
@LANGUAGE
def set_(database_url: str | None, name: str, file: TextIO, language: str) -> None:
    """Store another version of a template, from a TOML file with subject, short, text and html; `-` is the input.

    A template that cannot be used is refused, and nothing is stored.
    """
    parts = _parts_in(file)
    enter_command("templates set")
    stored = asyncio.run(_change(database_url, lambda factory: set_template(factory, name, language, parts)))
    _echo_change(*stored)


@templates.command()
@DATABASE_URL
@click.argument("name")
@LANGUAGE
@AS_JSON
def history(database_url: str | None, name: str, language: str, *, as_json: bool) -> None:
    """List the versions of a template, the oldest first."""
    versions = asyncio.run(_read(database_url, lambda connection: read_history(connection, name, language)))
    if as_json:
        listed = [{"version": number, "created_at": moment and moment.isoformat()} for number, moment in versions]
        click.echo(json.dumps(listed))
        return
    for number, moment in versions:
        click.echo(f"{number:>4}  {'shipped with the bank' if moment is None else f'{moment:%Y-%m-%d %H:%M:%S} UTC'}")


@templates.command()
@DATABASE_URL
@click.argument("name")
@LANGUAGE
@click.option("--to", "version", required=True, type=click.IntRange(0), help="The version; 0 ships with the bank.")
def revert(database_url: str | None, name: str, language: str, version: int) -> None:
    """Make an earlier version current again. It gets a new number, and no version is lost."""
    enter_command("templates revert")
    stored = asyncio.run(_change(database_url, lambda factory: revert_template(factory, name, language, version)))
    _echo_change(*stored)


def _versions(one: NotificationType, edited: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {language: edited.get((one.name, language), SHIPPED_VERSION) for language in LANGUAGES}


def _described(one: NotificationType, edited: Mapping[tuple[str, str], int]) -> dict[str, object]:
    return {
        "name": one.name,
        "explanation": one.explanation,
        "is_critical": one.is_critical,
        "variables": {name: str(kind) for name, kind in {**COMMON, **one.variables}.items()},
        "versions": _versions(one, edited),
    }


def _echo_change(template: Template, is_new: bool) -> None:
    if is_new:
        click.echo(f"Version {template.version} of {template.name} in {template.language} is current.")
    else:
        click.echo(f"Nothing has changed: version {template.version} has the same text.")


async def _read(url: str | None, query: Callable[[Any], Awaitable[Any]]) -> Any:
    async with open_database(url) as database, database.connection() as connection:
        return await query(connection)


async def _change(url: str | None, change: Callable[[UnitOfWorkFactory], Awaitable[tuple[Template, bool]]]) -> Any:
    async with open_parts(url) as parts:
        return await change(parts.uow_factory)


def _parts_in(file: TextIO) -> dict[str, str]:
    """Return the parts in a file. Raises `WrongTemplate` for anything but the four parts as texts."""
    try:
        text = file.read(_FILE_MAX + 1)
        if len(text) > _FILE_MAX:
            raise WrongTemplate(f"The file has more than {_FILE_MAX:,} characters.")
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongTemplate(f"The file is not TOML: {error}.") from error
    except UnicodeDecodeError:
        raise WrongTemplate("The file is not text in UTF-8.") from None
    if found.keys() != PART_MAX.keys() or not all(isinstance(part, str) for part in found.values()):
        raise WrongTemplate(f"The file must have the texts {', '.join(PART_MAX)}, and nothing else.")
    return {part: found[part] for part in PART_MAX}


def _as_toml(template: Template) -> str:
    return "".join(f"{part} = {_toml_text(template.part(part))}\n" for part in PART_MAX)


def _toml_text(text: str) -> str:
    """Return a text as a value of TOML: as it is between three quotation marks, or on one line with escapes."""
    if "\n" in text and "'''" not in text and not text.endswith("'") and "\r" not in text:
        return f"'''\n{text}'''"
    # The escapes of JSON are those of TOML.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""The stored versions of templates: which one is current, and how an operator adds another."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from bank.database.statements import load_statements
from bank.events.leases import CHANNEL as LOG_CHANNEL
from bank.events.types.notifications import NotificationTemplateChangedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.notifications.render import LANGUAGES, Template
from bank.notifications.shipped_templates import SHIPPED_VERSION, check_template, shipped_templates
from bank.notifications.template_syntax import PART_MAX, WrongTemplate
from bank.notifications.types import NOTIFICATION_TYPES

queries = load_statements(__file__)


def template_id(name: str, language: str) -> UUID:
    """Return the id of a template in a language, the same in every database."""
    return uuid5(NAMESPACE_URL, f"notification-template:{language}/{name}")


def require_known(name: str, language: str) -> None:
    """Raise `WrongTemplate` if there is no such template or no such language."""
    if name not in NOTIFICATION_TYPES:
        raise WrongTemplate(f"There is no template {name}; there are {', '.join(NOTIFICATION_TYPES)}.")
    if language not in LANGUAGES:
        raise WrongTemplate(f"There is no language {language}; there are {' and '.join(LANGUAGES)}.")


async def read_template(connection: Any, name: str, language: str, version: int | None = None) -> Template:
    """Return a version of a template, the current one by default. Raises `WrongTemplate` if there is none."""
    require_known(name, language)
    if version == SHIPPED_VERSION:
        return shipped_templates()[name, language]
    if version is None:
        row = await queries.latest_version(connection, name=name, language=language)
        return _template(name, language, row) if row else shipped_templates()[name, language]
    row = await queries.one_version(connection, name=name, language=language, version=version)
    if row is None:
        raise WrongTemplate(f"The template {name} has no version {version} in {language}.")
    return _template(name, language, row)


async def read_history(connection: Any, name: str, language: str) -> list[tuple[int, datetime | None]]:
    """Return the number and the time of each version, the oldest first. The shipped one has no time."""
    require_known(name, language)
    rows = [row async for row in queries.versions(connection, name=name, language=language)]
    return [(SHIPPED_VERSION, None), *((row["version"], row["created_at"]) for row in rows)]


async def read_current_versions(connection: Any) -> Mapping[tuple[str, str], int]:
    """Return the number of the current version of every template that was edited, by name and language."""
    return {(row["name"], row["language"]): row["version"] async for row in queries.latest_versions(connection)}


@retry_if_rolled_back
async def set_template(
    uow_factory: UnitOfWorkFactory, name: str, language: str, parts: Mapping[str, str]
) -> tuple[Template, bool]:
    """Add a version with these parts, if it differs from the current one.

    Returns the current version, and whether it is new. Raises `WrongTemplate` before anything is changed.
    """
    check_template(Template(name, language, SHIPPED_VERSION, **parts))
    async with uow_factory.begin() as uow:
        return await _add(uow, name, language, parts, copied=None)


@retry_if_rolled_back
async def revert_template(
    uow_factory: UnitOfWorkFactory, name: str, language: str, version: int
) -> tuple[Template, bool]:
    """Make an earlier version current again, by adding a copy of it. Returns what `set_template` returns.

    An old version is checked again, because the variables of its type may have changed since it was stored.
    """
    require_known(name, language)
    async with uow_factory.begin() as uow:
        earlier = await read_template(uow.connection, name, language, version)
        check_template(earlier)
        return await _add(uow, name, language, _parts(earlier), copied=version)


async def _add(
    uow: UnitOfWork, name: str, language: str, parts: Mapping[str, str], *, copied: int | None
) -> tuple[Template, bool]:
    await queries.lock_template(uow.connection, key=f"notification_templates/{language}/{name}")
    current = await read_template(uow.connection, name, language)
    if _parts(current) == dict(parts):
        return current, False
    version = current.version + 1
    digest = await queries.insert_version(
        uow.connection, name=name, language=language, version=version, now=uow.now, **parts
    )
    uow.emit(
        NotificationTemplateChangedEvent(
            template_id=template_id(name, language),
            name=name,
            language=language,
            version=version,
            content_digest=digest,
            copied_version=copied,
        )
    )
    uow.before_commit(lambda connection: connection.execute(f"notify {LOG_CHANNEL}"))
    return Template(name, language, version, **parts), True


def _parts(template: Template) -> dict[str, str]:
    return {part: template.part(part) for part in PART_MAX}


def _template(name: str, language: str, row: Any) -> Template:
    return Template(name, language, row["version"], **{part: row[part] for part in PART_MAX})

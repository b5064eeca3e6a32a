"""`bank events`: reading the event log, and delivering its events again."""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any
from uuid import UUID

import click
import msgspec

from bank.cli.encryption import cipher_for
from bank.cli.log import (
    AS_JSON,
    DATABASE_URL,
    LogBound,
    StoredEvent,
    format_time,
    open_database,
    position_of,
    read_bound,
    stored_events,
)
from bank.cli.redelivery import rebuild, redeliver, replay
from bank.cli.schemas import schemas
from bank.errors import BadInput
from bank.event_handlers import NAMES
from bank.events.log import queries
from bank.events.types.registry import EVENT_TYPES

# The pause between two reads of the log's head: short enough to watch events arrive, and a negligible load.
FOLLOW_S = 0.25


@click.group()
def events() -> None:
    """Read the event log, and deliver its events again.

    Positions count from 1, without gaps, in the order of commits. All of these commands are safe while the bank runs.
    """


@events.command()
@click.option("-f", "--follow", is_flag=True, help="Continue with new events, until interrupted.")
@click.option("-n", "--lines", default=10, show_default=True, type=click.IntRange(0, 100_000), help="How many events.")
@click.option("--since", metavar="POSITION|TIME", help="Every event from here on, instead of the newest ones.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type; may be given several times.")
@click.option(
    "--aggregate", type=click.UUID, help="Only events of the account, user, transaction or hold with this id."
)
@AS_JSON
@DATABASE_URL
def tail(*, database_url: str | None, follow: bool, since: str | None, types: tuple[str, ...], **shown: Any) -> None:
    """Show the newest events, or all events since a position or time."""
    for name in types:
        if name not in EVENT_TYPES:
            raise BadInput(f"There is no event type {name}; there are {', '.join(EVENT_TYPES)}.")
    # A shell may start background commands with SIGINT ignored; this handler makes SIGINT end the command there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(database_url, read_bound(since), follow=follow, types=list(types) or None, **shown))


@events.command()
@click.argument("which", metavar="POSITION|ID")
@AS_JSON
@DATABASE_URL
def show(which: str, database_url: str | None, *, as_json: bool) -> None:
    """Show one event with all its stored values."""
    event = asyncio.run(_find(database_url, which))
    if as_json:
        click.echo(msgspec.json.encode(event))
        return
    for name, value in (
        ("position", event.position),
        ("id", event.id),
        ("type", f"{event.event_type}, version {event.event_version}"),
        ("about", f"{event.aggregate_type} {event.aggregate_id}"),
        ("user", event.user_id or "nobody"),
        ("stored at", format_time(event.created_at)),
    ):
        click.echo(f"{name:<10} {value}")
    for name, raw in (("data", event.event_data), ("metadata", event.metadata)):
        click.echo(f"{name}\n{msgspec.json.format(bytes(raw), indent=2).decode()}")


@events.command("dead-letters")
@click.option("--subscriber", help="Only this subscriber's.")
@click.option("--all", "redelivered_too", is_flag=True, help="Also those that were delivered later.")
@AS_JSON
@DATABASE_URL
def dead_letters(subscriber: str | None, database_url: str | None, *, redelivered_too: bool, as_json: bool) -> None:
    """List the events that a subscriber could not handle after its last attempt."""
    letters = asyncio.run(_letters(database_url, subscriber, redelivered_too=redelivered_too))
    for letter in letters:
        if as_json:
            click.echo(msgspec.json.encode(letter))
            continue
        since = f", redelivered {format_time(letter['redelivered_at'])}" if letter["redelivered_at"] else ""
        tries = f"{letter['attempts']} attempts until {format_time(letter['created_at'])}{since}"
        about = f"{letter['subscriber']}  {letter['event_position']}  {letter['event_type']} {letter['aggregate_id']}"
        click.echo(f"{about}  {tries}: {letter['error']}")
    if not letters and not as_json:
        click.echo("There are none.")


for command in (replay, redeliver, rebuild, schemas):
    events.add_command(command)


async def _tail(
    url: str | None, since: LogBound | None, *, follow: bool, lines: int, types: list[str] | None,
    aggregate: UUID | None, as_json: bool,
) -> None:  # fmt: skip
    def write(event: StoredEvent) -> None:
        try:
            click.echo(msgspec.json.encode(event) if as_json else event.line())
        except BrokenPipeError:
            # The reader has closed the pipe (`| head`). Standard output is redirected, so that the exit of Python does
            # not try to write the buffered rest.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None

    async with open_database(url) as database, database.connection() as connection:
        head = int(await queries.read_head(connection))
        if since is None:
            rows = queries.newest_events(connection, head=head, max_rows=lines, types=types, aggregate_id=aggregate)
            for event in reversed([StoredEvent.from_row(row) async for row in rows]):
                write(event)
            after = head
        else:
            after = await position_of(connection, since) - 1
        while True:
            async for event in stored_events(connection, after=after, until=head, types=types, aggregate_id=aggregate):
                write(event)
            if not follow:
                return
            after = max(after, head)
            while (head := int(await queries.read_head(connection))) <= after:  # noqa: ASYNC110 - another process' database cannot signal an Event
                await asyncio.sleep(FOLLOW_S)


async def _find(url: str | None, which: str) -> StoredEvent:
    try:
        position, id_ = (int(which), None) if which.isdecimal() else (None, UUID(which))
    except ValueError:
        raise BadInput(f"{which} is neither a position nor the id of an event.") from None
    async with open_database(url) as database, database.connection() as connection:
        row = await queries.stored_event(connection, position=position, id=id_)
    if row is None:
        raise BadInput(f"There is no event {which}.")
    return StoredEvent.from_row(row)


async def _letters(url: str | None, subscriber: str | None, *, redelivered_too: bool) -> list[dict[str, Any]]:
    async with open_database(url) as database, database.connection() as connection:
        letters = queries.list_dead_letters(connection, subscriber=subscriber, redelivered_too=redelivered_too)
        found = [dict(row) async for row in letters]
        errors = await cipher_for(database).decrypt([letter["error"] for letter in found], connection.fetch)
    for letter in found:
        letter["error"] = errors[letter["error"]] or "(erased)"
    # For a misspelt name, "There are none" would be misleading. A subscriber that no longer exists may have some.
    if not found and subscriber is not None and subscriber not in NAMES:
        raise BadInput(f"There is no subscriber {subscriber}; there are {', '.join(NAMES)}.")
    return found

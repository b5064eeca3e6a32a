"""`bank events replay`, `redeliver` and `rebuild`: the repeated delivery of events."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
import msgspec

from bank.cli.encryption import cipher_for
from bank.cli.log import (
    AS_JSON,
    DATABASE_URL,
    REDIS_URL,
    LogBound,
    Servers,
    open_subscriber,
    position_of,
    read_bound,
)
from bank.clock import SystemClock
from bank.errors import BadInput
from bank.events.log import queries
from bank.events.replay import Progress, Replay, ReplayResult


@click.command()
@click.argument("subscriber")
@click.option("--since", required=True, metavar="POSITION|TIME", help="The first event to deliver again.")
@click.option(
    "--until", metavar="POSITION|TIME", help="The last event (for a time: the last before it); all by default."
)
@click.option("--dry-run", is_flag=True, help="Only show which events would be delivered.")
@AS_JSON
@DATABASE_URL
@REDIS_URL
def replay(
    subscriber: str, since: str, until: str | None, *, dry_run: bool, as_json: bool, **servers: str | None
) -> None:
    """Deliver events to SUBSCRIBER again, up to its position in the log.

    The subscriber's position does not change. The replay holds the subscriber's lease while it runs. Meanwhile new
    events wait in the log, and other subscribers continue. The bank delivers the waiting events as soon as the replay
    ends. An event that fails becomes a dead letter. Exit code 0: all events were handled. 1: some failed.
    """
    if dry_run:
        plan = asyncio.run(_plan(subscriber, Servers(**servers), read_bound(since), read_bound(until)))
        click.echo(msgspec.json.encode(plan) if as_json else _plan_as_text(plan))
        return
    with _progress("Replaying", as_json=as_json) as progress:
        done = asyncio.run(_replay(subscriber, Servers(**servers), read_bound(since), read_bound(until), progress))
    _write_result(done, as_json=as_json)


@click.command()
@click.argument("subscriber")
@click.argument("positions", nargs=-1, type=click.IntRange(min=1))
@click.option("--all", "every", is_flag=True, help="Every dead letter of the subscriber.")
@AS_JSON
@DATABASE_URL
@REDIS_URL
def redeliver(
    subscriber: str, positions: tuple[int, ...], *, every: bool, as_json: bool, **servers: str | None
) -> None:
    """Deliver dead letters of SUBSCRIBER again: those at POSITIONS, or --all, in the order of the log.

    An event that fails again stays a dead letter, with its new error. Exit code 0: all were handled. 1: some failed.
    """
    if every == bool(positions):
        raise BadInput("Say which dead letters to deliver again: their positions, or --all.")
    with _progress("Redelivering", as_json=as_json) as progress:
        done = asyncio.run(_redeliver(subscriber, Servers(**servers), positions, progress))
    _write_result(done, as_json=as_json)


@click.command()
@click.argument("subscriber")
@AS_JSON
@DATABASE_URL
@REDIS_URL
def rebuild(subscriber: str, *, as_json: bool, **servers: str | None) -> None:
    """Rebuild the projection of SUBSCRIBER from the first event on.

    The rebuild is one transaction, so that readers see the old rows until its commit. New events wait in the log until
    then. An event that fails becomes a dead letter. Exit code 0: all events were handled. 1: some failed.
    """
    with _progress("Rebuilding", as_json=as_json) as progress:
        done = asyncio.run(_rebuild(subscriber, Servers(**servers), progress))
    _write_result(done, as_json=as_json)


async def _plan(name: str, servers: Servers, since: LogBound | None, until: LogBound | None) -> dict[str, Any]:
    async with open_subscriber(name, servers) as (database, subscriber), database.connection() as connection:
        first, last = await _bounds(connection, since, until)
        position = int(await queries.position_of_subscriber(connection, subscriber=name) or 0)
        last = position if last is None else min(last, position)
        types = {
            row["event_type"]: row["events"]
            async for row in queries.count_types(connection, after=first - 1, until=last)
            if subscriber.types is None or row["event_type"] in subscriber.types
        }
    return {"subscriber": name, "since": first, "until": last, "events": sum(types.values()), "types": types}


async def _replay(
    name: str, servers: Servers, since: LogBound | None, until: LogBound | None, progress: Progress
) -> ReplayResult:
    async with open_subscriber(name, servers) as (database, subscriber):
        async with database.connection() as connection:
            first, last = await _bounds(connection, since, until)
        return await Replay(database, subscriber, SystemClock(), cipher_for(database)).run(
            since=first, until=last, progress=progress
        )


async def _redeliver(name: str, servers: Servers, positions: tuple[int, ...], progress: Progress) -> ReplayResult:
    async with open_subscriber(name, servers) as (database, subscriber):
        async with database.connection() as connection:
            letters = queries.list_dead_letters(connection, subscriber=name, redelivered_too=False)
            existing = [row["event_position"] async for row in letters]
        for position in positions:
            if position not in existing:
                raise BadInput(f"There is no dead letter of {name} at position {position}.")
        return await Replay(database, subscriber, SystemClock(), cipher_for(database)).redeliver(
            sorted(set(positions)) or existing, progress=progress
        )


async def _rebuild(name: str, servers: Servers, progress: Progress) -> ReplayResult:
    async with open_subscriber(name, servers) as (database, subscriber):
        return await Replay(database, subscriber, SystemClock(), cipher_for(database)).rebuild(progress=progress)


async def _bounds(connection: Any, since: LogBound | None, until: LogBound | None) -> tuple[int, int | None]:
    assert since is not None, "click requires it"
    first = await position_of(connection, since)
    if until is None or isinstance(until, int):
        return first, until
    return first, await position_of(connection, until) - 1


@contextmanager
def _progress(label: str, *, as_json: bool) -> Iterator[Progress]:
    """Show a progress bar, if standard error is a terminal and the output is not JSON."""
    hidden = as_json or not sys.stderr.isatty()
    with click.progressbar(length=0, label=label, file=sys.stderr, show_pos=True, hidden=hidden) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield show


def _plan_as_text(plan: dict[str, Any]) -> str:
    where = f"from position {plan['since']} to {plan['until']}"
    lines = [f"Would deliver {plan['events']:,} events {where} to {plan['subscriber']} again."]
    lines += [f"{events:>10,}  {name}" for name, events in plan["types"].items()]
    return "\n".join(lines)


def _write_result(done: ReplayResult, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(asdict(done)))
    else:
        click.echo(f"{done.subscriber} has handled {done.handled:,} events from position {done.since} to {done.until}.")
        if done.failed:
            places = ", ".join(map(str, done.failed[:10])) + (" …" if len(done.failed) > 10 else "")
            click.echo(f"{len(done.failed):,} failed and are dead letters: {places}.")
    sys.exit(1 if done.failed else 0)

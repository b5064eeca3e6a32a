"""Every kind of caller gets the expected result of every field, and cannot find out which ids exist."""

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any

import graphql
import pytest

from bank.api.engine import create_engine
from bank.api.schema import load_sdl
from bank.identifiers import SEQUENCE_MAX, account_number, uuid7
from tests.integration.access_matrix import ANONYMOUS, ROWS, WITH_SESSION, WITHOUT_SESSION, document_of, result_of
from tests.integration.actions import SCHEMA, PopulatedBank, populate
from tests.integration.api import Client, Reply, serving, settings_for

_UNKNOWN = {"ID": lambda: str(uuid7()), "AccountNumber": lambda: account_number(1, SEQUENCE_MAX)}
# Members whose values differ from request to request.
_VOLATILE = {"id", "correlationId", "createdAt", "expiresAt"}

Path = tuple[str | int, ...]


@pytest.fixture
async def populated(database_url: str, redis_url: str) -> AsyncIterator[PopulatedBank]:
    # Ana logs in more often than a user may, and her first session has to stay open.
    async with serving(settings_for(database_url, redis_url, sessions_per_user=100)) as bank:
        yield await populate(bank)


async def _callers(populated: PopulatedBank) -> dict[str, Client]:
    return {
        **{name: populated.clients[person] for name, person in WITH_SESSION.items()},
        ANONYMOUS: populated.bank.client,
        **{name: await make(populated) for name, make in WITHOUT_SESSION.items()},
    }


async def _send(client: Client, field: str, given: Any) -> Reply:
    return await client.send(document_of(field), {} if given is None else {"input": given})


async def test_every_field_that_needs_access_has_a_row() -> None:
    """A new root field, or field with arguments or a resolver, needs a row in tests/integration/access_matrix.py."""
    assert (await create_engine(load_sdl())).resolved_fields() == ROWS.keys()


async def test_every_caller_gets_the_expected_result_of_every_field(populated: PopulatedBank) -> None:
    results: dict[str, dict[str, str]] = {}
    callers = await _callers(populated)
    for field, row in ROWS.items():
        results[field] = {}
        for name, client in callers.items():
            given = await row.given(populated)
            results[field][name] = result_of(await _send(client, field, given))
            if row.ends_sessions and name in WITH_SESSION:
                person = WITH_SESSION[name]
                populated.clients[person] = await populated.bank.client.login(populated.addresses[person])
        if row.ends_sessions:
            callers = await _callers(populated)
    assert results == {field: row.results() for field, row in ROWS.items()}


def _references(kind: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path and the scalar of each id and account number in an input type."""
    kind = graphql.get_nullable_type(kind)
    if graphql.is_list_type(kind):
        yield from _references(kind.of_type, (*path, 0))
    elif graphql.is_input_object_type(kind):
        for name, field in kind.fields.items():
            yield from _references(field.type, (*path, name))
    elif kind.name in _UNKNOWN:
        yield path, kind.name


def _cases() -> Iterator[Any]:
    """Yield each caller, field and reference to an object of Ana's that this caller may not use."""
    for field, row in ROWS.items():
        parent, _, name = field.partition(".")
        definition = SCHEMA.get_type(parent)
        assert isinstance(definition, graphql.GraphQLObjectType)
        for argument in definition.fields[name].args.values():
            for caller, result in row.results().items():
                if caller in WITH_SESSION and result not in {"OK", "FORBIDDEN"}:
                    for path, scalar in _references(argument.type):
                        place = ".".join([field, *map(str, path)])
                        yield pytest.param(caller, field, path, scalar, id=f"{caller}-{place}")


def _replaced(given: Any, path: Path, value: str) -> Any:
    """Return a copy of an input with another value at a path."""
    if not path:
        return value
    copy = deepcopy(given)
    parent = copy
    for step in path[:-1]:
        parent = parent[step]
    assert isinstance(parent[path[-1]], str)
    parent[path[-1]] = value
    return copy


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: None if name in _VOLATILE else _stable(member) for name, member in value.items()}
    return [_stable(item) for item in value] if isinstance(value, list) else value


async def test_an_id_of_somebody_else_has_the_response_of_an_unknown_one(populated: PopulatedBank) -> None:
    cases = list(_cases())
    assert len(cases) > 10
    different = {}
    for case in cases:
        caller, field, path, scalar = case.values
        client = populated.clients[WITH_SESSION[caller]]
        others = await _send(client, field, await ROWS[field].given(populated))
        unknown_input = _replaced(await ROWS[field].given(populated), path, _UNKNOWN[scalar]())
        unknown = await _send(client, field, unknown_input)
        if (others.status, _stable(others.body)) != (unknown.status, _stable(unknown.body)):
            different[case.id] = (others.body, unknown.body)
    assert different == {}

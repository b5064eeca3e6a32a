"""Every field declares its permitted users, and others do not reach its resolver."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from bank.api.authorization import ACCESS, Access, require_access, require_declared_access
from bank.api.engine import create_engine
from bank.api.schema import load_sdl
from bank.errors import Forbidden, Unauthenticated
from bank.identity.tokens import Caller

ROLES = (None, "CUSTOMER", "OPERATOR", "ADMIN")
MAY = {
    Access.CALLER: {"CUSTOMER", "OPERATOR", "ADMIN"},
    Access.STAFF: {"OPERATOR", "ADMIN"},
    Access.ADMIN: {"ADMIN"},
}
PUBLIC = {"Mutation.register", "Mutation.login", "Mutation.refreshSession"}


def context_of(role: str | None) -> Any:
    return SimpleNamespace(caller=None if role is None else Caller(uuid4(), role, uuid4()))


async def test_every_field_declares_its_permitted_users() -> None:
    engine = await create_engine(load_sdl())
    assert engine.resolved_fields() == ACCESS.keys()
    assert {field for field, access in ACCESS.items() if access is Access.ANYONE} == PUBLIC


@pytest.mark.parametrize(
    "field",
    [
        'extend type Query { "Undeclared." secret: String }',
        'extend type Account { "Undeclared." secret("Undeclared." of: Int): String }',
    ],
)
async def test_the_bank_does_not_start_with_a_field_that_declares_no_access(field: str) -> None:
    with pytest.raises(LookupError, match=r"secret"):
        await create_engine(f"{load_sdl()}\n{field}")


@pytest.mark.parametrize("name", ["Query.undeclared", "Account.undeclared"])
def test_a_field_without_declared_access_is_refused(name: str) -> None:
    with pytest.raises(LookupError, match=f"{name} declares no access"):
        require_declared_access([*ACCESS, name])


def test_a_root_field_cannot_have_the_access_of_a_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACCESS, "Query.me", Access.PARENT)
    with pytest.raises(LookupError, match="root field"):
        require_declared_access(["Query.me"])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("access", MAY)
def test_a_field_is_accessible_to_its_permitted_users_only(access: Access, role: str | None) -> None:
    if role in MAY[access]:
        require_access(context_of(role), access)
        return
    with pytest.raises(Unauthenticated if role is None else Forbidden):
        require_access(context_of(role), access)

"""Every root field declares its permitted users, and others do not reach its resolver."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from graphql import build_schema

from bank.api.authorization import ACCESS, Access, require_access
from bank.api.schema import load_sdl
from bank.cli.serve import RESOLVERS
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


def test_every_root_field_declares_its_permitted_users() -> None:
    for module in RESOLVERS:
        import_module(module)
    schema = build_schema(load_sdl())
    roots = [root for root in (schema.query_type, schema.mutation_type) if root is not None]
    fields = {f"{root.name}.{field}" for root in roots for field in root.fields}
    declared = {field: access for field, access in ACCESS.items() if field.startswith(("Query.", "Mutation."))}
    assert declared.keys() == fields
    assert {field for field, access in declared.items() if access is Access.ANYONE} == PUBLIC
    assert Access.PARENT not in declared.values()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("access", MAY)
def test_a_field_is_accessible_to_its_permitted_users_only(access: Access, role: str | None) -> None:
    if role in MAY[access]:
        require_access(context_of(role), access)
        return
    with pytest.raises(Unauthenticated if role is None else Forbidden):
        require_access(context_of(role), access)

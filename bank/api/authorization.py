"""Authorization: who may use which field. Declared beside each resolver, enforced here before it runs.

Access is denied by default: the bank does not start with a root field, a field with arguments or a field with a
resolver that declares no access (OWASP ASVS 5.0, 8.2 and 8.3). The other fields return a member of their parent, and so
have the access of their parent.
"""

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Any

from tartiflette import Resolver

from bank.api.resolver_context import ResolverContext
from bank.api.schema import SCHEMA_NAME
from bank.errors import Forbidden, SecondFactorRequired, Unauthenticated

ResolverFunction = Callable[[Any, dict[str, Any], ResolverContext, Any], Awaitable[Any]]


class Access(Enum):
    """The callers that may use a field. For a field that returns an object, the resolver also checks its owner."""

    ANYONE = "anyone"
    CALLER = "logged-in users"
    STAFF = "operators and administrators"
    ADMIN = "administrators"
    PARENT = "callers that may see the parent object"


# The access of every field with a resolver, by its coordinate ("Mutation.deposit").
ACCESS: dict[str, Access] = {}
_ROOTS = ("Query.", "Mutation.", "Subscription.")


def resolver(coordinate: str, access: Access) -> Callable[[ResolverFunction], ResolverFunction]:
    """Register the resolver of a field, and check before each call that the caller has access."""

    def register(function: ResolverFunction) -> ResolverFunction:
        async def authorized(parent: Any, arguments: dict[str, Any], context: ResolverContext, info: Any) -> Any:
            require_access(context, access)
            return await function(parent, arguments, context, info)

        ACCESS[coordinate] = access
        unrestricted = access in {Access.ANYONE, Access.PARENT}
        Resolver(coordinate, schema_name=SCHEMA_NAME)(function if unrestricted else authorized)
        return function

    return register


def require_declared_access(fields: Iterable[str]) -> None:
    """Raise LookupError if one of these fields declares no access, or a root field declares that of a parent."""
    for field in sorted(fields):
        access = ACCESS.get(field)
        if access is None:
            raise LookupError(f"{field} declares no access.")
        if access is Access.PARENT and field.startswith(_ROOTS):
            raise LookupError(f"{field} declares the access of its parent, but a root field has no parent.")


def require_access(context: ResolverContext, access: Access) -> None:
    """Raise `Unauthenticated` without a caller, and `Forbidden` if the caller's role does not have the access.

    Raises `SecondFactorRequired` for staff whose session has not proved the second factor (OWASP ASVS 5.0, 6.3).
    """
    caller = context.caller
    if caller is None:
        raise Unauthenticated("Log in first, and send the access token as `Authorization: Bearer …`.")
    if access is Access.STAFF and caller.role == "CUSTOMER":
        raise Forbidden("Only operators and administrators may do this.")
    if access is Access.ADMIN and caller.role != "ADMIN":
        raise Forbidden("Only administrators may do this.")
    if access in {Access.STAFF, Access.ADMIN} and caller.lacks_second_factor:
        raise SecondFactorRequired("Staff log in with a second factor to do this; enrol one first.")

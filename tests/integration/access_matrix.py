"""The authorization matrix: the fields that declare access, an input with objects of Ana's, the result of each caller.

`ROWS` has a row for every such field of the schema. A result is `OK`, `NULL`, or the code of an error or refusal.
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import graphql
from validate_docbr import CPF

from bank.identifiers import read_uuid, uuid7
from bank.identity.tokens import Caller
from tests.integration.actions import BRL_1, SCHEMA, PopulatedBank
from tests.integration.api import PASSWORD, Client, Reply
from tests.integration.customers import brl

CENT = brl("0.01")
PAST = "2020-01-01T00:00:00Z"
UNAUTHENTICATED = "UNAUTHENTICATED"
_numbers = itertools.count(1)

Input = Callable[[PopulatedBank], Awaitable[Any]]


async def _expired(populated: PopulatedBank) -> Client:
    """Return a client of Ana's with a token that has expired."""
    bank = populated.bank.bank
    ana = Caller(read_uuid(populated.ids["ana"]), "CUSTOMER", uuid7())
    # A token lives for some time at least: it was issued before it expired.
    now = bank.clock.now()
    bank.clock.now = lambda: now - timedelta(hours=2)  # type: ignore[method-assign]
    try:
        token = bank.sessions.tokens.issue(ana, expires_at=now - timedelta(hours=1))
    finally:
        del bank.clock.now
    return Client(populated.bank.client.http, populated.bank.client.url, token)


async def _revoked(populated: PopulatedBank) -> Client:
    """Return a client of Ana's whose session was ended."""
    client = await populated.bank.client.login(populated.addresses["ana"])
    await client.run("Logout")
    return client


async def _erased(populated: PopulatedBank) -> Client:
    """Return a client of a user who was erased."""
    client = await populated.bank.client.person()
    assert (await client.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    return client


# Callers whose token opens nothing. Each is refused by every field, also by those that need no token.
WITHOUT_SESSION: Mapping[str, Callable[[PopulatedBank], Awaitable[Client]]] = {
    "expired token": _expired,
    "revoked session": _revoked,
    "erased": _erased,
}
# Callers with a session, and their names in `PopulatedBank`.
WITH_SESSION = {"owner": "ana", "other customer": "bia", "operator": "operator", "administrator": "admin"}
ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Row:
    """The results of a field. `given` returns its input: the variable `$input`, with new objects of Ana's."""

    given: Input
    owner: str
    other: str
    operator: str
    admin: str
    anonymous: str = UNAUTHENTICATED
    ends_sessions: bool = False

    def results(self) -> dict[str, str]:
        """Return the result of each caller."""
        return {
            **dict(zip(WITH_SESSION, (self.owner, self.other, self.operator, self.admin), strict=True)),
            ANONYMOUS: self.anonymous,
            **dict.fromkeys(WITHOUT_SESSION, UNAUTHENTICATED),
        }


def _keyed(**more: Any) -> dict[str, Any]:
    return {"idempotencyKey": f"matrix-{next(_numbers)}", **more}


async def _nothing(_populated: PopulatedBank) -> Any:
    return None


async def _account_id(populated: PopulatedBank) -> Any:
    return populated.a["id"]


async def _session_id(populated: PopulatedBank) -> Any:
    reply = await populated.bank.client.login(populated.addresses["ana"])
    listed = (await reply.run("Sessions")).data["sessions"]
    return next(session["id"] for session in listed if session["isCurrent"])


async def _new_password(_populated: PopulatedBank) -> Any:
    return {"currentPassword": PASSWORD, "newPassword": PASSWORD, "endOtherSessions": False}


async def _phone(_populated: PopulatedBank) -> Any:
    return {"phone": "+5511987654321", "password": PASSWORD}


async def _own_limit(_populated: PopulatedBank) -> Any:
    return {"amount": {"amount": "5000.00", "currency": "BRL"}}


async def _no_address(_populated: PopulatedBank) -> Any:
    """Return the input with an invalid address, because the others log in with theirs again."""
    return {"newEmail": "no address", "password": PASSWORD, "endOtherSessions": False}


async def _password(_populated: PopulatedBank) -> Any:
    return {"password": PASSWORD}


async def _wrong_code(_populated: PopulatedBank) -> Any:
    return {"code": "no code"}


async def _password_and_code(_populated: PopulatedBank) -> Any:
    return {"password": PASSWORD, "code": "no code"}


async def _registration(_populated: PopulatedBank) -> Any:
    email = f"new{next(_numbers)}@example.com"
    return {"email": email, "fullName": "Eva", "cpf": CPF().generate(), "password": PASSWORD}


async def _credentials(populated: PopulatedBank) -> Any:
    return {"email": populated.addresses["ana"], "password": PASSWORD}


async def _address(populated: PopulatedBank) -> Any:
    return {"email": populated.addresses["ana"]}


async def _refresh_token(populated: PopulatedBank) -> Any:
    reply = await populated.bank.client.run("Login", input=await _credentials(populated))
    return {"refreshToken": reply.data["login"]["tokens"]["refreshToken"]}


async def _defaults(_populated: PopulatedBank) -> Any:
    return {}


async def _dry_run(_populated: PopulatedBank) -> Any:
    return {"dryRun": True}


async def _transfer(populated: PopulatedBank) -> Any:
    return _keyed(**_payment(populated))


async def _transfers(populated: PopulatedBank) -> Any:
    return _keyed(transfers=[_payment(populated)])


def _payment(populated: PopulatedBank) -> dict[str, Any]:
    return {"fromAccountId": populated.a["id"], "toAccountNumber": populated.c["number"], "amount": CENT}


async def _number_and_amount(populated: PopulatedBank) -> Any:
    return _keyed(accountNumber=populated.a["number"], amount=CENT)


async def _number_and_reason(populated: PopulatedBank) -> Any:
    return {"accountNumber": populated.b["number"], "reason": "A court asks."}


async def _active_account(populated: PopulatedBank) -> Any:
    """Return an input with an account that no administrator has frozen."""
    return {"accountNumber": populated.a["number"], "reason": "A court asks."}


async def _limits(populated: PopulatedBank) -> Any:
    return {"accountNumber": populated.b["number"], "perDay": BRL_1}


async def _empty_account(populated: PopulatedBank) -> Any:
    return {"accountId": (await populated.clients["ana"].account(f"matrix-{next(_numbers)}"))["id"]}


async def _currency(_populated: PopulatedBank) -> Any:
    return _keyed(currency="BRL")


async def _received(populated: PopulatedBank) -> Any:
    bia, c, a = populated.clients["bia"], populated.c["id"], populated.a["number"]
    paid = await bia.transfer(c, a, "0.01", f"matrix-{next(_numbers)}")
    return _keyed(transactionId=paid.data["transfer"]["transaction"]["id"])


async def _hold(populated: PopulatedBank) -> Any:
    given = _keyed(fromAccountId=populated.c["id"], toAccountNumber=populated.a["number"], amount=CENT)
    held = await populated.clients["bia"].run("AuthorizeHold", input=given)
    return _keyed(holdId=held.data["authorizeHold"]["hold"]["id"])


async def _asked(populated: PopulatedBank) -> str:
    """Return the id of a new request by somebody who is none of the callers."""
    staff = await populated.bank.staff()
    deposit = await staff.deposit(populated.a["number"], "60000.00", f"matrix-{next(_numbers)}")
    return str(deposit["approval"]["id"])


async def _to_approve(populated: PopulatedBank) -> Any:
    return _keyed(approvalId=await _asked(populated))


async def _to_reject(populated: PopulatedBank) -> Any:
    return {"approvalId": await _asked(populated), "reason": "Ask Ana first."}


async def _role(populated: PopulatedBank) -> Any:
    given = await _registration(populated)
    await populated.bank.client.run("Register", input=given)
    return {"email": given["email"], "role": "OPERATOR"}


def _public(given: Input) -> Row:
    return Row(given, "OK", "OK", "OK", "OK", anonymous="OK")


def _own(given: Input = _nothing, *, ends_sessions: bool = False) -> Row:
    return Row(given, "OK", "OK", "OK", "OK", ends_sessions=ends_sessions)


def _staff(given: Input) -> Row:
    return Row(given, "FORBIDDEN", "FORBIDDEN", "OK", "OK")


def _each(result: str) -> tuple[str, str, str, str]:
    """Return the same result for each caller with a session."""
    return result, result, result, result


def _owner(given: Input, refusal: str) -> Row:
    return Row(given, "OK", refusal, refusal, refusal)


def _owner_or_staff(given: Input, refusal: str) -> Row:
    return Row(given, "OK", refusal, "OK", "OK")


ROWS: Mapping[str, Row] = {
    # First, because both need a fresh login.
    "Mutation.exportMyData": _own(_defaults),
    "Mutation.eraseMyData": Row(
        _dry_run, "ACCOUNT_NOT_EMPTY", "ACCOUNT_NOT_EMPTY", "STAFF_NOT_ERASED", "STAFF_NOT_ERASED"
    ),
    "Mutation.register": _public(_registration),
    "Mutation.login": _public(_credentials),
    "Mutation.refreshSession": _public(_refresh_token),
    "Query.me": _own(),
    "Query.sessions": _own(),
    "User.accounts": _own(),
    "Query.auditLogs": Row(_nothing, "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "OK"),
    "Query.pendingApprovals": _staff(_nothing),
    "Query.approval": _staff(_asked),
    "Query.account": _owner_or_staff(_account_id, "NULL"),
    "Account.transactions": _owner_or_staff(_account_id, "NULL"),
    "Account.balanceAt": _owner_or_staff(_account_id, "NULL"),
    "Account.statement": _owner_or_staff(_account_id, "NULL"),
    "Account.days": _owner_or_staff(_account_id, "NULL"),
    "Account.limits": _owner_or_staff(_account_id, "NULL"),
    "Account.holds": _owner_or_staff(_account_id, "NULL"),
    "Account.holdPage": _owner_or_staff(_account_id, "NULL"),
    "Mutation.openAccount": _own(_currency),
    "Mutation.transfer": _owner(_transfer, "ACCOUNT_NOT_FOUND"),
    "Mutation.transferBatch": _owner(_transfers, "ACCOUNT_NOT_FOUND"),
    "Mutation.authorizeHold": _owner(_transfer, "ACCOUNT_NOT_FOUND"),
    "Mutation.withdraw": _owner_or_staff(_number_and_amount, "ACCOUNT_NOT_FOUND"),
    "Mutation.captureHold": _owner_or_staff(_hold, "HOLD_NOT_FOUND"),
    "Mutation.releaseHold": _owner_or_staff(_hold, "HOLD_NOT_FOUND"),
    "Mutation.reverseTransaction": _owner_or_staff(_received, "TRANSACTION_NOT_FOUND"),
    "Mutation.closeAccount": _owner_or_staff(_empty_account, "ACCOUNT_NOT_FOUND"),
    "Mutation.deposit": _staff(_number_and_amount),
    "Mutation.freezeAccount": _staff(_number_and_reason),
    "Mutation.unfreezeAccount": _staff(_active_account),
    "Mutation.setAccountLimits": _staff(_limits),
    "Mutation.approve": _staff(_to_approve),
    "Mutation.reject": _staff(_to_reject),
    "Mutation.changeRole": Row(_role, "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "OK"),
    "Mutation.unlockLogin": _staff(_address),
    "Mutation.revokeSession": _owner(_session_id, "SESSION_NOT_FOUND"),
    "Mutation.changePassword": _own(_new_password),
    "Mutation.changePhone": _own(_phone),
    "Mutation.changeEmail": Row(_no_address, *_each("INVALID_INPUT")),
    "Mutation.enrolSecondFactor": _own(_password),
    "Mutation.confirmSecondFactor": Row(_wrong_code, *_each("INVALID_SECOND_FACTOR")),
    "Mutation.renewRecoveryCodes": Row(_wrong_code, *_each("SECOND_FACTOR_NOT_ENROLLED")),
    "Mutation.setStepUpLimit": _own(_own_limit),
    "Mutation.verifySecondFactor": Row(_wrong_code, *_each("SECOND_FACTOR_NOT_ENROLLED")),
    "Mutation.disableSecondFactor": Row(
        _password_and_code,
        "SECOND_FACTOR_NOT_ENROLLED",
        "SECOND_FACTOR_NOT_ENROLLED",
        "SECOND_FACTOR_REQUIRED",
        "SECOND_FACTOR_REQUIRED",
    ),
    "Mutation.revokeOtherSessions": _own(ends_sessions=True),
    "Mutation.logout": _own(ends_sessions=True),
}

# The documents of the fields of objects. Those of root fields are made from the schema.
_OF_ACCOUNT = "query ($input: ID!) {{ account(id: $input) {{ {} {{ __typename }} }} }}"
_DOCUMENTS = {
    "User.accounts": "{ me { accounts { id } } }",
    "Account.transactions": _OF_ACCOUNT.format("transactions(first: 1)"),
    "Account.balanceAt": _OF_ACCOUNT.format(f'balanceAt(at: "{PAST}")'),
    "Account.statement": _OF_ACCOUNT.format(f'statement(from: "{PAST}", to: "{PAST}")'),
    "Account.days": _OF_ACCOUNT.format('days(from: "2020-01-01", to: "2020-01-02")'),
    "Account.limits": _OF_ACCOUNT.format("limits"),
    "Account.holds": _OF_ACCOUNT.format("holds"),
    "Account.holdPage": _OF_ACCOUNT.format("holdPage(first: 1)"),
}


def document_of(coordinate: str, *, depth: int = 2) -> str:
    """Return a document that uses a field with the variable `$input`, and selects all that takes no argument."""
    if coordinate in _DOCUMENTS:
        return _DOCUMENTS[coordinate]
    root, _, name = coordinate.partition(".")
    parent = SCHEMA.get_type(root)
    assert isinstance(parent, graphql.GraphQLObjectType)
    field = parent.fields[name]
    keyword, selection = root.lower(), _selection(graphql.get_named_type(field.type), depth)
    given = next((pair for pair in field.args.items() if graphql.is_required_argument(pair[1])), None)
    if given is None:
        return f"{keyword} {{ {name} {selection} }}"
    return f"{keyword} ($input: {given[1].type}) {{ {name}({given[0]}: $input) {selection} }}"


def _selection(kind: graphql.GraphQLNamedType, depth: int) -> str:
    """Return the selection of a type, empty if nothing of it is within the depth."""
    if not isinstance(kind, graphql.GraphQLObjectType):
        return ""
    fields = []
    for name, field in kind.fields.items():
        inner = graphql.get_named_type(field.type)
        selection = _selection(inner, depth - 1) if depth else ""
        if not field.args and (selection or graphql.is_leaf_type(inner)):
            fields.append(f"{name} {selection}")
    return f"{{ {' '.join(fields)} }}" if fields else ""


def result_of(reply: Reply) -> str:
    """Return the result of a response: `OK`, `NULL`, or the code of its error or refusal."""
    if "errors" in reply.body:
        return reply.code
    [value] = reply.body["data"].values()
    if value is None:
        return "NULL"
    errors = value.get("userErrors") if isinstance(value, dict) else None
    return str(errors[0]["code"]) if errors else "OK"

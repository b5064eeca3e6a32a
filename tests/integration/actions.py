"""Every mutation and every staff query, once successful and once refused, with the audit row that it must leave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import graphql

from bank.api.schema import load_sdl
from tests.integration.api import PASSWORD, Client, RunningBank
from tests.integration.authenticator import Authenticator, begin_enrolment, enrol
from tests.integration.encryption import plain_rows, set_role

SCHEMA = graphql.build_schema(load_sdl())
CPF_GIVEN = "52998224725"
NEW_PASSWORD = "nine green lamps in winter"
WRONG_PASSWORD = "a wrong umbrella for Tuesday"
NOBODY = "nobody-at-all@example.com"
BRL_1 = {"amount": "1.00", "currency": "BRL"}


@dataclass
class PopulatedBank:
    """A bank with users: Ana with money and three accounts, Bia with one, Caio, an operator, an administrator.

    `waiting` is the app of Ana, who has not confirmed her second factor yet; `authenticator` is that of Caio.
    The asker is another operator, who has asked for a large deposit for Ana.
    """

    bank: RunningBank
    clients: dict[str, Client]
    ids: dict[str, str]
    addresses: dict[str, str]
    refresh_token: str
    session_id: str
    a: dict[str, Any]
    b: dict[str, Any]
    c: dict[str, Any]
    empty: dict[str, Any]
    transfer_id: str
    hold_id: str
    waiting: Authenticator
    authenticator: Authenticator
    approval_id: str


Input = Callable[[PopulatedBank], Any]


@dataclass(frozen=True)
class Action:
    """An operation, its user and input, and the audit row that it must leave. `user` is None if there is no known user.

    `entity` returns the entity of the row. `old` and `new` are part of its values.
    """

    by: str
    given: Input
    user: str | None
    action: str
    entity: Callable[[PopulatedBank], str | None] | None = None
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] = field(default_factory=dict)


def refused(by: str, given: Input, code: str, *, user: str | None = "same") -> Action:
    """Return an action that must be refused and recorded."""
    who = (None if by == "nobody" else by) if user == "same" else user
    return Action(by, given, who, "REFUSE", new={"code": code})


def _keyed(**more: Any) -> dict[str, Any]:
    return {"idempotencyKey": "k", **more}


def _transfer(populated: PopulatedBank, amount: str = "1.00") -> dict[str, Any]:
    money = {"amount": amount, "currency": "BRL"}
    return {"fromAccountId": populated.a["id"], "toAccountNumber": populated.c["number"], "amount": money}


MUTATIONS: Mapping[str, tuple[Action, ...]] = {
    "register": (
        Action(
            "nobody",
            lambda _: {"email": "eva@example.com", "fullName": "Eva", "cpf": CPF_GIVEN, "password": PASSWORD},
            "new", "CREATE", new={"role": "CUSTOMER"},
        ),
        refused(
            "nobody",
            lambda s: {"email": s.addresses["ana"], "fullName": "Eva", "cpf": CPF_GIVEN, "password": PASSWORD},
            "EMAIL_TAKEN",
        ),
        refused(
            "nobody",
            lambda _: {"email": "eva@example.com", "fullName": "Eva", "cpf": CPF_GIVEN, "password": "1"},
            "WEAK_PASSWORD",
        ),
        refused(
            "nobody",
            lambda _: {"email": "eva@example.com", "fullName": "Eva", "cpf": "no", "password": PASSWORD},
            "BAD_INPUT",
        ),
    ),
    "login": (
        Action(
            "nobody", lambda s: {"email": s.addresses["ana"], "password": PASSWORD}, "ana", "LOGIN",
            entity=lambda s: s.ids["ana"],
        ),
        Action(
            "nobody", lambda s: {"email": s.addresses["ana"], "password": WRONG_PASSWORD}, "ana", "LOGIN_FAILED",
            entity=lambda s: s.ids["ana"], new={"address_digest": None},
        ),
        Action(
            "nobody", lambda _: {"email": NOBODY, "password": PASSWORD}, None, "LOGIN_FAILED",
            new={"subject_id": None},
        ),
        Action(
            "nobody", lambda s: {"email": s.addresses["ana"], "password": "x" * 200}, "ana", "LOGIN_FAILED"
        ),
        Action(
            "nobody", lambda s: {
                "email": s.addresses["caio"], "password": PASSWORD,
                "secondFactorCode": s.authenticator.recovery_codes[0],
            },
            "caio", "VERIFY", entity=lambda s: s.ids["caio"], new={"method": "RECOVERY_CODE"},
        ),
        Action(
            "nobody", lambda s: {"email": s.addresses["caio"], "password": PASSWORD, "secondFactorCode": "1"},
            "caio", "LOGIN_FAILED", entity=lambda s: s.ids["caio"],
        ),
        refused(
            "nobody", lambda s: {"email": s.addresses["caio"], "password": PASSWORD}, "SECOND_FACTOR_REQUIRED",
            user="caio",
        ),
    ),
    "unlockLogin": (
        Action(
            "operator", lambda s: {"email": s.addresses["ana"]}, "operator", "UNLOCK_LOGIN",
            entity=lambda s: s.ids["ana"], new={"address_digest": None},
        ),
        refused("operator", lambda s: {"email": s.addresses["operator"]}, "OWN_ACCOUNT"),
        refused("ana", lambda s: {"email": s.addresses["ana"]}, "FORBIDDEN"),
        refused("nobody", lambda s: {"email": s.addresses["ana"]}, "UNAUTHENTICATED"),
    ),
    "refreshSession": (
        Action(
            "nobody", lambda s: {"refreshToken": s.refresh_token}, "ana", "REFRESH", entity=lambda s: s.ids["ana"]
        ),
        refused("nobody", lambda _: {"refreshToken": "made up"}, "INVALID_REFRESH_TOKEN"),
    ),
    "logout": (
        Action("ana", lambda _: {}, "ana", "LOGOUT", entity=lambda s: s.ids["ana"]),
        refused("nobody", lambda _: {}, "UNAUTHENTICATED"),
    ),
    "revokeSession": (
        Action(
            "ana", lambda s: s.session_id, "ana", "CLOSE_SESSION", entity=lambda s: s.ids["ana"],
            new={"reason": "REQUESTED"},
        ),
        refused("bia", lambda s: s.session_id, "SESSION_NOT_FOUND"),
        refused("ana", lambda _: "no id", "SESSION_NOT_FOUND"),
        refused("nobody", lambda s: s.session_id, "UNAUTHENTICATED"),
    ),
    "revokeOtherSessions": (
        Action(
            "bia", lambda _: {}, "bia", "CLOSE_SESSION", entity=lambda s: s.ids["bia"], new={"reason": "REQUESTED"}
        ),
        refused("nobody", lambda _: {}, "UNAUTHENTICATED"),
    ),
    "changePassword": (
        Action(
            "bia", lambda _: {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, "bia", "UPDATE",
            entity=lambda s: s.ids["bia"], new={"ended_sessions": 1},
        ),
        Action(
            "bia", lambda _: {"currentPassword": WRONG_PASSWORD, "newPassword": NEW_PASSWORD}, "bia", "LOGIN_FAILED",
            entity=lambda s: s.ids["bia"],
        ),
        refused("bia", lambda _: {"currentPassword": PASSWORD, "newPassword": "1"}, "WEAK_PASSWORD"),
        refused("nobody", lambda _: {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, "UNAUTHENTICATED"),
    ),
    "changePhone": (
        Action(
            "bia", lambda _: {"phone": "+5511987654321", "password": PASSWORD}, "bia", "UPDATE",
            entity=lambda s: s.ids["bia"], new={"change": "PHONE"},
        ),
        Action(
            "bia", lambda _: {"phone": None, "password": WRONG_PASSWORD}, "bia", "LOGIN_FAILED",
            entity=lambda s: s.ids["bia"],
        ),
        refused("nobody", lambda _: {"phone": None, "password": PASSWORD}, "UNAUTHENTICATED"),
    ),
    "changeEmail": (
        Action(
            "bia", lambda _: {"newEmail": "bia2@example.com", "password": PASSWORD}, "bia", "UPDATE",
            entity=lambda s: s.ids["bia"], new={"change": "EMAIL", "old_email": "bia@example.com"},
        ),
        Action(
            "bia", lambda _: {"newEmail": "bia2@example.com", "password": WRONG_PASSWORD}, "bia", "LOGIN_FAILED",
            entity=lambda s: s.ids["bia"],
        ),
        refused("bia", lambda _: {"newEmail": "no address", "password": PASSWORD}, "INVALID_INPUT"),
        refused("bia", lambda _: {"newEmail": "bia@example.com", "password": PASSWORD}, "INVALID_INPUT"),
        refused("bia", lambda s: {"newEmail": s.addresses["ana"], "password": PASSWORD}, "EMAIL_TAKEN"),
        refused(
            "nobody", lambda _: {"newEmail": "bia2@example.com", "password": PASSWORD}, "UNAUTHENTICATED"
        ),
    ),
    "enrolSecondFactor": (
        Action(
            "bia", lambda _: {"password": PASSWORD}, "bia", "UPDATE", entity=lambda s: s.ids["bia"],
            new={"change": "ENROLLED"},
        ),
        Action("bia", lambda _: {"password": WRONG_PASSWORD}, "bia", "LOGIN_FAILED", entity=lambda s: s.ids["bia"]),
        refused("caio", lambda _: {"password": PASSWORD}, "SECOND_FACTOR_REQUIRED"),
        refused("nobody", lambda _: {"password": PASSWORD}, "UNAUTHENTICATED"),
    ),
    "confirmSecondFactor": (
        Action(
            "ana", lambda s: {"code": s.waiting.code()}, "ana", "VERIFY", entity=lambda s: s.ids["ana"],
            new={"method": "TOTP"},
        ),
        Action("ana", lambda _: {"code": "1"}, "ana", "LOGIN_FAILED", entity=lambda s: s.ids["ana"]),
        refused("bia", lambda s: {"code": s.waiting.code()}, "SECOND_FACTOR_NOT_ENROLLED"),
        refused("nobody", lambda _: {"code": "1"}, "UNAUTHENTICATED"),
    ),
    "renewRecoveryCodes": (
        Action(
            "caio", lambda s: {"code": s.authenticator.recovery_codes[0]}, "caio", "UPDATE",
            entity=lambda s: s.ids["caio"], new={"change": "CODES_RENEWED"},
        ),
        Action("caio", lambda _: {"code": "1"}, "caio", "LOGIN_FAILED", entity=lambda s: s.ids["caio"]),
        refused("bia", lambda _: {"code": "1"}, "SECOND_FACTOR_NOT_ENROLLED"),
    ),
    "verifySecondFactor": (
        Action(
            "caio", lambda s: {"code": s.authenticator.recovery_codes[0]}, "caio", "VERIFY",
            entity=lambda s: s.ids["caio"], new={"method": "RECOVERY_CODE"},
        ),
        Action("caio", lambda _: {"code": "1"}, "caio", "LOGIN_FAILED", entity=lambda s: s.ids["caio"]),
        refused("bia", lambda _: {"code": "1"}, "SECOND_FACTOR_NOT_ENROLLED"),
        refused("nobody", lambda _: {"code": "1"}, "UNAUTHENTICATED"),
    ),
    "setStepUpLimit": (
        Action(
            "bia", lambda _: {"amount": BRL_1}, "bia", "UPDATE", entity=lambda s: s.ids["bia"],
            old={"step_up_above_minor": None}, new={"step_up_above_minor": 100},
        ),
        refused("bia", lambda _: {"amount": {"amount": "10000.01", "currency": "BRL"}}, "INVALID_AMOUNT"),
        refused("bia", lambda _: {"amount": {"amount": "-1.00", "currency": "BRL"}}, "INVALID_AMOUNT"),
        refused("nobody", lambda _: {"amount": BRL_1}, "UNAUTHENTICATED"),
    ),
    "disableSecondFactor": (
        Action(
            "caio", lambda s: {"password": PASSWORD, "code": s.authenticator.recovery_codes[0]}, "caio", "UPDATE",
            entity=lambda s: s.ids["caio"], new={"change": "DISABLED", "state_digest": None},
        ),
        Action(
            "caio", lambda _: {"password": PASSWORD, "code": "1"}, "caio", "LOGIN_FAILED",
            entity=lambda s: s.ids["caio"],
        ),
        refused("operator", lambda _: {"password": PASSWORD, "code": "1"}, "SECOND_FACTOR_REQUIRED"),
        refused("bia", lambda _: {"password": PASSWORD, "code": "1"}, "SECOND_FACTOR_NOT_ENROLLED"),
    ),
    "eraseMyData": (
        Action("caio", lambda _: {"dryRun": False}, "caio", "ERASE", entity=lambda s: s.ids["caio"]),
        refused("ana", lambda _: {"dryRun": False}, "ACCOUNT_NOT_EMPTY"),
        refused("operator", lambda _: {"dryRun": False}, "STAFF_NOT_ERASED"),
        refused("nobody", lambda _: {"dryRun": False}, "UNAUTHENTICATED"),
    ),
    "exportMyData": (
        Action("ana", lambda _: {"format": "JSON"}, "ana", "EXPORT", entity=lambda s: s.ids["ana"]),
        refused("nobody", lambda _: {"format": "JSON"}, "UNAUTHENTICATED"),
    ),
    "openAccount": (
        Action("ana", lambda _: _keyed(currency="BRL"), "ana", "CREATE", new={"currency": "BRL"}),
        refused("ana", lambda _: _keyed(currency="USD"), "CURRENCY_MISMATCH"),
        refused("ana", lambda _: {"idempotencyKey": "", "currency": "BRL"}, "INVALID_INPUT"),
        refused("ana", lambda _: {"idempotencyKey": "fund-transfer", "currency": "BRL"}, "IDEMPOTENCY_KEY_REUSED"),
        refused("nobody", lambda _: _keyed(currency="BRL"), "UNAUTHENTICATED"),
    ),
    "freezeAccount": (
        Action(
            "operator", lambda s: {"accountNumber": s.a["number"], "reason": "A court asks."}, "operator", "UPDATE",
            entity=lambda s: s.a["id"], old={"status": "ACTIVE"}, new={"status": "FROZEN", "reason": "A court asks."},
        ),
        refused("ana", lambda s: {"accountNumber": s.a["number"], "reason": "Why not."}, "FORBIDDEN"),
        refused("operator", lambda s: {"accountNumber": s.a["number"], "reason": ""}, "INVALID_INPUT"),
    ),
    "unfreezeAccount": (
        Action(
            "operator", lambda s: {"accountNumber": s.empty["number"], "reason": "It is over."}, "operator", "UPDATE",
            entity=lambda s: s.empty["id"], old={"status": "FROZEN"}, new={"status": "ACTIVE"},
        ),
        refused("ana", lambda s: {"accountNumber": s.empty["number"], "reason": "Why not."}, "FORBIDDEN"),
    ),
    "closeAccount": (
        Action(
            "ana", lambda s: {"accountId": s.b["id"]}, "ana", "UPDATE", entity=lambda s: s.b["id"],
            old={"status": "ACTIVE"}, new={"status": "CLOSED"},
        ),
        refused("bia", lambda s: {"accountId": s.b["id"]}, "ACCOUNT_NOT_FOUND"),
    ),
    "setAccountLimits": (
        Action(
            "operator", lambda s: {"accountNumber": s.a["number"], "perDay": BRL_1}, "operator", "UPDATE",
            entity=lambda s: s.a["id"], old={"daily_limit_minor": None}, new={"daily_limit_minor": 100},
        ),
        refused("ana", lambda s: {"accountNumber": s.a["number"], "perDay": BRL_1}, "FORBIDDEN"),
        refused(
            "operator",
            lambda s: {"accountNumber": s.a["number"], "perDay": {"amount": "-1.00", "currency": "BRL"}},
            "INVALID_AMOUNT",
        ),
    ),
    "transfer": (
        Action(
            "ana", lambda s: _keyed(**_transfer(s)), "ana", "COMPLETE", new={"kind": "TRANSFER", "amount_minor": 100}
        ),
        Action(
            "ana", lambda s: _keyed(**_transfer(s)), "ana", "UPDATE", entity=lambda s: s.a["id"],
            old={"balance_minor": 9_000}, new={"balance_minor": 8_900},
        ),
        refused("ana", lambda s: _keyed(**_transfer(s, "1000.00")), "INSUFFICIENT_FUNDS"),
        refused("ana", lambda s: _keyed(**_transfer(s, "0.00")), "INVALID_AMOUNT"),
        refused("ana", lambda s: _keyed(**_transfer(s, "10000.01")), "SECOND_FACTOR_REQUIRED"),
        refused("bia", lambda s: _keyed(**_transfer(s)), "ACCOUNT_NOT_FOUND"),
        refused("nobody", lambda s: _keyed(**_transfer(s)), "UNAUTHENTICATED"),
    ),
    "transferBatch": (
        Action(
            "ana", lambda s: _keyed(transfers=[_transfer(s), _transfer(s, "2.00")]), "ana", "COMPLETE",
            new={"kind": "TRANSFER", "amount_minor": 200},
        ),
        refused("ana", lambda s: _keyed(transfers=[_transfer(s), _transfer(s, "1000.00")]), "INSUFFICIENT_FUNDS"),
        refused("ana", lambda _: _keyed(transfers=[]), "INVALID_INPUT"),
        refused("ana", lambda s: _keyed(transfers=[_transfer(s, "6000.00")] * 2), "SECOND_FACTOR_REQUIRED"),
    ),
    "deposit": (
        Action(
            "operator", lambda s: _keyed(accountNumber=s.a["number"], amount=BRL_1), "operator", "COMPLETE",
            new={"kind": "DEPOSIT", "amount_minor": 100},
        ),
        refused("ana", lambda s: _keyed(accountNumber=s.a["number"], amount=BRL_1), "FORBIDDEN"),
    ),
    "withdraw": (
        Action(
            "ana", lambda s: _keyed(accountNumber=s.a["number"], amount=BRL_1), "ana", "COMPLETE",
            new={"kind": "WITHDRAWAL", "amount_minor": 100},
        ),
        refused("bia", lambda s: _keyed(accountNumber=s.a["number"], amount=BRL_1), "ACCOUNT_NOT_FOUND"),
    ),
    "reverseTransaction": (
        Action(
            "bia", lambda s: _keyed(transactionId=s.transfer_id), "bia", "COMPLETE",
            new={"kind": "REVERSAL", "amount_minor": 1_000},
        ),
        refused("ana", lambda s: _keyed(transactionId=s.transfer_id), "TRANSACTION_NOT_FOUND"),
    ),
    "approve": (
        Action(
            "operator", lambda s: _keyed(approvalId=s.approval_id), "operator", "UPDATE",
            entity=lambda s: s.approval_id, old={"status": "PENDING"}, new={"status": "APPROVED"},
        ),
        refused("asker", lambda s: _keyed(approvalId=s.approval_id), "OWN_REQUEST"),
        refused("operator", lambda s: _keyed(approvalId=s.hold_id), "APPROVAL_NOT_FOUND"),
        refused("ana", lambda s: _keyed(approvalId=s.approval_id), "FORBIDDEN"),
    ),
    "reject": (
        Action(
            "operator", lambda s: {"approvalId": s.approval_id, "reason": "No."}, "operator", "UPDATE",
            entity=lambda s: s.approval_id, old={"status": "PENDING"}, new={"status": "REJECTED", "reason": "No."},
        ),
        refused("asker", lambda s: {"approvalId": s.approval_id, "reason": "No."}, "OWN_REQUEST"),
        refused("operator", lambda s: {"approvalId": s.approval_id, "reason": ""}, "INVALID_INPUT"),
        refused("ana", lambda s: {"approvalId": s.approval_id, "reason": "No."}, "FORBIDDEN"),
    ),
    "changeRole": (
        Action(
            "admin", lambda s: {"email": s.addresses["caio"], "role": "OPERATOR"}, "admin", "CREATE",
            new={"kind": "ROLE", "role": "OPERATOR", "old_role": "CUSTOMER"},
        ),
        refused("admin", lambda _: {"email": NOBODY, "role": "OPERATOR"}, "USER_NOT_FOUND"),
        refused("operator", lambda s: {"email": s.addresses["caio"], "role": "OPERATOR"}, "FORBIDDEN"),
    ),
    "authorizeHold": (
        Action("ana", lambda s: _keyed(**_transfer(s)), "ana", "CREATE", new={"amount_minor": 100}),
        refused("ana", lambda s: _keyed(**_transfer(s, "1000.00")), "INSUFFICIENT_FUNDS"),
    ),
    "captureHold": (
        Action(
            "bia", lambda s: _keyed(holdId=s.hold_id), "bia", "UPDATE", entity=lambda s: s.hold_id,
            old={"status": "AUTHORIZED"}, new={"status": "CAPTURED"},
        ),
        refused("ana", lambda s: _keyed(holdId=s.hold_id), "HOLD_NOT_FOUND"),
    ),
    "releaseHold": (
        Action(
            "bia", lambda s: _keyed(holdId=s.hold_id), "bia", "UPDATE", entity=lambda s: s.hold_id,
            old={"status": "AUTHORIZED"}, new={"status": "RELEASED"},
        ),
        refused("ana", lambda s: _keyed(holdId=s.hold_id), "HOLD_NOT_FOUND"),
    ),
}  # fmt: skip
"""The actions of every mutation of the schema: permitted users and the audit rows, then refused users."""

OWN = frozenset({"me", "sessions"})
"""The queries that show only data of the caller."""

QUERIES: Mapping[str, tuple[str, tuple[Action, ...]]] = {
    "account": (
        "query($id: ID!) { account(id: $id) { balance { amount } } }",
        (
            Action(
                "operator", lambda s: {"id": s.a["id"]}, "operator", "READ", entity=lambda s: s.a["id"],
                new={"query": "account", "entity_type": "Account"},
            ),
            Action(
                "bia", lambda s: {"id": s.a["id"]}, "bia", "REFUSE", entity=lambda s: s.a["id"],
                new={"action": "account", "code": "ACCOUNT_NOT_FOUND"},
            ),
        ),
    ),
    "pendingApprovals": (
        "{ pendingApprovals { nodes { id } } }",
        (
            Action(
                "operator", lambda _: {}, "operator", "READ", entity=lambda s: s.ids["operator"],
                new={"query": "pendingApprovals", "entity_type": "Approval"},
            ),
            refused("ana", lambda _: {}, "FORBIDDEN"),
        ),
    ),
    "approval": (
        "query($id: ID!) { approval(id: $id) { status } }",
        (
            Action(
                "operator", lambda s: {"id": s.approval_id}, "operator", "READ", entity=lambda s: s.approval_id,
                new={"query": "approval", "entity_type": "Approval"},
            ),
            refused("ana", lambda s: {"id": s.approval_id}, "FORBIDDEN"),
        ),
    ),
    "auditLogs": (
        "query($id: ID, $type: String) { auditLogs(entityId: $id, entityType: $type) { nodes { action } } }",
        (
            Action(
                "admin", lambda s: {"id": s.a["id"]}, "admin", "READ", entity=lambda s: s.a["id"],
                new={"query": "auditLogs"},
            ),
            Action(
                "admin", lambda _: {"type": "User"}, "admin", "READ", entity=lambda s: s.ids["admin"],
                new={"query": "auditLogs", "entity_type": "User"},
            ),
            refused("operator", lambda _: {}, "FORBIDDEN"),
            refused("ana", lambda _: {}, "FORBIDDEN"),
        ),
    ),
}  # fmt: skip
"""The actions of every query with which staff read data of other users."""


def document(mutation: str) -> str:
    """Return a document that executes a mutation with one argument, its `$input`."""
    assert SCHEMA.mutation_type is not None
    field = SCHEMA.mutation_type.fields[mutation]
    if not field.args:
        return f"mutation {{ {mutation} {{ __typename }} }}"
    [(name, argument)] = field.args.items()
    return f"mutation($input: {argument.type}) {{ {mutation}({name}: $input) {{ __typename }} }}"


async def populate(bank: RunningBank) -> PopulatedBank:
    """Register the users and make their accounts."""
    addresses = {name: f"{name}@example.com" for name in ("ana", "bia", "caio", "operator", "admin", "asker")}
    for address in addresses.values():
        await bank.client.person(email=address)
    async with bank.bank.database.connection() as connection:
        await set_role(connection, addresses["operator"], "OPERATOR")
        await set_role(connection, addresses["asker"], "OPERATOR")
        await set_role(connection, addresses["admin"], "ADMIN")
        rows = await plain_rows(connection, bank.bank.cipher, "select id::text, email from users")
    ids = {row["email"].partition("@")[0]: row["id"] for row in rows}
    clients = {name: await bank.client.login(address) for name, address in addresses.items()}
    ana, bia, operator = clients["ana"], clients["bia"], clients["operator"]
    a, b, empty, c = await ana.account("a"), await ana.account("b"), await ana.account("e"), await bia.account("c")
    await operator.deposit(a["number"], "100.00", "fund")
    moved = await ana.transfer(a["id"], c["number"], "10.00", "fund-transfer")
    held = await ana.send(
        document("authorizeHold").replace("__typename", "hold { id }"),
        {"input": {"idempotencyKey": "fund-hold", **_transfer_between(a, c)}},
    )
    await operator.send(document("freezeAccount"), {"input": {"accountNumber": empty["number"], "reason": "x"}})
    logged_in = await bank.client.run("Login", input={"email": addresses["ana"], "password": PASSWORD})
    listed = (await ana.run("Sessions")).data["sessions"]
    return PopulatedBank(
        bank, {"nobody": bank.client, **clients}, ids, addresses,
        logged_in.data["login"]["tokens"]["refreshToken"],
        next(session["id"] for session in listed if not session["isCurrent"]), a, b, c, empty,
        moved.data["transfer"]["transaction"]["id"], held.data["authorizeHold"]["hold"]["id"],
        await begin_enrolment(bank, ana), await enrol(bank, clients["caio"]),
        (await clients["asker"].deposit(a["number"], "60000.00", "much"))["approval"]["id"],
    )  # fmt: skip


def _transfer_between(a: dict[str, Any], c: dict[str, Any]) -> dict[str, Any]:
    return {"fromAccountId": a["id"], "toAccountNumber": c["number"], "amount": BRL_1}

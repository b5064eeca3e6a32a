"""An in-memory bank with the answers of the contract over real HTTP.

It replaces the bank in tests of the driver and of the checks. `trouble` makes it misbehave: it can drop an answer after
the effect, or send any other reply instead of one.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar

from aiohttp import web

from simulation.judge.database_state import (
    AccountRow,
    AuditRow,
    DatabaseState,
    DayRow,
    EntryRow,
    EventRow,
    KeyRow,
    TransactionRow,
    UserRow,
)

CASH = "00000000-0000-7000-8000-000000000986"
DAY = "2026-01-01"
Reply = dict[str, Any]
Trouble = Callable[[str, dict[str, Any], int], Awaitable[web.Response | None]]
"""A function that gets the operation's name, its input and the number of earlier requests, and may return a reply.

If it raises `HideAnswer`, the bank executes the operation and then closes the connection.
"""


Content = tuple[Any, ...]
"""The content of the request of a key, independent of its spelling."""


Do = Callable[[], tuple[str | None, Reply]]
"""A function that executes an operation, and returns its transaction, if there is one, and the answer."""


class HideAnswer(Exception):
    """A request to execute the operation and send no answer."""


class Deny(Exception):
    """An error instead of data."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Refuse(Exception):
    """A refusal in the payload."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def money(minor: int) -> Reply:
    sign = "-" if minor < 0 else ""
    return {"amount": f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}", "currency": "BRL"}


@dataclass
class InMemoryBank:
    """An in-memory bank with its state in dictionaries and lists."""

    FIELDS: ClassVar[dict[str, str]] = {
        "Register": "register", "Login": "login", "RefreshSession": "refreshSession", "Logout": "logout",
        "OpenAccount": "openAccount", "Deposit": "deposit", "Transfer": "transfer", "Me": "me",
        "AccountBalance": "account", "AccountHistory": "account",
    }  # fmt: skip

    trouble: Trouble | None = None
    users: dict[str, UserRow] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, AccountRow] = field(default_factory=dict)
    transactions: dict[str, TransactionRow] = field(default_factory=dict)
    entries: dict[str, list[EntryRow]] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[Content, Reply, KeyRow]] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    requests: int = 0
    ids: int = 0

    def __post_init__(self) -> None:
        self.accounts[CASH] = AccountRow(CASH, None, "CASH", "CASH-BRL", "BRL", 0, 0)

    def new_id(self) -> str:
        self.ids += 1
        return str(uuid.UUID(int=(7 << 76) | self.ids))

    def register_administrator(self, email: str, password: str) -> None:
        """Register the administrator, as the command line does."""
        self._register(email, password, "ADMIN")

    def database(self) -> DatabaseState:
        """Return the state as the judge would read it from the database."""
        return DatabaseState(
            users=list(self.users.values()),
            accounts=dict(self.accounts),
            transactions=dict(self.transactions),
            entries={account: list(rows) for account, rows in self.entries.items()},
            keys={key: row for key, (_, _, row) in self.keys.items()},
            events=list(self.events),
            audits=self._audits(),
            days=[self._day(account, rows) for account, rows in self.entries.items()],
            positions={"audit": len(self.events)},
            head=len(self.events),
        )

    def _audits(self) -> list[AuditRow]:
        rows, digest = [], bytes(32)
        for e in self.events:
            digest = sha256(digest + e.event_type.encode()).digest()
            about = (e.aggregate_type, e.aggregate_id, "CREATE")
            rows.append(AuditRow(f"{e.position:032x}", e.position, *about, e.position, digest.hex(), e.event_type))
        return rows

    def _day(self, account_id: str, rows: list[EntryRow]) -> DayRow:
        """Return the row of the only day."""
        out, into = ([row.amount_minor for row in rows if row.amount_minor * sign > 0] for sign in (-1, 1))
        return DayRow(account_id, DAY, len(out), -sum(out), len(into), sum(into), rows[-1].balance_after_minor)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/graphql", self.answer)
        return application

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, variables = body["operationName"], body["variables"]
        before, self.requests = self.requests, self.requests + 1
        hidden = False
        if self.trouble is not None:
            try:
                reply = await self.trouble(name, variables, before)
            except HideAnswer:
                hidden = True
            else:
                if reply is not None:
                    return reply
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        data = self.act(name, variables, token)
        if hidden:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(data, headers={"X-Correlation-ID": f"request-{before}"})

    def act(self, name: str, variables: dict[str, Any], token: str) -> Reply:
        """Execute the operation of a document. Returns the body of the response."""
        if name == "TransferTwice":
            bodies = [self.act("Transfer", {"input": variables[alias]}, token) for alias in ("one", "two")]
            if denied := next((body for body in bodies if "errors" in body), None):
                return denied
            one, two = [body["data"]["transfer"] for body in bodies]
            return {"data": {"one": one, "two": two}}
        caller = self.sessions.get(token)
        if caller is None and name not in {"Register", "Login", "RefreshSession"}:
            return {"errors": [{"message": "log in", "extensions": {"code": "UNAUTHENTICATED"}}]}
        try:
            value = getattr(self, f"_do_{self.FIELDS[name]}")(variables, caller, token)
        except Refuse as refused:
            value = {"replayed": False, "userErrors": [{"code": refused.code, "message": "no", "field": None}]}
        except Deny as denied:
            return {"errors": [{"message": "no", "extensions": {"code": denied.code}}]}
        return {"data": {self.FIELDS[name]: value}}

    def _do_register(self, variables: Reply, _caller: str, _token: str) -> Reply:
        given = variables["input"]
        if given["email"] not in self.users:
            self._register(given["email"], given["password"], "CUSTOMER")
        return {"accepted": True, "userErrors": []}

    def _register(self, email: str, password: str, role: str) -> str:
        user = UserRow(self.new_id(), email, role)
        self.users[email], self.passwords[email] = user, password
        self._emit("UserRegisteredEvent", user.id, "User", {})
        return user.id

    def _do_login(self, variables: Reply, _caller: str, _token: str) -> Reply:
        given = variables["input"]
        if self.passwords.get(given["email"]) != given["password"]:
            raise Refuse("INVALID_CREDENTIALS")
        return self._tokens(self.users[given["email"]].id)

    def _tokens(self, user_id: str) -> Reply:
        access = f"access-{self.new_id()}"
        self.sessions[access] = user_id
        return {"tokens": {"accessToken": access, "refreshToken": f"refresh-{user_id}"}, "userErrors": []}

    def _do_refreshSession(self, variables: Reply, _caller: str, _token: str) -> Reply:  # noqa: N802 - the field's name
        return self._tokens(variables["input"]["refreshToken"].removeprefix("refresh-"))

    def _do_logout(self, _variables: Reply, _caller: str, token: str) -> Reply:
        del self.sessions[token]
        return {"closed": True}

    def _do_openAccount(self, variables: Reply, caller: str, _token: str) -> Reply:  # noqa: N802 - the field's name
        return self._once(caller, "openAccount", variables["input"], ("BRL",), lambda: self._open(caller))

    def _open(self, caller: str) -> tuple[None, Reply]:
        id_ = self.new_id()
        number = f"0001/{len(self.accounts):08d}-{len(self.accounts) % 10}"
        self.accounts[id_] = AccountRow(id_, caller, "CUSTOMER", number, "BRL", 0, 0)
        self._emit("AccountCreatedEvent", id_, "Account", {})
        return None, {"account": self._serialize(id_), "replayed": False, "userErrors": []}

    def _serialize(self, id_: str) -> Reply:
        account = self.accounts[id_]
        return {"id": id_, "number": account.number, "balance": money(account.balance_minor)}

    def _do_me(self, _variables: Reply, caller: str, _token: str) -> Reply:
        mine = [self._serialize(account.id) for account in self.accounts.values() if account.user_id == caller]
        return {"id": caller, "accounts": mine}

    def _do_account(self, variables: Reply, caller: str, _token: str) -> Reply | None:
        account = self.accounts.get(variables["id"])
        if account is None or account.user_id != caller:
            return None
        first = variables.get("first")
        if first is None:
            return self._serialize(account.id)
        rows = [e for e in reversed(self.entries.get(account.id, [])) if e.version < int(variables["after"] or 10**9)]
        edges = [
            {
                "cursor": str(e.version),
                "change": money(e.amount_minor),
                "balanceAfter": money(e.balance_after_minor),
                "node": {"id": e.transaction_id},
            }
            for e in rows[:first]
        ]
        info = {"hasNextPage": len(rows) > first, "endCursor": edges[-1]["cursor"] if edges else None}
        return {**self._serialize(account.id), "transactions": {"edges": edges, "pageInfo": info}}

    def _do_deposit(self, variables: Reply, caller: str, _token: str) -> Reply:
        if next(user.role for user in self.users.values() if user.id == caller) != "ADMIN":
            raise Deny("FORBIDDEN")
        return self._post(caller, variables["input"], CASH, "DEPOSIT")

    def _do_transfer(self, variables: Reply, caller: str, _token: str) -> Reply:
        given = variables["input"]
        return self._post(caller, given, given["fromAccountId"], "TRANSFER")

    def _post(self, caller: str, given: Reply, debit_id: str, kind: str) -> Reply:
        whole, _, cents = given["amount"]["amount"].partition(".")
        if len(cents) > 2 or whole.startswith("-") or int(whole + cents) == 0:
            raise Refuse("INVALID_AMOUNT")
        if given["amount"]["currency"] != "BRL":
            raise Refuse("CURRENCY_MISMATCH")
        minor = int(whole) * 100 + int(cents.ljust(2, "0"))
        names = ("fromAccountId", "toAccountNumber", "accountNumber", "description")
        content = (*map(given.get, names), minor)
        return self._once(
            caller, kind.lower(), given, content, lambda: self._move(caller, given, debit_id, kind, minor)
        )

    def _once(
        self,
        caller: str,
        operation: str,
        given: Reply,
        content: Content,
        do: Do,
    ) -> Reply:
        key = given.get("idempotencyKey")
        if key is None:
            raise Deny("BAD_INPUT")
        if not (1 <= len(key) <= 255 and key.isprintable()):
            raise Refuse("INVALID_INPUT")
        identity = (caller, key)
        if identity in self.keys:
            known, answer, _ = self.keys[identity]
            if known != (operation, *content):
                raise Refuse("IDEMPOTENCY_KEY_REUSED")
            return {**answer, "replayed": True}
        transaction_id = None
        try:
            transaction_id, answer = do()
        except Refuse as refused:
            if refused.code == "INVALID_INPUT":
                raise
            answer = {"replayed": False, "userErrors": [{"code": refused.code, "message": "no", "field": None}]}
        self.keys[identity] = ((operation, *content), answer, KeyRow(*identity, operation, transaction_id))
        return answer

    def _move(self, caller: str, given: Reply, debit_id: str, kind: str, amount: int) -> tuple[str, Reply]:
        number = given.get("toAccountNumber") or given["accountNumber"]
        credit = next((a for a in self.accounts.values() if a.number == number), None)
        debit = self.accounts.get(debit_id)
        if debit is None or credit is None or (kind == "TRANSFER" and debit.user_id != caller):
            raise Refuse("ACCOUNT_NOT_FOUND")
        if debit is credit:
            raise Refuse("SAME_ACCOUNT")
        if kind == "TRANSFER" and debit.balance_minor < amount:
            raise Refuse("INSUFFICIENT_FUNDS")
        id_ = self.new_id()
        self.transactions[id_] = TransactionRow(id_, kind, amount, "BRL", debit_id, credit.id)
        self._emit("TransactionInitiatedEvent", id_, "Transaction", {})
        after = {
            account.id: self._enter(account, id_, change) for account, change in ((debit, -amount), (credit, amount))
        }
        self._emit("TransactionCompletedEvent", id_, "Transaction", {})
        own = after[debit_id if kind == "TRANSFER" else credit.id]
        transaction = {"id": id_, "kind": kind, "amount": money(amount), "toAccountNumber": number,
                       "fromAccountNumber": debit.number if kind == "TRANSFER" else None,
                       "createdAt": "2026-01-01T00:00:00Z"}  # fmt: skip
        return id_, {"transaction": transaction, "balanceAfter": money(own), "replayed": False, "userErrors": []}

    def _enter(self, account: AccountRow, transaction_id: str, change: int) -> int:
        balance, version = account.balance_minor + change, account.version + 1
        self.accounts[account.id] = AccountRow(
            account.id, account.user_id, account.kind, account.number, account.currency, balance, version
        )
        entry = EntryRow(account.id, version, transaction_id, change, balance, DAY)
        self.entries.setdefault(account.id, []).append(entry)
        data = {"transaction_id": transaction_id, "version": version, "balance_minor": balance, "change_minor": change}
        self._emit("BalanceUpdatedEvent", account.id, "Account", data)
        return balance

    def _emit(self, event_type: str, aggregate_id: str, aggregate_type: str, data: Reply) -> None:
        self.events.append(EventRow(len(self.events) + 1, event_type, aggregate_id, aggregate_type, data))

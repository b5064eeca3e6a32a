"""An in-memory bank with all operations of the scenario `payday`, such as lists, cash, holds, reversals and fees."""

import copy
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from simulation.judge.database_state import AccountRow, DatabaseState, EntryRow, EventRow, HoldRow, TransactionRow
from simulation.model.terms import FREE, Terms
from tests.unit.simulation.in_memory_bank import CASH, DAY, Content, Do, InMemoryBank, Refuse, Reply, money

FEES = "00000000-0000-7000-8000-00000000f986"
DEFAULT_LIMITS = (100_000_000, 500_000_000)
STATE_EVENTS = {"FROZEN": "AccountFrozenEvent", "ACTIVE": "AccountUnfrozenEvent", "CLOSED": "AccountClosedEvent"}
HOLD_EVENTS = {
    "AUTHORIZED": "HoldAuthorizedEvent",
    "CAPTURED": "HoldCapturedEvent",
    "RELEASED": "HoldReleasedEvent",
    "EXPIRED": "HoldExpiredEvent",
}


def now_us() -> int:
    return time.time_ns() // 1000


def instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def minor(given: Reply | None) -> int | None:
    return None if given is None else int(given["amount"].replace(".", ""))


@dataclass
class InMemoryPaydayBank(InMemoryBank):
    """An in-memory bank with holds, limits and fees."""

    FIELDS: ClassVar[dict[str, str]] = {
        **InMemoryBank.FIELDS,
        "Withdraw": "withdraw",
        "TransferBatch": "transferBatch",
        "ReverseTransaction": "reverseTransaction",
        "AuthorizeHold": "authorizeHold",
        "CaptureHold": "captureHold",
        "ReleaseHold": "releaseHold",
        "FreezeAccount": "freezeAccount",
        "UnfreezeAccount": "unfreezeAccount",
        "SetAccountLimits": "setAccountLimits",
        "CloseAccount": "closeAccount",
        "AccountStatement": "account",
        "AccountHolds": "account",
    }

    terms: Terms = FREE
    holds: dict[str, HoldRow] = field(default_factory=dict)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    at_us: int = 0
    listed: tuple[str | None, ...] = ()
    hold_id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.accounts[FEES] = AccountRow(FEES, None, "FEES", "FEES-BRL", "BRL", 0, 0)

    def database(self) -> DatabaseState:
        return replace(super().database(), holds=dict(self.holds))

    def act(self, name: str, variables: dict[str, Any], token: str) -> Reply:
        # All effects of one request have the same time, which is later than all earlier ones.
        self.at_us = max(now_us(), self.at_us + 1)
        for hold in list(self.holds.values()):
            if hold.status == "AUTHORIZED" and hold.expires_at_s * 1e6 <= self.at_us:
                self.end(hold, "EXPIRED")
                self.at_us += 1
        body = super().act(name, variables, token)
        if name in {"AccountStatement", "AccountHolds"} and body["data"]["account"] is not None:
            body["data"]["account"] |= self.look(variables)
        return body

    def look(self, variables: Reply) -> Reply:
        account = self.accounts[variables["id"]]
        mine = [hold for hold in self.holds.values() if hold.account_id == account.id]
        shown: Reply = {
            "availableBalance": money(account.balance_minor - account.held_minor),
            "heldBalance": money(account.held_minor),
            "holds": [self.serialize_hold(hold) for hold in reversed(mine)],
        }
        if "at" in variables:
            begin, end = (round(seconds(variables[name]) * 1e6) for name in ("from", "to"))
            rows = self.entries.get(account.id, [])
            shown["balanceAt"] = money(self.balance_before(rows, end + 1))
            edges = [
                {
                    "change": money(row.amount_minor),
                    "balanceAfter": money(row.balance_after_minor),
                    "node": {"id": row.transaction_id},
                }
                for row in reversed(rows)
                if begin <= row.at_us < end
            ]
            shown["statement"] = {
                "openingBalance": money(self.balance_before(rows, begin)),
                "closingBalance": money(self.balance_before(rows, end)),
                "transactions": {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": None}},
            }
        return shown

    @staticmethod
    def balance_before(rows: list[EntryRow], moment_us: int) -> int:
        return next((row.balance_after_minor for row in reversed(rows) if row.at_us < moment_us), 0)

    def _once(self, caller: str, operation: str, given: Reply, content: Content, do: Do) -> Reply:
        self.listed, self.hold_id = (), None

        def do_or_nothing() -> tuple[str | None, Reply]:
            spent = dict(self.spent)
            try:
                return do()
            except Refuse:
                self.spent = spent
                raise

        answer = super()._once(caller, operation, given, content, do_or_nothing)
        if not answer["replayed"] and (self.listed or self.hold_id):
            identity = (caller, given["idempotencyKey"])
            known, first, row = self.keys[identity]
            self.keys[identity] = (known, first, replace(row, listed=self.listed, hold_id=self.hold_id))
        return answer

    def account_of(self, number: str) -> AccountRow:
        return next(account for account in self.accounts.values() if account.number == number)

    def _move(self, caller: str, given: Reply, debit_id: str, kind: str, amount: int) -> tuple[str, Reply]:
        credit = self.account_of(given.get("toAccountNumber") or given["accountNumber"])
        if kind == "TRANSFER":
            self.spend(debit_id, amount, extra=self.terms.transfer_fee_minor)
        id_ = self.post(kind, debit_id, credit.id, amount)
        own = self.accounts[debit_id if kind == "TRANSFER" else credit.id]
        fee = money(self.terms.fee_minor(kind)) if kind == "TRANSFER" else money(0)
        return id_, {**self.moved(id_), "balanceAfter": money(own.balance_minor), "fee": fee,
                     "replayed": False, "userErrors": []}  # fmt: skip

    def spend(self, account_id: str, amount: int, *, extra: int = 0) -> None:
        once, a_day = self.limits.get(account_id, DEFAULT_LIMITS)
        if amount > once or self.spent.get(account_id, 0) + amount > a_day:
            raise Refuse("LIMIT_EXCEEDED")
        account = self.accounts[account_id]
        if account.status == "ACTIVE" and account.balance_minor - account.held_minor < amount + extra:
            raise Refuse("INSUFFICIENT_FUNDS")
        self.require_active(account_id)
        self.spent[account_id] = self.spent.get(account_id, 0) + amount

    def require_active(self, *ids: str) -> None:
        for id_ in ids:
            if self.accounts[id_].status != "ACTIVE":
                raise Refuse(f"ACCOUNT_{self.accounts[id_].status}")

    def post(self, kind: str, debit_id: str, credit_id: str, amount: int, related_id: str | None = None) -> str:
        self.require_active(debit_id, credit_id)
        id_ = self.new_id()
        self.transactions[id_] = TransactionRow(id_, kind, amount, "BRL", debit_id, credit_id, related_id)
        self._emit("TransactionInitiatedEvent", id_, "Transaction", {})
        for account_id, change in ((debit_id, -amount), (credit_id, amount)):
            self._enter(self.accounts[account_id], id_, change)
        self._emit("TransactionCompletedEvent", id_, "Transaction", {})
        if fee := self.terms.fee_minor(kind):
            self.post("FEE", debit_id, FEES, fee, id_)
        return id_

    def moved(self, id_: str) -> Reply:
        row = self.transactions[id_]
        numbers = [
            account.number if account.kind == "CUSTOMER" else None
            for account in (self.accounts[row.debit_account_id], self.accounts[row.credit_account_id])
        ]
        related = {"CAPTURE": "holdId", "REVERSAL": "relatedTransactionId"}.get(row.kind, "none")
        return {"transaction": {"id": id_, "kind": row.kind, "amount": money(row.amount_minor), "createdAt": instant(0),
                                "fromAccountNumber": numbers[0], "toAccountNumber": numbers[1],
                                related: row.related_id}}  # fmt: skip

    def _do_withdraw(self, variables: Reply, caller: str, _token: str) -> Reply:
        given = variables["input"]
        account, amount = self.account_of(given["accountNumber"]), minor(given["amount"]) or 0

        def do() -> tuple[str, Reply]:
            self.spend(account.id, amount, extra=self.terms.withdrawal_fee_minor)
            id_ = self.post("WITHDRAWAL", account.id, CASH, amount)
            after = money(self.accounts[account.id].balance_minor)
            return id_, {**self.moved(id_), "balanceAfter": after, "fee": money(self.terms.withdrawal_fee_minor),
                         "replayed": False, "userErrors": []}  # fmt: skip

        return self._once(caller, "withdraw", given, (account.id, amount), do)

    def _do_transferBatch(self, variables: Reply, caller: str, _token: str) -> Reply:  # noqa: N802 - the field's name
        given = variables["input"]

        def do() -> tuple[None, Reply]:
            before = self.copied()
            results: list[Reply] = []
            for item in given["transfers"]:
                mark = self.copied()
                try:
                    _, result = self._move(caller, item, item["fromAccountId"], "TRANSFER", minor(item["amount"]) or 0)
                except Refuse as refused:
                    if given["atomic"]:
                        self.restore(before)
                        raise
                    self.restore(mark)
                    result = {"transaction": None, "userErrors": [{"code": refused.code}]}
                results.append(result)
            self.listed = tuple((result["transaction"] or {}).get("id") for result in results)
            return None, {"results": results, "replayed": False, "userErrors": []}

        return self._once(caller, "transferBatch", given, (str(given["transfers"]), given["atomic"]), do)

    def copied(self) -> Reply:
        return copy.deepcopy({name: getattr(self, name) for name in STATE})

    def restore(self, state: Reply) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _do_reverseTransaction(self, variables: Reply, caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        given = variables["input"]
        original, amount = self.transactions[given["transactionId"]], minor(given.get("amount"))

        def do() -> tuple[str, Reply]:
            left = original.amount_minor - sum(
                row.amount_minor
                for row in self.transactions.values()
                if row.kind == "REVERSAL" and row.related_id == original.id
            )
            if left == 0:
                raise Refuse("NOT_REVERSIBLE")
            if (amount or 0) > left:
                raise Refuse("REVERSAL_EXCEEDS_ORIGINAL")
            debit = self.accounts[original.credit_account_id]
            self.require_active(debit.id, original.debit_account_id)
            if debit.balance_minor - debit.held_minor < (amount or left):
                raise Refuse("INSUFFICIENT_FUNDS")
            id_ = self.post("REVERSAL", debit.id, original.debit_account_id, amount or left, original.id)
            return id_, {**self.moved(id_), "replayed": False, "userErrors": []}

        return self._once(caller, "reverseTransaction", given, (original.id, amount), do)

    def serialize_hold(self, hold: HoldRow) -> Reply:
        return {"id": hold.id, "status": hold.status, "amount": money(hold.amount_minor),
                "captured": money(hold.captured_minor), "expiresAt": instant(hold.expires_at_s),
                "fromAccountNumber": self.accounts[hold.account_id].number,
                "toAccountNumber": self.accounts[hold.to_account_id].number}  # fmt: skip

    def held(self, hold_id: str, transaction_id: str | None = None) -> Reply:
        self.hold_id = hold_id
        hold = self.holds[hold_id]
        account = self.accounts[hold.account_id]
        moved = self.moved(transaction_id) if transaction_id else {"transaction": None}
        return {"hold": self.serialize_hold(hold), **moved, "replayed": False, "userErrors": [],
                "availableAfter": money(account.balance_minor - account.held_minor)}  # fmt: skip

    def _do_authorizeHold(self, variables: Reply, caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        given = variables["input"]
        account_id, to = given["fromAccountId"], self.account_of(given["toAccountNumber"])
        amount = minor(given["amount"]) or 0

        def do() -> tuple[None, Reply]:
            ends_s = seconds(given["expiresAt"])
            if ends_s * 1e6 <= self.at_us:
                raise Refuse("INVALID_INPUT")
            if self.accounts[account_id].status == "ACTIVE":
                self.require_active(to.id)
            self.spend(account_id, amount)
            id_ = self.new_id()
            self.holds[id_] = HoldRow(id_, account_id, to.id, amount, 0, "AUTHORIZED", ends_s, None)
            self.hold_more(account_id, amount)
            self.emit_hold_event(self.holds[id_])
            return None, self.held(id_)

        return self._once(caller, "authorizeHold", given, (account_id, to.id, amount, given["expiresAt"]), do)

    def hold_more(self, account_id: str, amount: int) -> None:
        account = self.accounts[account_id]
        self.accounts[account_id] = replace(account, held_minor=account.held_minor + amount)

    def emit_hold_event(self, hold: HoldRow) -> None:
        data = {"hold_id": hold.id, "account_id": hold.account_id, "amount_minor": hold.amount_minor}
        self._emit(HOLD_EVENTS[hold.status], hold.id, "Hold", data)

    def end(self, hold: HoldRow, status: str, captured_minor: int = 0) -> None:
        self.hold_more(hold.account_id, -hold.amount_minor)
        self.holds[hold.id] = replace(hold, status=status, captured_minor=captured_minor, ended_at_s=self.at_us / 1e6)
        self.emit_hold_event(self.holds[hold.id])

    def _do_captureHold(self, variables: Reply, caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        given = variables["input"]
        amount = minor(given.get("amount"))

        def do() -> tuple[str, Reply]:
            hold = self.holds[given["holdId"]]
            if hold.status != "AUTHORIZED":
                raise Refuse("HOLD_ENDED")
            if (amount or 0) > hold.amount_minor:
                raise Refuse("CAPTURE_EXCEEDS_HOLD")
            self.require_active(hold.account_id, hold.to_account_id)
            captured = amount or hold.amount_minor
            self.end(hold, "CAPTURED", captured)
            id_ = self.post("CAPTURE", hold.account_id, hold.to_account_id, captured, hold.id)
            return id_, self.held(hold.id, id_)

        return self._once(caller, "captureHold", given, (given["holdId"], amount), do)

    def _do_releaseHold(self, variables: Reply, caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        given = variables["input"]

        def do() -> tuple[None, Reply]:
            hold = self.holds[given["holdId"]]
            if hold.status != "AUTHORIZED":
                raise Refuse("HOLD_ENDED")
            self.end(hold, "RELEASED")
            return None, self.held(hold.id)

        return self._once(caller, "releaseHold", given, (given["holdId"],), do)

    def _do_freezeAccount(self, variables: Reply, _caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        return self.switch(self.account_of(variables["input"]["accountNumber"]), "FROZEN")

    def _do_unfreezeAccount(self, variables: Reply, _caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        return self.switch(self.account_of(variables["input"]["accountNumber"]), "ACTIVE")

    def _do_closeAccount(self, variables: Reply, _caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        account = self.accounts[variables["input"]["accountId"]]
        if account.status == "FROZEN":
            raise Refuse("ACCOUNT_FROZEN")
        if account.balance_minor or account.held_minor:
            raise Refuse("ACCOUNT_NOT_EMPTY")
        return self.switch(account, "CLOSED")

    def switch(self, account: AccountRow, status: str) -> Reply:
        if account.status != status:
            self.accounts[account.id] = replace(account, status=status)
            self._emit(STATE_EVENTS[status], account.id, "Account", {})
        return {"account": {"id": account.id, "status": status}, "userErrors": []}

    def _do_setAccountLimits(self, variables: Reply, _caller: str, _token: str) -> Reply:  # noqa: N802 - as above
        given = variables["input"]
        account = self.account_of(given["accountNumber"])
        once, a_day = (minor(given[name]) for name in ("perTransfer", "perDay"))
        limits = (DEFAULT_LIMITS[0] if once is None else once, DEFAULT_LIMITS[1] if a_day is None else a_day)
        self.limits[account.id] = limits
        shown = {"perTransfer": money(limits[0]), "perDay": money(limits[1])}
        return {"account": {"id": account.id, "limits": shown}, "userErrors": []}

    def _enter(self, account: AccountRow, transaction_id: str, change: int) -> int:
        balance, version = account.balance_minor + change, account.version + 1
        self.accounts[account.id] = replace(account, balance_minor=balance, version=version)
        entry = EntryRow(account.id, version, transaction_id, change, balance, DAY, self.at_us)
        self.entries.setdefault(account.id, []).append(entry)
        data = {"transaction_id": transaction_id, "version": version, "balance_minor": balance, "change_minor": change}
        self._emit("BalanceUpdatedEvent", account.id, "Account", data)
        return balance

    def _emit(self, event_type: str, aggregate_id: str, aggregate_type: str, data: Reply) -> None:
        position = len(self.events) + 1
        self.events.append(EventRow(position, event_type, aggregate_id, aggregate_type, data, self.at_us))


STATE = ("accounts", "transactions", "entries", "events", "spent")

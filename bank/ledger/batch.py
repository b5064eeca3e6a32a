"""What one batch decides, in memory: replays, refusals and postings, and the columns to write (rules 3, 5 and 12)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bank.events.log import metadata_of
from bank.events.model import (
    BalanceUpdatedEvent,
    DomainEvent,
    EventMetadata,
    RecordedEvent,
    TransactionCompletedEvent,
    TransactionInitiatedEvent,
)
from bank.identifiers import uuid7, uuid7s
from bank.ledger.keys import KEY_REUSED, KnownKey
from bank.ledger.model import Account, Decide, Posting, Receipt, Refusal, enter
from bank.telemetry.context import RequestContext


# Structs, not dataclasses: five are made for each posting, and a frozen dataclass costs ten times as much (measured).
class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to post, with all that its decision needs.

    `digest` stands for the content: the same key with another digest or operation is a mistake of the caller's.
    `decide` says what to post, given the locked accounts of `account_ids`; those that do not exist are missing there.
    """

    caller_id: UUID
    key: str
    operation: str
    digest: bytes
    account_ids: tuple[UUID, ...]
    decide: Decide
    context: RequestContext | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command. `replayed`: it was decided by an earlier command with the same key."""

    result: Receipt | Refusal
    replayed: bool = False


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """An outcome as its key's row keeps it: one of the two."""

    receipt: Receipt | None = None
    refusal: Refusal | None = None


def _replay(known: KnownKey, command: Command) -> Outcome:
    """Return the first answer again, or the refusal of a key used for something else."""
    if not known.is_for(command.operation, command.digest):
        return Outcome(KEY_REUSED)
    stored = msgspec.json.decode(known.outcome, type=_Stored)
    result = stored.receipt or stored.refusal
    assert result is not None
    return Outcome(result, replayed=True)


class Posted(msgspec.Struct, frozen=True):
    """A posting that was decided: how both accounts stand after it, and whose doing it was."""

    transaction_id: UUID
    posting: Posting
    debit: Account
    credit: Account
    command: Command
    metadata: EventMetadata

    def events(self) -> tuple[DomainEvent, ...]:
        """Return what is now true, in the order of the log."""
        posting = self.posting
        about: dict[str, Any] = {
            "transaction_id": self.transaction_id,
            "kind": posting.kind,
            "amount_minor": posting.amount_minor,
            "currency": posting.currency,
            "debit_account_id": posting.debit_id,
            "credit_account_id": posting.credit_id,
            "initiated_by": self.command.caller_id,
            "related_transaction_id": None,
            "hold_id": None,
        }
        return (
            TransactionInitiatedEvent(**about),
            self._balance_updated(self.debit, -posting.amount_minor),
            self._balance_updated(self.credit, posting.amount_minor),
            TransactionCompletedEvent(**about),
        )

    def _balance_updated(self, account: Account, change_minor: int) -> BalanceUpdatedEvent:
        return BalanceUpdatedEvent(
            account_id=account.id,
            transaction_id=self.transaction_id,
            version=account.version,
            change_minor=change_minor,
            balance_minor=account.balance_minor,
            currency=account.currency,
            initiated_by=self.command.caller_id,
        )


@dataclass(slots=True)
class Batch:
    """Commands decided one after the other against accounts that nobody else can change meanwhile.

    `ids` are for the transactions, one after the other.
    """

    accounts: dict[UUID, Account]
    known: dict[tuple[UUID, str], KnownKey]
    now: datetime
    ids: Iterator[UUID] = field(default_factory=lambda: iter(uuid7, None))
    posted: list[Posted] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    retold: set[UUID] = field(default_factory=set)

    def decide(self, command: Command) -> Outcome:
        """Decide one command, and note what is to be written for it."""
        identity = (command.caller_id, command.key)
        if known := self.known.get(identity):
            self.retold.update(command.account_ids)
            return _replay(known, command)
        decision = command.decide(self.accounts)
        after = enter(decision, self.accounts) if isinstance(decision, Posting) else decision
        if isinstance(after, Refusal):
            result: Receipt | Refusal = after
            stored, transaction_id = _Stored(refusal=after), None
        else:
            assert isinstance(decision, Posting)
            result = receipt = self._apply(decision, after, command)
            stored, transaction_id = _Stored(receipt=receipt), receipt.transaction_id
        outcome = msgspec.json.encode(stored).decode()
        self.keys.append((*identity, command.operation, command.digest, outcome, transaction_id))
        self.known[identity] = KnownKey(command.operation, command.digest, outcome)
        return Outcome(result)

    def _apply(self, posting: Posting, after: tuple[Account, Account], command: Command) -> Receipt:
        debit, credit = after
        self.accounts[debit.id], self.accounts[credit.id] = debit, credit
        transaction_id = next(self.ids)
        self.posted.append(Posted(transaction_id, posting, debit, credit, command, metadata_of(command.context)))
        return Receipt(
            transaction_id=transaction_id,
            kind=posting.kind,
            amount_minor=posting.amount_minor,
            currency=posting.currency,
            debit_number=debit.number,
            credit_number=credit.number,
            description=posting.description,
            created_at=self.now,
            debit_balance_after_minor=debit.balance_minor,
            credit_balance_after_minor=credit.balance_minor,
        )

    @property
    def changed(self) -> list[Account]:
        """Every account that has new entries, as it stands after the batch."""
        ids = {account.id for posted in self.posted for account in (posted.debit, posted.credit)}
        return [self.accounts[id_] for id_ in ids]

    @property
    def shown(self) -> list[Account]:
        """Every account that an answer of this batch tells of.

        A replay may be the first that anybody hears of a commit whose reply was lost, and the cache has not heard of
        it either.
        """
        retold = [self.accounts[id_] for id_ in self.retold if id_ in self.accounts] if self.retold else []
        return [*self.changed, *retold] if self.posted else retold

    def columns(self) -> dict[str, Any]:
        """Return the parameters of `write_batch`: one list for each column."""
        rows = [
            (
                one.transaction_id, one.posting.kind, one.posting.amount_minor, one.posting.currency,
                one.debit.id, one.debit.version, one.debit.balance_minor,
                one.credit.id, one.credit.version, one.credit.balance_minor,
                one.posting.description, one.command.caller_id, msgspec.json.encode(one.metadata).decode(),
            )
            for one in self.posted
        ]  # fmt: skip
        accounts = [(account.id, account.balance_minor, account.version) for account in self.changed]
        return {
            "now": self.now,
            "event_ids": uuid7s(4 * len(self.posted)),
            **_transpose(_POSTED_COLUMNS, rows),
            **_transpose(("account_ids", "balances", "versions"), accounts),
            **_transpose(_KEY_COLUMNS, self.keys),
        }

    def recorded(self, head: int) -> list[RecordedEvent]:
        """Return the batch's events as the log has them, given the head's position after them."""
        position = head - 4 * len(self.posted)
        recorded = []
        for posted in self.posted:
            for event in posted.events():
                position += 1
                recorded.append(
                    RecordedEvent(position=position, event=event, metadata=posted.metadata, created_at=self.now)
                )
        return recorded


_POSTED_COLUMNS = (
    "transaction_ids", "kinds", "amounts", "currencies", "debit_ids", "debit_versions", "debit_balances",
    "credit_ids", "credit_versions", "credit_balances", "descriptions", "initiators", "metadata",
)  # fmt: skip
_KEY_COLUMNS = ("callers", "keys", "operations", "digests", "outcomes", "key_transactions")


def _transpose(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())

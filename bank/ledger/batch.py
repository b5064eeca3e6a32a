"""What one batch decides, in memory: replays, refusals and postings, and the columns to write (rules 3, 5 and 12)."""

from collections.abc import Mapping
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
from bank.identifiers import uuid7
from bank.ledger.model import Account, Decide, Entry, Posting, Receipt, Refusal, enter
from bank.telemetry.context import RequestContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request to post, with all that its decision needs.

    `digest` stands for the content: the same key with another digest or operation is a mistake of the caller's.
    `decide` says what to post, given the locked accounts of `account_ids`; a missing account is one that does not exist.
    """

    caller_id: UUID
    key: str
    operation: str
    digest: bytes
    account_ids: tuple[UUID, ...]
    decide: Decide
    context: RequestContext | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command. `replayed`: it was decided by an earlier command with the same key."""

    result: Receipt | Refusal
    replayed: bool = False


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """An outcome as its key's row keeps it: one of the two."""

    receipt: Receipt | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that has been used: for which operation and content, and what came of it."""

    operation: str
    digest: bytes
    result: Receipt | Refusal

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "KnownKey":
        """Read a row of idempotency_keys."""
        stored = msgspec.json.decode(row["outcome"], type=_Stored)
        result = stored.receipt or stored.refusal
        assert result is not None
        return cls(row["operation"], bytes(row["request_digest"]), result)

    def answer(self, command: Command) -> Outcome:
        """Return the first answer again, or the refusal of a key used for something else."""
        if (self.operation, self.digest) == (command.operation, command.digest):
            return Outcome(self.result, replayed=True)
        return Outcome(KEY_REUSED)


KEY_REUSED = Refusal(
    code="IDEMPOTENCY_KEY_REUSED",
    message="This idempotency key was used before, for something else; choose a new key for a new request.",
    field=("input", "idempotencyKey"),
)


@dataclass(slots=True)
class Batch:
    """Commands decided one after the other against accounts that nobody else can change meanwhile."""

    accounts: dict[UUID, Account]
    known: dict[tuple[UUID, str], KnownKey]
    now: datetime
    transactions: list[tuple[Any, ...]] = field(default_factory=list)
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[UUID, DomainEvent, EventMetadata]] = field(default_factory=list)
    changed: set[UUID] = field(default_factory=set)

    def decide(self, command: Command) -> Outcome:
        """Decide one command, and note what is to be written for it."""
        identity = (command.caller_id, command.key)
        if known := self.known.get(identity):
            return known.answer(command)
        decision = command.decide(self.accounts)
        entered = enter(decision, self.accounts) if isinstance(decision, Posting) else decision
        if isinstance(entered, Refusal):
            result: Receipt | Refusal = entered
            stored, transaction_id = _Stored(refusal=entered), None
        else:
            assert isinstance(decision, Posting)
            result = receipt = self._apply(decision, entered, command)
            stored, transaction_id = _Stored(receipt=receipt), receipt.transaction_id
        outcome = msgspec.json.encode(stored).decode()
        self.keys.append((*identity, command.operation, command.digest, outcome, transaction_id))
        self.known[identity] = KnownKey(command.operation, command.digest, result)
        return Outcome(result)

    def _apply(self, posting: Posting, entries: tuple[Entry, Entry], command: Command) -> Receipt:
        transaction_id = uuid7()
        self.transactions.append((
            transaction_id, posting.kind, posting.amount_minor, posting.currency, posting.debit_id, posting.credit_id,
            posting.description, command.caller_id,
        ))  # fmt: skip
        after = [self._enter(entry, transaction_id) for entry in entries]
        self._tell(posting, entries, after, transaction_id, command)
        debit, credit = after
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

    def _enter(self, entry: Entry, transaction_id: UUID) -> Account:
        after = entry.after
        self.entries.append(
            (after.id, after.version, transaction_id, entry.amount_minor, after.currency, after.balance_minor)
        )
        self.accounts[after.id] = after
        self.changed.add(after.id)
        return after

    def _tell(
        self,
        posting: Posting,
        entries: tuple[Entry, Entry],
        after: list[Account],
        transaction_id: UUID,
        command: Command,
    ) -> None:
        about = {
            "transaction_id": transaction_id,
            "kind": posting.kind,
            "amount_minor": posting.amount_minor,
            "currency": posting.currency,
            "debit_account_id": posting.debit_id,
            "credit_account_id": posting.credit_id,
            "initiated_by": command.caller_id,
        }
        metadata = metadata_of(command.context)
        self.events.append((uuid7(), TransactionInitiatedEvent(**about), metadata))
        for entry, account in zip(entries, after, strict=True):
            updated = BalanceUpdatedEvent(
                account_id=account.id,
                transaction_id=transaction_id,
                version=account.version,
                change_minor=entry.amount_minor,
                balance_minor=account.balance_minor,
                currency=account.currency,
                initiated_by=command.caller_id,
            )
            self.events.append((uuid7(), updated, metadata))
        self.events.append((uuid7(), TransactionCompletedEvent(**about), metadata))

    def columns(self) -> dict[str, Any]:
        """Return the parameters of `write_batch`: one list for each column of each table."""
        transactions = list(zip(*self.transactions, strict=True)) or [()] * 8
        entries = list(zip(*self.entries, strict=True)) or [()] * 6
        keys = list(zip(*self.keys, strict=True)) or [()] * 6
        changed = [self.accounts[id_] for id_ in self.changed]
        events = [event for _, event, _ in self.events]
        names = (
            "transaction_ids kinds amounts currencies debit_ids credit_ids descriptions initiators "
            "entry_accounts entry_versions entry_transactions entry_amounts entry_currencies entry_balances "
            "callers keys operations digests outcomes key_transactions"
        ).split()
        return {
            **dict(zip(names, (*transactions, *entries, *keys), strict=True)),
            "account_ids": [account.id for account in changed],
            "balances": [account.balance_minor for account in changed],
            "versions": [account.version for account in changed],
            "now": self.now,
            "event_count": len(events),
            "event_ids": [id_ for id_, _, _ in self.events],
            "event_types": [type(event).__name__ for event in events],
            "aggregate_ids": [event.aggregate_id for event in events],
            "aggregate_types": [event.aggregate_type for event in events],
            "event_data": [msgspec.json.encode(event).decode() for event in events],
            "event_versions": [event.event_version for event in events],
            "user_ids": [event.user_id for event in events],
            "metadata": [msgspec.json.encode(metadata).decode() for _, _, metadata in self.events],
        }

    def recorded(self, head: int) -> list[RecordedEvent]:
        """Return the batch's events as the log has them, given the head's position after them."""
        first = head - len(self.events) + 1
        return [
            RecordedEvent(position=position, id=id_, event=event, metadata=metadata, created_at=self.now)
            for position, (id_, event, metadata) in enumerate(self.events, start=first)
        ]

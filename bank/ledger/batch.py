"""The decisions of one batch, made in memory: replays, refusals, postings and holds (R3, R5, R12)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bank.clock import business_day
from bank.errors import BankError
from bank.events.event import DomainEvent, EventMetadata
from bank.events.types.audit import ActionRefusedEvent
from bank.idempotency.digests import salted_row_digest, salted_text_digest
from bank.idempotency.keys import KEY_REUSED, IdempotencyRecord, replay
from bank.idempotency.outcomes import (
    ApprovalReceipt,
    HoldReceipt,
    Outcome,
    Receipt,
    Result,
    Results,
    UnknownOutcomeVersion,
    encode_outcome,
    transaction_id_of,
)
from bank.identifiers import uuid7
from bank.ledger.approval_policy import Approval, EndApproval, RequestApproval, approved
from bank.ledger.approvals import approval_event
from bank.ledger.holds import ended_hold, hold_event, hold_id_of, hold_receipt, salted_hold
from bank.ledger.model import (
    Account,
    Authorize,
    Command,
    Decide,
    EndHold,
    Hold,
    LedgerView,
    Original,
    Posting,
    Step,
    apply_posting,
    authorize,
    end_hold,
)
from bank.ledger.posted import Posted
from bank.refusal import Refusal


class Batch:
    """Commands that are decided one after the other, on rows that no other transaction can change meanwhile.

    `posted`, `changed`, `holds` and `keys` are to be written. `other_events` are the events besides those of postings.
    `broken` are the commands whose decision raised an error. `ids` yields the ids of the transactions.
    """

    def __init__(
        self,
        accounts: dict[UUID, Account],
        known: dict[tuple[UUID | None, str | None], IdempotencyRecord],
        now: datetime,
        *,
        originals: dict[UUID, Original] | None = None,
        holds: dict[UUID, Hold] | None = None,
        approvals: dict[UUID, Approval] | None = None,
        roles: dict[UUID, str] | None = None,
        ids: Iterator[UUID] | None = None,
    ) -> None:
        self.posted: list[Posted] = []
        self.keys: list[tuple[Any, ...]] = []
        self.broken: list[tuple[Command, Exception]] = []
        self.other_events: list[tuple[DomainEvent, EventMetadata]] = []
        self._accounts, self._originals, self._holds = accounts, originals or {}, holds or {}
        self._approvals = approvals or {}
        self._loaded = dict(self._accounts), dict(self._holds), dict(self._approvals)
        self._view = LedgerView(
            self._accounts, self._originals, self._holds, now, business_day(now), self._approvals, roles or {}
        )
        self._known = known
        self._replayed_account_ids: set[UUID] = set()
        self._ids = ids or iter(uuid7, None)
        # The values that the current command has replaced, so that its changes can be rolled back.
        self._journal: list[tuple[dict[UUID, Any], UUID, Any]] = []
        self._reserved_id: UUID | None = None

    @property
    def changed(self) -> list[Account]:
        """The accounts that the batch has changed, in their states after the batch."""
        before = self._loaded[0]
        return [account for id_, account in self._accounts.items() if account is not before[id_]]

    @property
    def accounts_to_cache(self) -> list[Account]:
        """The accounts that appear in a response of this batch.

        Replayed commands are included, because a replay may follow a commit whose reply was lost, before the accounts
        were written to the cache.
        """
        replayed = [self._accounts[id_] for id_ in self._replayed_account_ids if id_ in self._accounts]
        return [*self.changed, *replayed]

    @property
    def holds(self) -> list[Hold]:
        """The holds that the batch has authorized or ended."""
        before = self._loaded[1]
        return [hold for id_, hold in self._holds.items() if hold is not before.get(id_)]

    @property
    def approvals(self) -> list[Approval]:
        """The requests for an approval that the batch has recorded or approved."""
        before = self._loaded[2]
        return [approval for id_, approval in self._approvals.items() if approval is not before.get(id_)]

    @property
    def writes(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self.keys or self.posted or self.other_events)

    def decide(self, command: Command) -> Outcome | BankError:
        """Decide one command, and collect the rows and events to write for it.

        An exception is a bug in this decision. It is added to `broken`, and only this command fails. Nothing of the
        command is written, not even its key, so that a retry is decided again.
        """
        self._journal.clear()
        savepoint, keys = self._savepoint(), len(self.keys)
        try:
            return self._decide(command)
        except Exception as error:  # noqa: BLE001 - it is logged later, after the locks of the batch are released
            self.broken.append((command, error))
            self._roll_back_to(savepoint)
            del self.keys[keys:]
            # An outcome that only a newer version can read is not a bug: a retry may reach a worker of that version.
            return error if isinstance(error, UnknownOutcomeVersion) else BankError("Internal error")

    def _decide(self, command: Command) -> Outcome:
        identity = (command.caller_id, command.key)
        metadata = command.metadata
        if command.key is not None and (known := self._known.get(identity)):
            self._replayed_account_ids.update(command.account_ids)
            outcome = replay(known, command.operation, command.digest)
            if outcome.result == KEY_REUSED:
                self._record_refusal(command, KEY_REUSED, metadata)
            return outcome
        savepoint = self._savepoint()
        if command.is_bulk:
            result: Result = self._execute_bulk(command, metadata)
        else:
            result = self._execute(command.decide[0], command, metadata)
        if isinstance(result, Refusal):
            self._record_refusal(command, result, metadata)
        if command.key is not None and not _is_invalid_input(result):
            self._store_key(command.caller_id, command.key, command, result, savepoint)
        return Outcome(result)

    def _store_key(
        self, caller_id: UUID | None, key: str, command: Command, result: Result, savepoint: tuple[int, int, int]
    ) -> None:
        """Add the key's row, and its digest to the first event since `savepoint`. Every outcome has an event."""
        assert caller_id is not None, "a key belongs to a caller"
        outcome, transaction_id = encode_outcome(result), transaction_id_of(result)
        salt, row_digest = salted_row_digest(
            caller_id=caller_id,
            key=key,
            operation=command.operation,
            digest=command.digest,
            outcome=outcome,
            transaction_id=transaction_id,
        )
        self.keys.append((caller_id, key, command.operation, command.digest, outcome, transaction_id, salt))
        _, posted, other = savepoint
        if posted < len(self.posted):
            self.posted[posted].key_digest = row_digest
        else:
            event, metadata = self.other_events[other]
            self.other_events[other] = event, msgspec.structs.replace(metadata, key_digest=row_digest)
        self._known[caller_id, key] = IdempotencyRecord(command.operation, command.digest, outcome)

    def _execute_bulk(self, command: Command, metadata: EventMetadata) -> Results | Refusal:
        savepoint = self._savepoint()
        items: list[Receipt | Refusal] = []
        for index, decide in enumerate(command.decide):
            result = self._execute(decide, command, metadata)
            assert isinstance(result, Receipt | Refusal), "the items of a list are postings"
            if isinstance(result, Refusal):
                if command.all_or_none:
                    self._roll_back_to(savepoint)
                    return _refusal_of_bulk(result, index)
                self._record_refusal(command, result, metadata)
            items.append(result)
        return Results(tuple(items))

    def _execute(
        self, decide: Decide, command: Command, metadata: EventMetadata
    ) -> Receipt | HoldReceipt | ApprovalReceipt | Refusal:
        decision = decide(self._view)
        if isinstance(decision, Refusal):
            return decision
        steps: tuple[Step, ...] = (decision,) if isinstance(decision, Posting) else decision
        savepoint = self._savepoint()
        for step in steps:
            if refusal := self._apply_step(step, command, metadata):
                self._roll_back_to(savepoint)
                return refusal
        posted = self.posted[savepoint[1] :]
        receipt = self._receipt(posted[0], posted[1:]) if posted else None
        first = steps[0]
        if isinstance(first, Posting):
            assert receipt is not None
            return receipt
        if isinstance(first, RequestApproval):
            return ApprovalReceipt(first.approval.id)
        if isinstance(first, EndApproval):
            return ApprovalReceipt(first.approval_id)
        return hold_receipt(self._holds[hold_id_of(first)], self._accounts, receipt)

    def _apply_step(self, step: Step, command: Command, metadata: EventMetadata) -> Refusal | None:
        match step:
            case Posting():
                accounts_after = apply_posting(step, self._accounts, self._view.today)
                if isinstance(accounts_after, Refusal):
                    return accounts_after
                self._post(step, accounts_after, command, metadata)
            case Authorize():
                account = authorize(step.hold, self._accounts, self._view.today)
                if isinstance(account, Refusal):
                    return account
                self._set(self._accounts, account.id, account)
                self._change_hold(*salted_hold(step.hold), command, metadata)
            case EndHold():
                hold = self._holds[step.hold_id]
                self._set(self._accounts, hold.account_id, end_hold(hold, self._accounts))
                if step.status == "CAPTURED":
                    self._reserved_id = next(self._ids)
                ended = ended_hold(hold, step, transaction_id=self._reserved_id, now=self._view.now)
                self._change_hold(ended, None, command, metadata)
            case RequestApproval():
                self._change_approval(step.approval, metadata)
            case EndApproval():
                self._approve(step, command, metadata)
        return None

    def _approve(self, step: EndApproval, command: Command, metadata: EventMetadata) -> None:
        assert command.caller_id is not None, "an approval has a decider"
        if step.refusal is None:
            self._reserved_id = next(self._ids)
        ended = approved(
            self._approvals[step.approval_id],
            by=command.caller_id,
            now=self._view.now,
            transaction_id=self._reserved_id,
            refusal=step.refusal,
        )
        self._change_approval(ended, metadata)

    def _change_approval(self, approval: Approval, metadata: EventMetadata) -> None:
        self._set(self._approvals, approval.id, approval)
        self.other_events.append((approval_event(approval), metadata))

    def _post(
        self, posting: Posting, accounts_after: tuple[Account, Account], command: Command, metadata: EventMetadata
    ) -> None:
        debit, credit = accounts_after
        self._set(self._accounts, debit.id, debit)
        self._set(self._accounts, credit.id, credit)
        related_id = posting.related_id
        if posting.kind == "FEE":
            related_id = self.posted[-1].transaction_id
        elif posting.kind == "REVERSAL":
            assert related_id is not None
            original = self._originals[related_id]
            reversed_minor = original.reversed_minor + posting.amount_minor
            self._set(self._originals, related_id, msgspec.structs.replace(original, reversed_minor=reversed_minor))
        transaction_id, self._reserved_id = self._reserved_id or next(self._ids), None
        assert command.caller_id is not None, "a posting has a caller"
        initiated_by = posting.initiated_by or command.caller_id
        salted = salted_text_digest(posting.description)
        self.posted.append(Posted(transaction_id, posting, related_id, debit, credit, initiated_by, metadata, *salted))

    def _change_hold(
        self, hold: Hold, description_digest: str | None, command: Command, metadata: EventMetadata
    ) -> None:
        self._set(self._holds, hold.id, hold)
        self.other_events.append((hold_event(hold, command.caller_id, description_digest), metadata))

    def _record_refusal(self, command: Command, refusal: Refusal, metadata: EventMetadata) -> None:
        if command.caller_id is None:
            # A command of the bank itself: only refusals of callers are audited.
            return
        account_id = next((id_ for id_ in command.account_ids if id_ in self._accounts), None)
        event = ActionRefusedEvent(
            action=command.operation,
            code=refusal.code,
            entity_type="Account",
            entity_id=account_id,
            initiated_by=command.caller_id,
        )
        self.other_events.append((event, metadata))

    def _savepoint(self) -> tuple[int, int, int]:
        return len(self._journal), len(self.posted), len(self.other_events)

    def _roll_back_to(self, savepoint: tuple[int, int, int]) -> None:
        """Undo all changes since `savepoint`."""
        steps, posted, other = savepoint
        while len(self._journal) > steps:
            mapping, key, before = self._journal.pop()
            if before is None:
                del mapping[key]
            else:
                mapping[key] = before
        del self.posted[posted:]
        del self.other_events[other:]
        self._reserved_id = None

    def _set(self, mapping: dict[UUID, Any], key: UUID, value: Any) -> None:
        self._journal.append((mapping, key, mapping.get(key)))
        mapping[key] = value

    def _receipt(self, main: Posted, fees: Sequence[Posted]) -> Receipt:
        posting = main.posting
        debit, credit = self._accounts[posting.debit_id], self._accounts[posting.credit_id]
        return Receipt(
            transaction_id=main.transaction_id,
            kind=posting.kind,
            amount_minor=posting.amount_minor,
            currency=posting.currency,
            debit_number=debit.number,
            credit_number=credit.number,
            description=posting.description,
            created_at=self._view.now,
            debit_balance_after_minor=debit.balance_minor,
            credit_balance_after_minor=credit.balance_minor,
            fee_minor=sum(fee.posting.amount_minor for fee in fees) if fees else 0,
            related_id=main.related_id,
            hold_id=posting.hold_id,
        )

    @property
    def now(self) -> datetime:
        """The time of all rows and events of the batch."""
        return self._view.now


def _is_invalid_input(result: Result) -> bool:
    return isinstance(result, Refusal) and result.code == "INVALID_INPUT"


def _refusal_of_bulk(refusal: Refusal, index: int) -> Refusal:
    """Return the refusal of a whole list because of the refusal of one item."""
    field = refusal.field[1:] if refusal.field else ()
    message = f"Nothing was done, because of item {index + 1}: {refusal.message}"
    return Refusal(code=refusal.code, message=message, field=("input", "transfers", str(index), *field))

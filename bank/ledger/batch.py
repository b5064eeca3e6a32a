"""The decisions of one batch, in memory: replays, refusals, postings and holds (R3, R5, R12)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bank.clock import business_day
from bank.errors import BankError
from bank.events.event import DomainEvent, EventMetadata
from bank.events.log import metadata_of
from bank.events.types.audit import ActionRefusedEvent
from bank.idempotency.digests import salted_row_digest, salted_text_digest
from bank.idempotency.keys import KEY_REUSED, IdempotencyRecord, replay
from bank.idempotency.outcomes import (
    HoldReceipt,
    Outcome,
    Receipt,
    Result,
    Results,
    UnknownOutcomeVersion,
    encode_outcome,
)
from bank.identifiers import uuid7
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
from bank.ledger.posted import Posted, hold_event
from bank.refusal import Refusal


class Batch:
    """Commands decided one after the other against rows that nobody else can change meanwhile.

    `posted`, `changed`, `holds` and `keys` are what is to be written, `told` the events beside those of postings, and
    `broken` the commands whose decision raised.
    `ids` are for the transactions, one after the other.
    """

    def __init__(
        self,
        accounts: dict[UUID, Account],
        known: dict[tuple[UUID | None, str | None], IdempotencyRecord],
        now: datetime,
        *,
        originals: dict[UUID, Original] | None = None,
        holds: dict[UUID, Hold] | None = None,
        ids: Iterator[UUID] | None = None,
    ) -> None:
        self.posted: list[Posted] = []
        self.keys: list[tuple[Any, ...]] = []
        self.broken: list[tuple[Command, Exception]] = []
        self.told: list[tuple[DomainEvent, EventMetadata]] = []
        self._accounts, self._originals, self._holds = accounts, originals or {}, holds or {}
        self._loaded = dict(self._accounts), dict(self._holds)
        self._view = LedgerView(self._accounts, self._originals, self._holds, now, business_day(now))
        self._known = known
        self._retold: set[UUID] = set()
        self._ids = ids or iter(uuid7, None)
        # What each change of the command at hand has replaced, so that it can be undone.
        self._journal: list[tuple[dict[UUID, Any], UUID, Any]] = []
        self._reserved_id: UUID | None = None

    @property
    def changed(self) -> list[Account]:
        """Every account that is not as it was loaded, as it stands after the batch."""
        before = self._loaded[0]
        return [account for id_, account in self._accounts.items() if account is not before[id_]]

    @property
    def accounts_to_cache(self) -> list[Account]:
        """Every account that an answer of this batch tells of.

        A replay may be the first that anybody hears of a commit whose reply was lost, and the cache has not heard of
        it either.
        """
        return [*self.changed, *[self._accounts[id_] for id_ in self._retold if id_ in self._accounts]]

    @property
    def holds(self) -> list[Hold]:
        """Every hold that was made or has ended."""
        before = self._loaded[1]
        return [hold for id_, hold in self._holds.items() if hold is not before.get(id_)]

    @property
    def writes(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self.keys or self.posted or self.told)

    def decide(self, command: Command) -> Outcome | BankError:
        """Decide one command, and note what is to be written for it.

        An exception is a bug in this decision: it is noted in `broken`, and becomes an error of this command alone.
        Nothing of the command is written, its key included, so that a retry is decided anew.
        """
        self._journal.clear()
        mark, keys = self._mark(), len(self.keys)
        try:
            return self._decide(command)
        except Exception as error:  # noqa: BLE001 - it is logged once the batch's locks are given back
            self.broken.append((command, error))
            self._return_to(mark)
            del self.keys[keys:]
            # An outcome that only a newer worker can read is no bug: a retry may meet that worker.
            return error if isinstance(error, UnknownOutcomeVersion) else BankError("Internal error")

    def _decide(self, command: Command) -> Outcome:
        identity = (command.caller_id, command.key)
        metadata = metadata_of(command.context)
        if command.key is not None and (known := self._known.get(identity)):
            self._retold.update(command.account_ids)
            outcome = replay(known, command.operation, command.digest)
            if outcome.result == KEY_REUSED:
                self._tell_refusal(command, KEY_REUSED, metadata)
            return outcome
        mark = self._mark()
        if command.is_list:
            result: Result = self._carry_out_list(command, metadata)
        else:
            result = self._carry_out(command.decide[0], command, metadata)
        if isinstance(result, Refusal):
            self._tell_refusal(command, result, metadata)
        if command.key is not None and not _is_wrong_in_itself(result):
            self._remember(command.caller_id, command.key, command, result, mark)
        return Outcome(result)

    def _remember(
        self, caller_id: UUID | None, key: str, command: Command, result: Result, mark: tuple[int, int, int]
    ) -> None:
        """Note the key's row, and let the first event since `mark` vouch for it: each outcome has one."""
        assert caller_id is not None, "a key is somebody's"
        outcome, transaction_id = encode_outcome(result), _transaction_id(result)
        salt, row_digest = salted_row_digest(
            caller_id=caller_id,
            key=key,
            operation=command.operation,
            digest=command.digest,
            outcome=outcome,
            transaction_id=transaction_id,
        )
        self.keys.append((caller_id, key, command.operation, command.digest, outcome, transaction_id, salt))
        _, posted, told = mark
        if posted < len(self.posted):
            self.posted[posted].key_digest = row_digest
        else:
            event, metadata = self.told[told]
            self.told[told] = event, msgspec.structs.replace(metadata, key_digest=row_digest)
        self._known[caller_id, key] = IdempotencyRecord(command.operation, command.digest, outcome)

    def _carry_out_list(self, command: Command, metadata: EventMetadata) -> Results | Refusal:
        mark = self._mark()
        items: list[Receipt | Refusal] = []
        for place, decide in enumerate(command.decide):
            result = self._carry_out(decide, command, metadata)
            assert isinstance(result, Receipt | Refusal), "lists are of postings"
            if isinstance(result, Refusal):
                if command.all_or_none:
                    self._return_to(mark)
                    return _nothing_done(result, place)
                self._tell_refusal(command, result, metadata)
            items.append(result)
        return Results(tuple(items))

    def _carry_out(self, decide: Decide, command: Command, metadata: EventMetadata) -> Receipt | HoldReceipt | Refusal:
        decision = decide(self._view)
        if isinstance(decision, Refusal):
            return decision
        steps: tuple[Step, ...] = (decision,) if isinstance(decision, Posting) else decision
        mark = self._mark()
        for step in steps:
            if refusal := self._take(step, command, metadata):
                self._return_to(mark)
                return refusal
        posted = self.posted[mark[1] :]
        receipt = self._receipt(posted[0], posted[1:]) if posted else None
        hold_id = _hold_id(steps[0])
        if hold_id is None:
            assert receipt is not None
            return receipt
        return self._hold_receipt(self._holds[hold_id], receipt)

    def _take(self, step: Step, command: Command, metadata: EventMetadata) -> Refusal | None:
        match step:
            case Posting():
                entered = apply_posting(step, self._accounts, self._view.today)
                if isinstance(entered, Refusal):
                    return entered
                self._post(step, entered, command, metadata)
            case Authorize():
                account = authorize(step.hold, self._accounts, self._view.today)
                if isinstance(account, Refusal):
                    return account
                self._set(self._accounts, account.id, account)
                salt, description_digest = salted_text_digest(step.hold.description)
                hold = msgspec.structs.replace(step.hold, salt=salt) if salt else step.hold
                self._change_hold(hold, command, metadata, description_digest)
            case EndHold():
                hold = self._holds[step.hold_id]
                self._set(self._accounts, hold.account_id, end_hold(hold, self._accounts))
                if step.status == "CAPTURED":
                    self._reserved_id = next(self._ids)
                ended = msgspec.structs.replace(
                    hold,
                    status=step.status,
                    captured_minor=step.captured_minor,
                    transaction_id=self._reserved_id,
                    ended_at=self._view.now,
                )
                self._change_hold(ended, command, metadata)
        return None

    def _post(
        self, posting: Posting, entered: tuple[Account, Account], command: Command, metadata: EventMetadata
    ) -> None:
        debit, credit = entered
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
        assert command.caller_id is not None, "money moves because somebody asked for it"
        salted = salted_text_digest(posting.description)
        self.posted.append(
            Posted(transaction_id, posting, related_id, debit, credit, command.caller_id, metadata, *salted)
        )

    def _change_hold(
        self, hold: Hold, command: Command, metadata: EventMetadata, description_digest: str | None = None
    ) -> None:
        self._set(self._holds, hold.id, hold)
        self.told.append((hold_event(hold, command.caller_id, description_digest), metadata))

    def _tell_refusal(self, command: Command, refusal: Refusal, metadata: EventMetadata) -> None:
        if command.caller_id is None:
            # Nobody asked, so that nobody was refused.
            return
        about = next((id_ for id_ in command.account_ids if id_ in self._accounts), None)
        event = ActionRefusedEvent(
            action=command.operation,
            code=refusal.code,
            entity_type="Account",
            entity_id=about,
            initiated_by=command.caller_id,
        )
        self.told.append((event, metadata))

    def _mark(self) -> tuple[int, int, int]:
        return len(self._journal), len(self.posted), len(self.told)

    def _return_to(self, mark: tuple[int, int, int]) -> None:
        """Undo what has been done since `mark`."""
        steps, posted, told = mark
        while len(self._journal) > steps:
            mapping, key, before = self._journal.pop()
            if before is None:
                del mapping[key]
            else:
                mapping[key] = before
        del self.posted[posted:]
        del self.told[told:]
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

    def _hold_receipt(self, hold: Hold, receipt: Receipt | None) -> HoldReceipt:
        debit, credit = self._accounts[hold.account_id], self._accounts[hold.to_account_id]
        return HoldReceipt(
            id=hold.id,
            status=hold.status,
            amount_minor=hold.amount_minor,
            captured_minor=hold.captured_minor,
            currency=hold.currency,
            debit_number=debit.number,
            credit_number=credit.number,
            description=hold.description,
            expires_at=hold.expires_at,
            created_at=hold.created_at,
            available_after_minor=debit.available_minor,
            receipt=receipt,
        )

    @property
    def now(self) -> datetime:
        """The moment of everything in the batch."""
        return self._view.now


def _is_wrong_in_itself(result: Result) -> bool:
    return isinstance(result, Refusal) and result.code == "INVALID_INPUT"


def _transaction_id(result: Result) -> UUID | None:
    match result:
        case Receipt():
            return result.transaction_id
        case HoldReceipt(receipt=Receipt() as receipt):
            return receipt.transaction_id
        case _:
            return None


def _hold_id(step: Step) -> UUID | None:
    match step:
        case Authorize():
            return step.hold.id
        case EndHold():
            return step.hold_id
        case _:
            return None


def _nothing_done(refusal: Refusal, place: int) -> Refusal:
    """Return the refusal of a whole list, given that of one item."""
    field = refusal.field[1:] if refusal.field else ()
    message = f"Nothing was done, because of item {place + 1}: {refusal.message}"
    return Refusal(code=refusal.code, message=message, field=("input", "transfers", str(place), *field))

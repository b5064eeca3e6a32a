"""Submit deposits, withdrawals, transfers and lists of transfers, each once per idempotency key (rule 12)."""

from dataclasses import dataclass
from uuid import UUID

from bank.ledger.command import Command, Outcome
from bank.ledger.keys import digest_of
from bank.ledger.model import Decide, Refusal
from bank.ledger.post import Ledger
from bank.telemetry.context import current_context
from bank.transfers.policy import (
    CASH_ACCOUNTS,
    FEE_ACCOUNTS,
    check_amount,
    check_description,
    check_key,
    check_own_account,
    decide_deposit,
    decide_transfer,
    decide_withdrawal,
)
from bank.transfers.terms import Terms

# Each is decided and written while everybody else waits: a hundred take what one batch of single transfers takes.
LIST_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTransfer:
    """Move `amount` (a decimal text) from an account of the caller's; `to_id` is None for an unknown number."""

    caller_id: UUID
    key: str
    from_id: UUID
    to_number: str
    to_id: UUID | None
    amount: str
    currency: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitList:
    """Make several transfers, all or none of them or each by itself; the keys of the items are not looked at."""

    caller_id: UUID
    key: str
    all_or_none: bool
    items: tuple[SubmitTransfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitDeposit:
    """Put `amount` (a decimal text) from outside into an account; `to_id` is None for an unknown number."""

    caller_id: UUID
    key: str
    to_number: str
    to_id: UUID | None
    amount: str
    currency: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitWithdrawal:
    """Take `amount` (a decimal text) out of the bank; `owner_id` is None where staff pays it out for the owner."""

    caller_id: UUID
    owner_id: UUID | None
    key: str
    from_number: str
    from_id: UUID | None
    amount: str
    currency: str
    description: str | None = None


async def submit_transfer(ledger: Ledger, terms: Terms, command: SubmitTransfer) -> Outcome:
    """Move money between two accounts, once per idempotency key.

    A request that is wrong in itself is refused here and burns no key; everything else is decided, and remembered,
    by the batch. Raises what `Ledger.post` raises.
    """
    refused = Refused(ledger, "transfer", command.caller_id, (command.from_id,))
    amount_minor = _check(command)
    if isinstance(amount_minor, Refusal):
        return await refused(amount_minor)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="transfer",
            digest=digest_of(str(command.from_id), *_content(command, amount_minor)),
            account_ids=_transfer_accounts(command, terms),
            decide=(_decide(command, amount_minor, terms),),
            context=current_context(),
        )
    )


async def submit_list(ledger: Ledger, terms: Terms, command: SubmitList) -> Outcome:
    """Make several transfers in one batch, once per idempotency key: all or none, or each with its own outcome.

    As `submit_transfer` in everything else; where one item is wrong in itself, the whole list is refused.
    """
    refused = Refused(ledger, "transferBatch", command.caller_id, ())
    if refusal := check_key(command.key):
        return await refused(refusal)
    if not 1 <= len(command.items) <= LIST_MAX:
        message = f"A list has 1 to {LIST_MAX} transfers."
        return await refused(Refusal(code="INVALID_INPUT", message=message, field=("input", "transfers")))
    amounts_minor: list[int] = []
    for place, item in enumerate(command.items):
        amount_minor = _check(item)
        if isinstance(amount_minor, Refusal):
            field = ("input", "transfers", str(place), *(amount_minor.field or ())[1:])
            return await refused(Refusal(code=amount_minor.code, message=amount_minor.message, field=field))
        amounts_minor.append(amount_minor)
    items = list(zip(command.items, amounts_minor, strict=True))
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="transferBatch",
            digest=digest_of(
                command.all_or_none, *[(str(item.from_id), *_content(item, minor)) for item, minor in items]
            ),
            account_ids=tuple(id_ for item in command.items for id_ in _transfer_accounts(item, terms)),
            decide=tuple(_decide(item, minor, terms) for item, minor in items),
            is_list=True,
            all_or_none=command.all_or_none,
            context=current_context(),
        )
    )


async def submit_deposit(ledger: Ledger, command: SubmitDeposit) -> Outcome:
    """Put money from outside into an account, once per idempotency key. As `submit_transfer` in everything else."""
    account_ids = (command.to_id,) if command.to_id else ()
    amount_minor = _check(command)
    if isinstance(amount_minor, Refusal):
        return await Refused(ledger, "deposit", command.caller_id, account_ids)(amount_minor)
    decide = decide_deposit(
        to_id=command.to_id,
        amount_minor=amount_minor,
        currency=command.currency,
        description=command.description,
    )
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="deposit",
            digest=digest_of(*_content(command, amount_minor)),
            account_ids=(*account_ids, CASH_ACCOUNTS[command.currency]),
            decide=(decide,),
            context=current_context(),
        )
    )


async def submit_withdrawal(ledger: Ledger, terms: Terms, command: SubmitWithdrawal) -> Outcome:
    """Take money out of the bank, once per idempotency key. As `submit_transfer` in everything else."""
    account_ids = (command.from_id,) if command.from_id else ()
    amount_minor = _check(command)
    if isinstance(amount_minor, Refusal):
        return await Refused(ledger, "withdraw", command.caller_id, account_ids)(amount_minor)
    decide = decide_withdrawal(
        owner_id=command.owner_id,
        from_id=command.from_id,
        amount_minor=amount_minor,
        currency=command.currency,
        description=command.description,
        terms=terms,
    )
    content = (command.from_number, amount_minor, command.currency, command.description)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="withdraw",
            digest=digest_of(*content),
            account_ids=(*account_ids, CASH_ACCOUNTS[command.currency], FEE_ACCOUNTS[command.currency]),
            decide=(decide,),
            context=current_context(),
        )
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is wrong in itself: it burns no key and changes nothing, but is on record (spec step 6)."""

    ledger: Ledger
    operation: str
    caller_id: UUID
    account_ids: tuple[UUID, ...]

    async def __call__(self, refusal: Refusal) -> Outcome:
        """Put the refusal on record and return it. Raises what `Ledger.post` raises."""
        return await self.ledger.post(
            Command(
                caller_id=self.caller_id,
                key=None,
                operation=self.operation,
                digest=b"",
                account_ids=self.account_ids,
                decide=(lambda _books: refusal,),
                context=current_context(),
            )
        )


def _check(command: SubmitTransfer | SubmitDeposit | SubmitWithdrawal) -> int | Refusal:
    own = check_own_account(command.from_id, "fromAccountId") if isinstance(command, SubmitTransfer) else None
    return (
        check_key(command.key)
        or own
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )


def _content(command: SubmitTransfer | SubmitDeposit, amount_minor: int) -> tuple[object, ...]:
    return command.to_number, amount_minor, command.currency, command.description


def _transfer_accounts(command: SubmitTransfer, terms: Terms) -> tuple[UUID, ...]:
    accounts = (command.from_id, command.to_id) if command.to_id else (command.from_id,)
    return (*accounts, FEE_ACCOUNTS[command.currency]) if terms.transfer_fee_minor else accounts


def _decide(command: SubmitTransfer, amount_minor: int, terms: Terms) -> Decide:
    return decide_transfer(
        caller_id=command.caller_id,
        from_id=command.from_id,
        to_id=command.to_id,
        amount_minor=amount_minor,
        currency=command.currency,
        description=command.description,
        terms=terms,
    )

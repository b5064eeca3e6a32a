"""Open an account."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from bank.accounts.cached import owner_tag
from bank.accounts.reads import queries
from bank.cache.values import ValueCache
from bank.events.event import DomainEvent
from bank.events.model import AccountCreatedEvent, ActionRefusedEvent
from bank.events.recorder import EventRecorder
from bank.events.work import UnitOfWork, Work, again_if_undone
from bank.identifiers import account_number, uuid7
from bank.ledger.keys import KEY_REUSED, KeyTaken, KnownKey, digest_of, find_key, remember
from bank.ledger.model import Account, Refusal

# The bank has one branch so far.
BRANCH = 1
# Nobody banks with more; a script that opens accounts by the thousand is stopped early.
ACCOUNTS_PER_USER_MAX = 20
CURRENCIES = ("BRL",)
OPERATION = "openAccount"


@dataclass(frozen=True, slots=True)
class Opening:
    """The account as it was opened, or why it was not; and whether an earlier call with the same key decided that."""

    result: Account | Refusal
    replayed: bool = False


class _Opened(msgspec.Struct, frozen=True):
    """The decided values of an opening; everything else is the same for each new account."""

    id: UUID
    user_id: UUID
    number: str
    currency: str
    created_at: datetime


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """An outcome as its key's row keeps it: one of the two."""

    opened: _Opened | None = None
    refusal: Refusal | None = None

    def result(self) -> Account | Refusal:
        """Return the outcome, the account as it was then."""
        if self.refusal is not None:
            return self.refusal
        opened = self.opened
        assert opened is not None
        return Account(
            id=opened.id,
            user_id=opened.user_id,
            kind="CUSTOMER",
            number=opened.number,
            currency=opened.currency,
            status="ACTIVE",
            balance_minor=0,
            version=0,
            created_at=opened.created_at,
        )


async def open_account(
    work: Work, recorder: EventRecorder, cache: ValueCache, *, user_id: UUID, key: str, currency: str
) -> Opening:
    """Open an empty account for a user, once per idempotency key.

    A currency in which no account is kept burns no key; everything else is remembered, the refusal of one account too
    many as well. Raises what `Work.begin` and `EventRecorder.tell` raise.
    """
    if currency not in CURRENCIES:
        message = f"Accounts are kept in {', '.join(CURRENCIES)}."
        await recorder.record(_refused(user_id, "CURRENCY_MISMATCH"))
        return Opening(Refusal(code="CURRENCY_MISMATCH", message=message, field=("input", "currency")))
    try:
        opening, version = await _open_once(work, user_id=user_id, key=key, currency=currency)
    except KeyTaken:
        # By a transfer, after we looked; now it is there to be seen.
        opening, version = await _open_once(work, user_id=user_id, key=key, currency=currency)
    # Before the answer, so that the owner's next read shows the account (R11).
    await cache.put([owner_tag(user_id, version)])
    return opening


def _refused(user_id: UUID, code: str) -> ActionRefusedEvent:
    return ActionRefusedEvent(action=OPERATION, code=code, entity_type="User", entity_id=user_id, initiated_by=user_id)


@again_if_undone
async def _open_once(work: Work, *, user_id: UUID, key: str, currency: str) -> tuple[Opening, int]:
    """Return what became of the request, and the version of the owner's list of accounts after it."""
    digest = digest_of(currency)
    async with work.begin() as uow:
        version: int = await queries.lock_owner(uow.connection, user_id=user_id)
        if known := await find_key(uow.connection, caller_id=user_id, key=key):
            opening = _replay(known, digest)
            if opening.result is KEY_REUSED:
                uow.emit(_refused(user_id, KEY_REUSED.code))
            return opening, version
        if await queries.count_accounts(uow.connection, user_id=user_id) >= ACCOUNTS_PER_USER_MAX:
            message = f"A person has at most {ACCOUNTS_PER_USER_MAX} accounts."
            stored = _Stored(refusal=Refusal(code="ACCOUNT_LIMIT_REACHED", message=message))
            event: DomainEvent = _refused(user_id, "ACCOUNT_LIMIT_REACHED")
        else:
            opened, version = await _insert(uow, user_id=user_id, currency=currency)
            stored = _Stored(opened=opened)
            event = AccountCreatedEvent(
                account_id=opened.id, owner_id=user_id, number=opened.number, currency=opened.currency
            )
        outcome = msgspec.json.encode(stored).decode()
        vouched = remember(uow, KnownKey(OPERATION, digest, outcome), caller_id=user_id, key=key)
        uow.emit(event, key_digest=vouched)
    return Opening(stored.result()), version


def _replay(known: KnownKey, digest: bytes) -> Opening:
    """Return the first answer again, or the refusal of a key used for something else."""
    if not known.is_for(OPERATION, digest):
        return Opening(KEY_REUSED)
    return Opening(msgspec.json.decode(known.outcome, type=_Stored).result(), replayed=True)


async def _insert(uow: UnitOfWork, *, user_id: UUID, currency: str) -> tuple[_Opened, int]:
    number = account_number(BRANCH, await queries.next_number(uow.connection))
    opened = _Opened(id=uuid7(), user_id=user_id, number=number, currency=currency, created_at=uow.now)
    version: int = await queries.insert_account(
        uow.connection, id=opened.id, user_id=user_id, number=number, currency=currency, now=uow.now
    )
    return opened, version

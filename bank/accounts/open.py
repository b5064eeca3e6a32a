"""Open an account."""

from dataclasses import dataclass
from uuid import UUID

from bank.accounts.cached import owner_tag
from bank.accounts.reads import queries
from bank.cache.values import ValueCache
from bank.errors import Unauthenticated
from bank.events.event import DomainEvent
from bank.events.recorder import EventRecorder
from bank.events.types.accounts import AccountCreatedEvent
from bank.events.types.audit import ActionRefusedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import KEY_REUSED, IdempotencyRecord, KeyTaken, find_record, replay, store_record
from bank.idempotency.outcomes import OpenedAccount, Outcome, encode_outcome
from bank.identifiers import account_number, uuid7
from bank.ledger.model import Account
from bank.refusal import Refusal

# The bank has one branch so far.
BRANCH = 1
# More than any real customer needs; it stops scripts that open accounts by the thousand.
ACCOUNTS_PER_USER_MAX = 20
CURRENCIES = ("BRL",)
OPERATION = "openAccount"


@dataclass(frozen=True, slots=True)
class OpenAccountResult:
    """The account as it was opened, or the refusal. `replayed`: it is the stored outcome of an earlier request."""

    result: Account | Refusal
    replayed: bool = False


async def open_account(
    uow_factory: UnitOfWorkFactory,
    recorder: EventRecorder,
    cache: ValueCache,
    *,
    user_id: UUID,
    key: str,
    currency: str,
) -> OpenAccountResult:
    """Open an empty account for a user, once per idempotency key.

    The refusal of an unknown currency leaves the key unused. Every other outcome is stored under the key, the refusal
    at the limit of accounts too. Raises the errors of `UnitOfWorkFactory.begin`, `EventRecorder.record` and
    `decode_outcome`.
    """
    if currency not in CURRENCIES:
        message = f"Accounts are kept in {', '.join(CURRENCIES)}."
        await recorder.record(_refused(user_id, "CURRENCY_MISMATCH"))
        return OpenAccountResult(Refusal(code="CURRENCY_MISMATCH", message=message, field=("input", "currency")))
    try:
        outcome, version = await _open_once(uow_factory, user_id=user_id, key=key, currency=currency)
    except KeyTaken:
        # A transfer used the key after the look-up. The second look-up finds it.
        outcome, version = await _open_once(uow_factory, user_id=user_id, key=key, currency=currency)
    # Before the response, so that the owner's next read shows the account (R11).
    await cache.put([owner_tag(user_id, version)])
    return _result_of(outcome)


def _result_of(outcome: Outcome) -> OpenAccountResult:
    """Return the result of a stored outcome, with the account as it was opened."""
    match outcome.result:
        case Refusal() as refusal:
            return OpenAccountResult(refusal, outcome.replayed)
        case OpenedAccount() as opened:
            account = Account(
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
            return OpenAccountResult(account, outcome.replayed)
        case other:
            raise AssertionError(f"openAccount stores no {type(other).__name__}")


def _refused(user_id: UUID, code: str) -> ActionRefusedEvent:
    return ActionRefusedEvent(action=OPERATION, code=code, entity_type="User", entity_id=user_id, initiated_by=user_id)


@retry_if_rolled_back
async def _open_once(uow_factory: UnitOfWorkFactory, *, user_id: UUID, key: str, currency: str) -> tuple[Outcome, int]:
    """Return the outcome of the request, and the version of the owner's list of accounts after it."""
    digest = request_digest(currency)
    async with uow_factory.begin() as uow:
        version: int | None = await queries.lock_owner(uow.connection, user_id=user_id)
        if version is None:
            raise Unauthenticated("This user is erased.")
        if record := await find_record(uow.connection, caller_id=user_id, key=key):
            outcome = replay(record, OPERATION, digest)
            if outcome.result is KEY_REUSED:
                uow.emit(_refused(user_id, KEY_REUSED.code))
            return outcome, version
        result: OpenedAccount | Refusal
        if await queries.count_accounts(uow.connection, user_id=user_id) >= ACCOUNTS_PER_USER_MAX:
            message = f"A person has at most {ACCOUNTS_PER_USER_MAX} accounts."
            result = Refusal(code="ACCOUNT_LIMIT_REACHED", message=message)
            event: DomainEvent = _refused(user_id, "ACCOUNT_LIMIT_REACHED")
        else:
            result, version = await _insert(uow, user_id=user_id, currency=currency)
            event = AccountCreatedEvent(
                account_id=result.id, owner_id=user_id, number=result.number, currency=result.currency
            )
        record = IdempotencyRecord(OPERATION, digest, encode_outcome(result))
        row_digest = store_record(uow, record, caller_id=user_id, key=key)
        uow.emit(event, key_digest=row_digest)
    return Outcome(result), version


async def _insert(uow: UnitOfWork, *, user_id: UUID, currency: str) -> tuple[OpenedAccount, int]:
    number = account_number(BRANCH, await queries.next_number(uow.connection))
    opened = OpenedAccount(id=uuid7(), user_id=user_id, number=number, currency=currency, created_at=uow.now)
    version: int = await queries.insert_account(
        uow.connection, id=opened.id, user_id=user_id, number=number, currency=currency, now=uow.now
    )
    return opened, version

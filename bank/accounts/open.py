"""Open an account."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bank.accounts.cached import owner_tag
from bank.accounts.reads import queries
from bank.cache.values import ValueCache
from bank.clock import Clock
from bank.events.model import AccountCreatedEvent
from bank.events.work import Work
from bank.identifiers import account_number, uuid7
from bank.ledger.model import Account, Refusal

# The bank has one branch so far.
BRANCH = 1
# Nobody banks with more; a script that opens accounts by the thousand is stopped early.
ACCOUNTS_PER_USER_MAX = 20
CURRENCIES = ("BRL",)


@dataclass(frozen=True, slots=True)
class Opened:
    """The account, and whether an earlier call with the same key opened it."""

    account: Account
    replayed: bool = False


async def open_account(
    work: Work, cache: ValueCache, clock: Clock, *, user_id: UUID, key: str, currency: str
) -> Opened | Refusal:
    """Open an empty account for a user, once per idempotency key."""
    if currency not in CURRENCIES:
        return Refusal(
            code="CURRENCY_MISMATCH",
            message=f"Accounts are kept in {', '.join(CURRENCIES)}.",
            field=("input", "currency"),
        )
    async with work.begin() as uow:
        version = await queries.lock_owner(uow.connection, user_id=user_id)
        opened = await queries.find_opened(uow.connection, user_id=user_id, opening_key=key)
        if opened:
            account = Account(*opened)
            if account.currency != currency:
                return Refusal(
                    code="IDEMPOTENCY_KEY_REUSED",
                    message="This idempotency key was used before, for something else.",
                    field=("input", "idempotencyKey"),
                )
            return Opened(account, replayed=True)
        if await queries.count_accounts(uow.connection, user_id=user_id) >= ACCOUNTS_PER_USER_MAX:
            return Refusal(
                code="ACCOUNT_LIMIT_REACHED", message=f"A person has at most {ACCOUNTS_PER_USER_MAX} accounts."
            )
        sequence = await queries.next_number(uow.connection)
        account = _new_account(user_id, sequence, currency, clock.now())
        await queries.insert_account(
            uow.connection,
            id=account.id,
            user_id=user_id,
            number=account.number,
            currency=currency,
            opening_key=key,
            now=account.created_at,
        )
        uow.emit(AccountCreatedEvent(account_id=account.id, owner_id=user_id, number=account.number, currency=currency))
    # Before the answer, so that the owner's next read shows the account (rule 11).
    await cache.put([owner_tag(user_id, version)])
    return Opened(account)


def _new_account(user_id: UUID, sequence: int, currency: str, now: datetime) -> Account:
    return Account(
        id=uuid7(),
        user_id=user_id,
        kind="CUSTOMER",
        number=account_number(BRANCH, sequence),
        currency=currency,
        status="ACTIVE",
        balance_minor=0,
        version=0,
        created_at=now,
    )

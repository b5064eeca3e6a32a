"""One event of every type, as the bank could tell it."""

from datetime import UTC, datetime
from uuid import UUID

from bank.events import model, people
from bank.events.event import DomainEvent
from bank.identifiers import uuid7

_CURRENCY = "BRL"


def one_of_each() -> list[DomainEvent]:
    """Return an event of every type, all about one user, one account, one transaction and one hold."""
    user, account, other, transaction, hold = uuid7(), uuid7(), uuid7(), uuid7(), uuid7()
    moved = {
        "transaction_id": transaction, "kind": "CAPTURE", "amount_minor": 700, "currency": _CURRENCY,
        "debit_account_id": account, "credit_account_id": other, "initiated_by": user,
        "related_transaction_id": uuid7(), "hold_id": hold,
    }  # fmt: skip
    held = {"hold_id": hold, "account_id": account, "currency": _CURRENCY}
    return [
        people.UserRegisteredEvent(id=user, role="CUSTOMER"),
        model.AccountCreatedEvent(account_id=account, owner_id=user, number="0001/00000001-9", currency=_CURRENCY),
        model.TransactionInitiatedEvent(**moved),
        balance_updated(account_id=account, version=1, change_minor=-700, balance_minor=300, initiated_by=user),
        model.TransactionCompletedEvent(**moved),
        model.AccountFrozenEvent(account_id=account, reason="Asked for by the court.", initiated_by=user),
        model.AccountUnfrozenEvent(account_id=account, reason="The court is content.", initiated_by=user),
        model.AccountLimitsChangedEvent(
            account_id=account, transfer_limit_minor=50_000, daily_limit_minor=None,
            old_transfer_limit_minor=None, old_daily_limit_minor=100_000, initiated_by=user,
        ),
        model.HoldAuthorizedEvent(
            **held, to_account_id=other, amount_minor=1_000, initiated_by=user,
            expires_at=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC),
        ),
        model.HoldCapturedEvent(
            **held, transaction_id=transaction, captured_minor=700, released_minor=300, initiated_by=user
        ),
        model.HoldReleasedEvent(**held, amount_minor=1_000, initiated_by=user),
        model.HoldExpiredEvent(**held, amount_minor=1_000),
        model.ActionRefusedEvent(
            action="transfer", code="INSUFFICIENT_FUNDS", entity_type="Account", entity_id=account, initiated_by=user
        ),
        people.UserLoggedInEvent(session_id=hold, initiated_by=user),
        people.SessionRefreshedEvent(session_id=hold, initiated_by=user),
        people.RefreshTokenReusedEvent(session_id=hold, owner_id=user),
        people.UserLoggedOutEvent(session_id=hold, initiated_by=user),
        people.LoginFailedEvent(subject_id=None, address_digest="0123456789abcdef" * 2),
        people.UserRoleChangedEvent(subject_id=user, old_role="CUSTOMER", new_role="OPERATOR"),
        model.StaffReadEvent(
            query="account", entity_type="Account", entity_id=account, owner_id=user, initiated_by=uuid7()
        ),
        model.AccountClosedEvent(account_id=account, initiated_by=user),
        model.KeysForgottenEvent(used_before=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)),
    ]  # fmt: skip


def balance_updated(
    *, account_id: UUID, version: int, change_minor: int, balance_minor: int, initiated_by: UUID
) -> model.BalanceUpdatedEvent:
    return model.BalanceUpdatedEvent(
        account_id=account_id, transaction_id=uuid7(), version=version, change_minor=change_minor,
        balance_minor=balance_minor, currency=_CURRENCY, initiated_by=initiated_by,
    )  # fmt: skip

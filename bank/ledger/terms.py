"""The bank's terms: its fees, and the default limits of accounts."""

from datetime import timedelta

import msgspec

from bank.money import parse_amount
from bank.settings import Settings


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Fees and limits in minor units. The limits are for accounts without their own.

    A posting of more than `approval_above_minor` that staff make for a customer waits for an approval, for
    `approval_life` at most.
    """

    transfer_limit_minor: int
    daily_limit_minor: int
    transfer_fee_minor: int = 0
    withdrawal_fee_minor: int = 0
    hold_life: timedelta = timedelta(days=7)
    approval_above_minor: int = 5_000_000
    approval_life: timedelta = timedelta(hours=24)


def terms_of(settings: Settings) -> Terms:
    """Return the terms of the settings."""
    return Terms(
        transfer_limit_minor=parse_amount(f"{settings.transfer_limit:.2f}", "BRL"),
        daily_limit_minor=parse_amount(f"{settings.daily_limit:.2f}", "BRL"),
        transfer_fee_minor=parse_amount(f"{settings.transfer_fee:.2f}", "BRL"),
        withdrawal_fee_minor=parse_amount(f"{settings.withdrawal_fee:.2f}", "BRL"),
        hold_life=timedelta(days=settings.hold_days),
        approval_above_minor=parse_amount(f"{settings.approval_above:.2f}", "BRL"),
        approval_life=timedelta(hours=settings.approval_hours),
    )

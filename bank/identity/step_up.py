"""Step-up: a payment above a limit needs a code of the second factor from the last minutes (decision 0043).

The access token has the time of the last code, so that the decision needs no statement, and is made before the ledger
uses the idempotency key. RFC 9470 describes the same for OAuth.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bank.identity.second_factor_codes import CODE_REQUIRED
from bank.identity.tokens import Caller
from bank.money import format_amount, parse_amount
from bank.refusal import Refusal
from bank.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpPolicy:
    """The bank's limit for payments without a fresh second factor, and how long a code is fresh."""

    above_minor: int
    fresh_for: timedelta

    def needs_code(self, caller: Caller, amount_minor: int, now: datetime) -> bool:
        """Return whether a payment by this caller needs a code of the second factor first."""
        return amount_minor > self.limit_minor(caller.step_up_above_minor) and not self.is_fresh(caller, now)

    def limit_minor(self, own_minor: int | None) -> int:
        """Return the limit of a user with this own limit, which only lowers that of the bank."""
        return self.above_minor if own_minor is None else min(own_minor, self.above_minor)

    def is_fresh(self, caller: Caller, now: datetime) -> bool:
        """Return whether the caller's session has proved the second factor within the last minutes."""
        proved_at_s = caller.second_factor_at_s
        return proved_at_s is not None and now.timestamp() - proved_at_s <= self.fresh_for.total_seconds()

    def decide_limit(
        self, caller: Caller, old_minor: int | None, new_minor: int | None, now: datetime
    ) -> Refusal | None:
        """Return the refusal of a new own limit, None if it is allowed. None as a limit is that of the bank.

        A lower limit protects, so that it needs no code. A higher one does, because a thief would raise it first.
        """
        if new_minor is not None and new_minor > self.above_minor:
            message = f"Your limit is at most that of the bank, {format_amount(self.above_minor, 'BRL')} BRL."
            return Refusal(code="INVALID_AMOUNT", message=message, field=("input", "amount"))
        if self.limit_minor(new_minor) > self.limit_minor(old_minor) and not self.is_fresh(caller, now):
            message = "To raise or remove your limit, send a code with verifySecondFactor first."
            return Refusal(code=CODE_REQUIRED, message=message, field=("input", "amount"))
        return None

    def refusal(self, caller: Caller, field: str) -> Refusal:
        """Return the refusal of a payment that needs a code. `field` is the field of the input with the amount."""
        minutes = int(self.fresh_for.total_seconds() / 60)
        limit = format_amount(self.limit_minor(caller.step_up_above_minor), "BRL")
        message = (
            f"More than {limit} BRL needs a code of your second factor from the last"
            f" {minutes} minutes: send one with verifySecondFactor, then repeat this request with the new access token."
            " Enrol a second factor first if you have none."
        )
        return Refusal(code=CODE_REQUIRED, message=message, field=("input", field))


def step_up_policy(settings: Settings) -> StepUpPolicy:
    """Return the policy of the settings."""
    return StepUpPolicy(
        above_minor=parse_amount(f"{settings.step_up_above:.2f}", "BRL"),
        fresh_for=timedelta(minutes=settings.step_up_minutes),
    )

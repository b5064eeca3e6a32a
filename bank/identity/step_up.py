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
        return amount_minor > self.above_minor and not self.is_fresh(caller, now)

    def is_fresh(self, caller: Caller, now: datetime) -> bool:
        """Return whether the caller's session has proved the second factor within the last minutes."""
        proved_at_s = caller.second_factor_at_s
        return proved_at_s is not None and now.timestamp() - proved_at_s <= self.fresh_for.total_seconds()

    def refusal(self, field: str) -> Refusal:
        """Return the refusal of a payment that needs a code. `field` is the field of the input with the amount."""
        minutes = int(self.fresh_for.total_seconds() / 60)
        message = (
            f"More than {format_amount(self.above_minor, 'BRL')} BRL needs a code of your second factor from the last"
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

"""The fees of a scenario: the bank gets them from its settings, the oracle from here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """Fees in minor units, on top of what is moved."""

    transfer_fee_minor: int = 0
    withdrawal_fee_minor: int = 0

    def fee_minor(self, kind: str) -> int:
        """Return what is charged for a transaction of this kind."""
        return {"TRANSFER": self.transfer_fee_minor, "WITHDRAWAL": self.withdrawal_fee_minor}.get(kind, 0)

    def environment(self) -> dict[str, str]:
        """Return the bank's settings for these terms."""
        return {
            "BANK_TRANSFER_FEE": f"{self.transfer_fee_minor / 100:.2f}",
            "BANK_WITHDRAWAL_FEE": f"{self.withdrawal_fee_minor / 100:.2f}",
        }


FREE = Terms()
"""A bank that charges nothing."""

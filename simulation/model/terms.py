"""The fees of a scenario. The bank gets them from its settings, and the oracle from this module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """Fees in minor units, in addition to the moved amount."""

    transfer_fee_minor: int = 0
    withdrawal_fee_minor: int = 0

    def fee_minor(self, kind: str) -> int:
        """Return the fee for a transaction of this kind."""
        return {"TRANSFER": self.transfer_fee_minor, "WITHDRAWAL": self.withdrawal_fee_minor}.get(kind, 0)

    def environment(self) -> dict[str, str]:
        """Return the bank's settings for these terms."""
        return {
            "BANK_TRANSFER_FEE": f"{self.transfer_fee_minor / 100:.2f}",
            "BANK_WITHDRAWAL_FEE": f"{self.withdrawal_fee_minor / 100:.2f}",
        }


FREE = Terms()
"""Terms without fees."""

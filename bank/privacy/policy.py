"""The policy of retention, from `contracts/retention.toml`."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import msgspec

import contracts


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The time for which one kind of data is stored: days, years, or the setting that has the days."""

    data: str
    since: str
    deletes: bool
    reason: str
    source: str
    keep_days: int | None = None
    keep_years: int | None = None
    setting: str | None = None

    def __post_init__(self) -> None:
        if sum(time is not None for time in (self.keep_days, self.keep_years, self.setting)) != 1:
            raise ValueError("a rule has exactly one of keep_days, keep_years and setting")

    @property
    def keep(self) -> timedelta:
        """The time of a rule with days."""
        assert self.keep_days is not None, "only jobs ask, and their rules have days"
        return timedelta(days=self.keep_days)

    @property
    def term(self) -> str:
        """The time as text."""
        if self.setting is not None:
            return self.setting
        return f"{self.keep_days} days" if self.keep_days is not None else f"{self.keep_years} years"


POLICY: Mapping[str, RetentionRule] = MappingProxyType(
    msgspec.convert(tomllib.loads(contracts.RETENTION.read_text(encoding="utf-8")), dict[str, RetentionRule])
)
"""Each rule, by its name."""

KEPT = tuple(rule for rule in POLICY.values() if rule.keep_years is not None)
"""The rules of data that the law keeps after an erasure."""

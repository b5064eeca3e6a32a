"""The scenarios, one in each file, from which plans are drawn."""

from collections.abc import Mapping
from types import MappingProxyType

from simulation.model.scenario import Scenario
from simulation.scenarios import attack_day, double_click, first_day, hot_account, payday, retries

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        module.SCENARIO.name: module.SCENARIO
        for module in (first_day, double_click, hot_account, retries, payday, attack_day)
    }
)
"""Every scenario by name."""

"""`simulation list`: the scenarios, checks, criteria, faults, coverage and mutants, with their explanations."""

from collections.abc import Mapping, Sequence

from simulation.checks import CHECKS
from simulation.coverage.count import COVERAGE
from simulation.criteria.evaluate import load_criteria
from simulation.model.faults import FAULTS
from simulation.mutants import NAMES, load
from simulation.scenarios import SCENARIOS

Section = Sequence[Mapping[str, object]]


def catalogue() -> dict[str, Section]:
    """Return all named parts of the simulation, with their explanations."""
    return {
        "scenarios": [
            {
                "name": scenario.name,
                "explanation": scenario.summary,
                "people": scenario.people,
                "duration_s": scenario.duration_s,
                "rate": scenario.rate,
                "workers": scenario.workers,
                "must_see": sorted(scenario.expects),
                "criteria": sorted(scenario.criteria),
            }
            for scenario in SCENARIOS.values()
        ],
        "checks": [
            {"name": check.name, "title": check.title, "explanation": check.explanation} for check in CHECKS.values()
        ],
        "criteria": [
            {"name": c.id, "title": c.title, "target": c.target, "spec": c.spec, "explanation": c.how}
            for c in load_criteria()
        ],
        "faults": [
            {"name": name.value, "title": fault.title, "explanation": fault.explanation, "seen_as": fault.seen_as}
            for name, fault in FAULTS.items()
        ],
        "coverage": [{"name": name, "title": title} for name, (title, _) in COVERAGE.items()],
        "mutants": [
            {
                "name": mutant.name,
                "explanation": mutant.explanation,
                "caught_by": [*mutant.caught_by, *mutant.failed_criteria],
                "faults": list(mutant.faults),
            }
            for mutant in map(load, NAMES)
        ],
    }


HEADINGS = {
    "scenarios": "Scenarios (--scenario)",
    "checks": "Checks: properties that every run must have",
    "criteria": "Success criteria",
    "faults": "Faults (--faults): failures that the simulation can cause",
    "coverage": "Coverage: situations that must occur in a run, if its scenario requires them",
    "mutants": "Mutants (--mutant): planted bugs, each with the check or criterion that catches it",
}


def catalogue_text() -> str:
    """Return the catalogue as text for a person."""
    lines: list[str] = []
    for section, entries in catalogue().items():
        lines += ["", HEADINGS[section], ""]
        for entry in entries:
            lines.append(f"  {entry['name']}{_summary(section, entry)}")
            text = str(entry.get("explanation", ""))
            lines += [f"      {line}".rstrip() for line in text.splitlines()]
    return "\n".join(lines[1:])


def _summary(section: str, entry: Mapping[str, object]) -> str:
    match section:
        case "scenarios":
            sizes = f"{entry['people']} people, {entry['duration_s']} s, {entry['rate']}/s, workers: {entry['workers']}"
            return f"  ({sizes})"
        case "criteria":
            return f": {entry['title']}, {entry['target']} ({entry['spec']})"
        case "mutants":
            return f"  (caught by {_join(entry['caught_by'])}{_with_faults(entry['faults'])})"
        case _:
            return f": {entry['title']}"


def _with_faults(names: object) -> str:
    return f", with --faults {_join(names).replace(' ', '')}" if names else ""


def _join(names: object) -> str:
    return ", ".join(str(name) for name in names) if isinstance(names, Sequence) else str(names)

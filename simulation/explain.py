"""`simulation list`: what there is to play, what is looked for, and how each name is meant."""

from collections.abc import Mapping, Sequence

from simulation.checks import CHECKS
from simulation.criteria import load_criteria
from simulation.mutants import NAMES, load
from simulation.scenarios import SCENARIOS
from simulation.sightings import SIGHTINGS

Chapter = Sequence[Mapping[str, object]]


def catalogue() -> dict[str, Chapter]:
    """Return everything that has a name, with its explanation."""
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
        "sightings": [{"name": name, "title": title} for name, (title, _) in SIGHTINGS.items()],
        "mutants": [
            {"name": mutant.name, "explanation": mutant.explanation, "caught_by": list(mutant.caught_by)}
            for mutant in map(load, NAMES)
        ],
    }


HEADINGS = {
    "scenarios": "Scenarios (--scenario)",
    "checks": "Checks: what may never be seen",
    "criteria": "Success criteria",
    "sightings": "Sightings: what a run must have seen, where its scenario says so",
    "mutants": "Mutants (--mutant): planted bugs, each caught by the check it names",
}


def catalogue_text() -> str:
    """Return the catalogue for a person."""
    lines: list[str] = []
    for chapter, entries in catalogue().items():
        lines += ["", HEADINGS[chapter], ""]
        for entry in entries:
            lines.append(f"  {entry['name']}{_aside(chapter, entry)}")
            text = str(entry.get("explanation", ""))
            lines += [f"      {line}".rstrip() for line in text.splitlines()]
    return "\n".join(lines[1:])


def _aside(chapter: str, entry: Mapping[str, object]) -> str:
    match chapter:
        case "scenarios":
            sizes = f"{entry['people']} people, {entry['duration_s']} s, {entry['rate']}/s, workers: {entry['workers']}"
            return f"  ({sizes})"
        case "criteria":
            return f": {entry['title']}, {entry['target']} ({entry['spec']})"
        case "mutants":
            caught_by = entry["caught_by"]
            return f"  (caught by {', '.join(caught_by) if isinstance(caught_by, list) else caught_by})"
        case _:
            return f": {entry['title']}"

"""The lists in the documentation are complete: codes, limits, scenarios, checks, mutants."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bank import errors
from bank.accounts.open import ACCOUNTS_PER_USER_MAX
from bank.api.http_request import BODY_BYTES_MAX
from bank.api.serializers import PAGE_MAX
from bank.app import Bank
from bank.graphql.validation import errors as document_errors
from bank.graphql.validation.limits import DocumentLimits
from bank.identity.weakness import PASSWORD_MIN
from bank.invariants.list import INVARIANTS
from bank.money import MAX_POSTING_MINOR, format_amount
from bank.settings import Settings
from simulation.checks import CHECKS
from simulation.criteria.evaluate import load_criteria
from simulation.model.faults import FAULTS
from simulation.mutants import NAMES
from simulation.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def test_every_code_of_a_refusal_is_explained() -> None:
    schema = (ROOT / "contracts" / "schema" / "root.graphql").read_text(encoding="utf-8")
    codes = re.findall(r"^  ([A-Z_]+)$", schema[schema.index("enum UserErrorCode") :], re.MULTILINE)
    assert len(codes) >= 15
    assert [code for code in codes if f"`{code}`" not in page("api.md")] == []


def test_every_code_of_an_error_is_explained() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BankError)]
    retryable = {kind.code: kind.retryable for kind in kinds}
    assert len(retryable) >= 7
    for code, may_retry in retryable.items():
        assert f"| `{code}` | {'yes' if may_retry else 'no'} |" in page("api.md")
    codes = [value for name, value in vars(document_errors).items() if name.isupper() and isinstance(value, str)]
    assert [code for code in codes if f"`{code}`" not in page("api.md")] == []


def test_the_documented_limits_of_documents_are_those_of_the_validator() -> None:
    limits = DocumentLimits()
    for row in (
        f"| bytes | {limits.document_bytes // 1024} KiB |",
        f"| tokens | {limits.tokens:,} |",
        f"| depth | {limits.depth} |",
        f"| fields, with fragments written out | {limits.fields} |",
        f"| aliases | {limits.aliases} |",
        f"| root fields | {limits.root_fields} |",
        f"| mutations in one operation | {limits.mutation_fields} |",
        f"| fragments, and spreads of them | {limits.fragments}, {limits.spreads} |",
        f"| variables | {limits.variables} |",
    ):
        assert row in page("api.md")


def test_the_other_documented_limits_are_those_of_the_bank() -> None:
    fields, cents = Settings.model_fields, format_amount(MAX_POSTING_MINOR, "BRL")[-3:]
    for words in (
        f"One posting moves at most {MAX_POSTING_MINOR // 100:,}{cents} BRL",
        f"`first` is 1 to {PAGE_MAX}",
        f"a body of more than {BODY_BYTES_MAX // 1024} KiB",
        f"a person has at most {ACCOUNTS_PER_USER_MAX} accounts",
        f"fewer than {PASSWORD_MIN} characters",
        f"valid for {fields['access_token_minutes'].default} minutes",
    ):
        assert words in page("api.md")


def test_every_invariant_of_the_books_is_explained() -> None:
    rows = [f"| `{name}` | {title} |" for name, title in INVARIANTS.items()]
    assert [row for row in rows if row not in page("checking.md")] == []


def test_every_setting_is_explained() -> None:
    names = [str(field.validation_alias or f"BANK_{name.upper()}") for name, field in Settings.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in page("settings.md")] == []


def test_every_metric_is_explained() -> None:
    described = [metric for metric in REGISTRY.collect() if metric.name.startswith("bank_")]
    told = [f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in described]
    assert Bank.__module__ == "bank.app"  # importing this module defines every metric
    assert len(told) > 20
    documented = set(re.findall(r"`(bank_\w+)`", page("monitoring.md")))
    assert sorted(name for name in told if name not in documented) == []
    assert sorted(documented - set(told)) == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("scenario", list(SCENARIOS)),
        ("check", list(CHECKS)),
        ("criterion", [criterion.id for criterion in load_criteria()]),
        ("mutant", list(NAMES)),
        ("fault", list(FAULTS)),
    ],
)
def test_the_reference_of_the_simulation_is_complete(kind: str, names: list[str]) -> None:
    text = page("simulation-reference.md")
    assert [name for name in names if f"`{name}`" not in text] == [], f"of these, every {kind}"

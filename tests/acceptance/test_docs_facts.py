"""What the documentation lists is what there is: codes, limits, scenarios, checks, mutants."""

import re
from pathlib import Path

import pytest

from bank import errors
from bank.accounts.open import ACCOUNTS_PER_USER_MAX
from bank.api.receive import BODY_BYTES_MAX
from bank.api.resolvers.shapes import PAGE_MAX
from bank.graphql.validation import errors as document_errors
from bank.graphql.validation.limits import DocumentLimits
from bank.identity.weakness import PASSWORD_MIN
from bank.invariants.list import INVARIANTS
from bank.money import MAX_POSTING_MINOR, format_amount
from bank.settings import Settings
from simulation.checks import CHECKS
from simulation.cli import cli as simulation
from simulation.criteria.evaluate import load_criteria
from simulation.faults.model import FAULTS
from simulation.mutants import NAMES
from simulation.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


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


def test_the_limits_of_a_document_are_the_gates() -> None:
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


def test_the_other_limits_are_the_banks() -> None:
    fields, cents = Settings.model_fields, format_amount(MAX_POSTING_MINOR, "BRL")[-3:]
    for words in (
        f"One posting moves at most {MAX_POSTING_MINOR // 100:,}{cents} BRL",
        f"`first` is 1 to {PAGE_MAX}",
        f"a body of more than {BODY_BYTES_MAX // 1024} KiB",
        f"a person has at most {ACCOUNTS_PER_USER_MAX} accounts",
        f"fewer than {PASSWORD_MIN} characters",
        f"good for {fields['access_token_minutes'].default} minutes",
    ):
        assert words in page("api.md")


def test_every_setting_has_its_row_and_its_default() -> None:
    text = (DOCS / "operations.md").read_text()
    rows = dict(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|([^|]*)\|", text, re.MULTILINE))
    listed = {name: default.strip() for names, default in rows.items() for name in re.findall(r"`(BANK_\w+)`", names)}
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"BANK_{name.upper()}"
        if variable in {"DATABASE_URL", "REDIS_URL"}:
            continue
        default = (
            ""
            if field.is_required() or field.default in (None, ())
            else f"{field.default:g}"
            if isinstance(field.default, float)
            else str(field.default)
        )
        assert (variable, listed.pop(str(variable), "no row")) == (variable, default)
    assert listed == {}, "nothing reads these"


def test_every_variable_and_option_that_a_page_mentions_is_there() -> None:
    known = {f"BANK_{name.upper()}" for name in Settings.model_fields} | {"BANK_AUDIT_PUBLIC_KEY_FILE"}
    # Of Compose, and of the containers that tests start.
    known |= {"BANK_ADDRESS", "BANK_PORT", "BANK_POSTGRES_IMAGE", "BANK_REDIS_IMAGE"}
    pages = [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docker-compose.yml"]
    for path in pages:
        assert set(re.findall(r"\bBANK_[A-Z_]+[A-Z]", path.read_text())) <= known, path.name
    options = {option for parameter in simulation.commands["run"].params for option in parameter.opts}
    options |= {option for parameter in simulation.commands["run"].params for option in parameter.secondary_opts}
    for path in pages:
        for line in re.findall(r"simulation (?:run|--) [^\n`]*", path.read_text()):
            assert set(re.findall(r"--[a-z][a-z-]*", line)) <= options, line


def test_every_invariant_of_the_books_is_explained() -> None:
    rows = [f"| `{name}` | {title} |" for name, title in INVARIANTS.items()]
    assert [row for row in rows if row not in page("operations.md")] == []


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
def test_the_page_about_the_simulation_names_every(kind: str, names: list[str]) -> None:
    assert [name for name in names if f"`{name}`" not in page("simulation.md")] == [], f"of these, every {kind}"

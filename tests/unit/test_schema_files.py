"""`bank events schemas` writes the schema of each event type, and names each difference between files and classes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import contracts
from bank.cli.main import main
from bank.events.json_schema import schema_text
from bank.events.types.registry import EVENT_TYPES

FROZEN = "AccountFrozenEvent.v1.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(str(contracts.EVENTS), tmp_path / "events"))


def schemas(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["events", "schemas", "--folder", str(folder), *options], env={"DATABASE_URL": "x"})


def differences(folder: Path) -> list[str]:
    checked = schemas(folder, "--check")
    assert checked.exit_code == 1, checked.output
    return checked.stdout.splitlines()


def change(file: Path, how: Callable[[Any], object]) -> None:
    content = json.loads(file.read_text("utf-8"))
    how(content)
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def test_the_schemas_of_the_repository_have_no_difference(folder: Path) -> None:
    checked = schemas(folder, "--check")
    assert (checked.exit_code, checked.stdout) == (0, "There is no difference.\n")


def test_schemas_are_written_into_an_empty_folder_once(tmp_path: Path) -> None:
    names = [f"{name}.v{event.event_version}.json" for name, event in EVENT_TYPES.items()]
    written = schemas(tmp_path)
    assert (written.exit_code, written.stdout.splitlines()) == (0, [f"Written: {name}" for name in names])
    for name, event in zip(names, EVENT_TYPES.values(), strict=True):
        assert (tmp_path / name).read_text("utf-8") == schema_text(event)
    assert schemas(tmp_path).stdout == "Every file is up to date.\n"
    # A folder of a client has no copies of released schemas.
    assert schemas(tmp_path, "--check").exit_code == 0


def test_a_changed_file_is_written_again_and_no_other(folder: Path) -> None:
    (folder / FROZEN).write_text("{}")
    assert schemas(folder).stdout == f"Written: {FROZEN}\n"
    assert schemas(folder, "--check").exit_code == 0


@pytest.mark.parametrize(
    ("how", "sentences"),
    [
        (lambda s: s["properties"].pop("reason"), ["the field `reason` of the class is missing"]),
        (lambda s: s["properties"].update(more={}), ["the class has no field `more`"]),
        (lambda s: s["properties"]["reason"].update(description="Why."), ["the field `reason` differs from the class"]),
        (lambda s: s.update(title="Frozen"), ["`title` differs from the class"]),
        (lambda s: s.update(properties=[]), ["`properties` differs from the class"]),
        (lambda s: (s["required"].pop(), s["properties"].pop("account_id")),
         ["the field `account_id` of the class is missing", "`required` differs from the class"]),
    ],
)  # fmt: skip
def test_each_difference_from_a_class_is_named(tmp_path: Path, how: Any, sentences: list[str]) -> None:
    schemas(tmp_path)
    change(tmp_path / FROZEN, how)
    assert differences(tmp_path) == [f"{FROZEN}: {sentence}." for sentence in sentences]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff{}"])
def test_a_file_without_a_schema_is_named(tmp_path: Path, content: bytes) -> None:
    schemas(tmp_path)
    (tmp_path / FROZEN).write_bytes(content)
    assert differences(tmp_path) == [f"{FROZEN} is not a JSON object."]


def test_other_formatting_is_a_difference(tmp_path: Path) -> None:
    schemas(tmp_path)
    (tmp_path / FROZEN).write_text(json.dumps(json.loads((tmp_path / FROZEN).read_text("utf-8"))))
    assert differences(tmp_path) == [f"{FROZEN}: only its formatting differs."]


def test_missing_and_unknown_files_are_named(tmp_path: Path) -> None:
    schemas(tmp_path)
    (tmp_path / FROZEN).rename(tmp_path / "AccountFrozenEvent.v2.json")
    (tmp_path / "ThingDoneEvent.v1.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    assert differences(tmp_path) == [
        f"{FROZEN} is missing.",
        "AccountFrozenEvent.v2.json is of a newer version than the class.",
        "ThingDoneEvent.v1.json is not the schema of an event type.",
        "notes.json is not the schema of an event type.",
    ]


def test_a_schema_that_is_narrower_than_its_released_copy_is_named_with_what_to_do(folder: Path) -> None:
    change(folder / "released" / FROZEN, lambda schema: schema["required"].remove("reason"))
    [sentence] = differences(folder)
    assert sentence.startswith("AccountFrozenEvent version 1: the field `reason` was optional and is required. Leave ")


def test_a_schema_that_was_not_copied_to_the_released_ones_is_named(folder: Path) -> None:
    (folder / "released" / FROZEN).unlink()
    wider = "HoldExpiredEvent.v1.json"
    change(folder / "released" / wider, lambda schema: schema["properties"]["amount_minor"].update(minimum=9))
    assert differences(folder) == [
        f"released/{name} is not a copy of {name}; copy it when the schema is released." for name in (FROZEN, wider)
    ]


def test_a_released_schema_that_is_gone_is_named(folder: Path) -> None:
    (folder / "TransactionInitiatedEvent.v1.json").unlink()
    [sentence] = differences(folder)
    assert sentence.startswith("TransactionInitiatedEvent version 1 was released and is gone; put ")


def test_a_folder_that_does_not_exist_or_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    missing = schemas(tmp_path / "none")
    assert missing.exit_code == 2
    assert "does not exist" in missing.stderr
    (tmp_path / FROZEN).mkdir()
    unusable = schemas(tmp_path)
    assert (unusable.exit_code, unusable.stdout) == (2, "")
    assert unusable.stderr == f"bank: {tmp_path / FROZEN} cannot be used: Is a directory.\n"

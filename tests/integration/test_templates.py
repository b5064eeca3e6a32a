"""Templates of notifications in the database, and the commands that edit them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bank.cli.main import main
from bank.invariants.verify import verify
from bank.notifications.edit_template import read_history, read_template, revert_template, set_template
from bank.notifications.shipped_templates import shipped_templates
from bank.notifications.template_syntax import WrongTemplate
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.encryption import MASTER_KEY

PARTS = {"subject": "Hi {{ name }}", "short": "Hi.", "text": "Hi {{ name }}.", "html": "<p>Hi {{ name }}.</p>"}
FILE = """
subject = "Hi {{ name }}"
short = "Hi, it's {{ bank_name }}"
text = "Hi \\"{{ name }}\\"\\nwelcome"
html = '''
<p>Hi {{ name }}</p>
'''
"""


@pytest.fixture
async def bank(database_url: str, redis_url: str) -> AsyncIterator[RunningBank]:
    async with serving(settings_for(database_url, redis_url)) as running:
        yield running


def templates(database_url: str, *arguments: str, given: str | None = None) -> Result:
    environment = {"DATABASE_URL": database_url, "BANK_MASTER_KEY": MASTER_KEY}
    return CliRunner().invoke(main, ["templates", *arguments], env=environment, input=given)


async def in_a_thread(database_url: str, *arguments: str, given: str | None = None) -> Result:
    return await asyncio.to_thread(templates, database_url, *arguments, given=given)


async def test_a_version_is_current_until_the_next_one(bank: RunningBank, database_url: str) -> None:
    factory = bank.bank.uow_factory
    first = await set_template(factory, "welcome", "en", PARTS)
    second = await set_template(factory, "welcome", "en", {**PARTS, "short": "Hello."})
    assert [(template.version, is_new) for template, is_new in (first, second)] == [(1, True), (2, True)]
    assert await set_template(factory, "welcome", "en", {**PARTS, "short": "Hello."}) == (second[0], False)
    reverted = await revert_template(factory, "welcome", "en", 0)
    assert reverted[0].version == 3
    async with bank.bank.database.connection() as connection:
        assert await read_template(connection, "welcome", "en") == reverted[0]
        assert await read_template(connection, "welcome", "en", 1) == first[0]
        assert reverted[0].text == shipped_templates()["welcome", "en"].text
        assert await read_template(connection, "welcome", "pt-BR") == shipped_templates()["welcome", "pt-BR"]
        assert [number for number, _ in await read_history(connection, "welcome", "en")] == [0, 1, 2, 3]
    assert (await verify(database_url)).findings == ()


async def test_a_change_is_an_event_and_an_audit_row(bank: RunningBank) -> None:
    await set_template(bank.bank.uow_factory, "welcome", "en", PARTS)
    await revert_template(bank.bank.uow_factory, "welcome", "en", 0)
    await bank.caught_up()
    async with bank.bank.database.connection() as connection:
        rows = await connection.fetch(
            "select e.event_data ->> 'version' as version, e.event_data ->> 'copied_version' as copied, a.action"
            " from event_store e join audit_logs a on a.event_position = e.position"
            " where event_type = 'NotificationTemplateChangedEvent' order by position"
        )
    assert [tuple(row) for row in rows] == [("1", None, "UPDATE"), ("2", "0", "UPDATE")]


async def test_20_operators_at_once_make_20_versions(bank: RunningBank, database_url: str) -> None:
    texts = [{**PARTS, "short": f"Hi from operator {number}."} for number in range(20)]
    stored = await asyncio.gather(*(set_template(bank.bank.uow_factory, "welcome", "en", parts) for parts in texts))
    assert sorted(template.version for template, _ in stored) == list(range(1, 21))
    assert (await verify(database_url)).findings == ()


async def test_a_wrong_template_changes_nothing(bank: RunningBank) -> None:
    async with bank.bank.database.connection() as connection:
        for name, language, parts, sentence in (
            ("welcome", "en", {**PARTS, "html": "{{ amount|money }}"}, "there is no variable amount"),
            ("birthday", "en", PARTS, "There is no template birthday"),
            ("welcome", "fr", PARTS, "There is no language fr"),
        ):
            with pytest.raises(WrongTemplate, match=sentence):
                await set_template(bank.bank.uow_factory, name, language, parts)
        with pytest.raises(WrongTemplate, match="has no version 7 in en"):
            await revert_template(bank.bank.uow_factory, "welcome", "en", 7)
        assert await connection.fetchval("select count(*) from notification_templates") == 0
        changed = "select count(*) from event_store where event_type = 'NotificationTemplateChangedEvent'"
        assert await connection.fetchval(changed) == 0


async def test_the_commands_edit_a_template(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "welcome.toml"
    file.write_text(FILE)
    run: Any = lambda *arguments, given=None: in_a_thread(database_url, *arguments, given=given)  # noqa: E731
    assert (await run("set", "welcome", str(file), "--language", "en")).output == (
        "Version 1 of welcome in en is current.\n"
    )
    shown = await run("show", "welcome", "--language", "en")
    again = await run("set", "welcome", "-", "--language", "en", given=shown.output)
    assert again.output == "Nothing has changed: version 1 has the same text.\n"
    previewed = json.loads((await run("preview", "welcome", "--language", "en", "--json")).output)
    assert (previewed["text"].splitlines()[:2], previewed["segments"]) == (['Hi "João"', "welcome"], 1)
    assert (await run("revert", "welcome", "--language", "en", "--to", "0")).exit_code == 0
    history = (await run("history", "welcome", "--language", "en")).output.splitlines()
    assert [line.split()[0] for line in history] == ["0", "1", "2"]
    listed = json.loads((await run("list", "--json")).output)
    [welcome] = [one for one in listed if one["name"] == "welcome"]
    assert welcome["versions"] == {"pt-BR": 0, "en": 2}
    assert "welcome" in (await run("list")).output


@pytest.mark.parametrize("name", ["welcome", "digest", "transfer_sent", "payment_reversed"])
@pytest.mark.parametrize("language", ["pt-BR", "en"])
async def test_a_shown_template_can_be_stored_again(database_url: str, name: str, language: str) -> None:
    shown = await in_a_thread(database_url, "show", name, "--language", language)
    stored = await in_a_thread(database_url, "set", name, "-", "--language", language, given=shown.output)
    assert stored.output == "Nothing has changed: version 0 has the same text.\n"


async def test_a_preview_of_a_file_stores_nothing_and_writes_the_email(database_url: str, tmp_path: Path) -> None:
    file, html = tmp_path / "w.toml", tmp_path / "w.html"
    file.write_text(FILE)
    arguments = ("preview", "welcome", "--language", "en", "--file", str(file), "--html", str(html))
    shown = (await in_a_thread(database_url, *arguments)).output
    assert shown.startswith("Subject: Hi João\nShort: Hi, it's Banco\nSMS (1 segment): Hi, it's Banco\n\nHi \"João\"\n")
    assert "Hi João</p>" in html.read_text()
    assert (await in_a_thread(database_url, "history", "welcome", "--language", "en", "--json")).output == (
        '[{"version": 0, "created_at": null}]\n'
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("subject = 1", "bank: The file must have the texts subject, short, text, html, and nothing else."),
        (FILE + "x = 'y'", "bank: The file must have the texts subject, short, text, html, and nothing else."),
        ("subject =", "bank: The file is not TOML: Invalid value (at end of document)."),
        (FILE.replace("{{ name }}</p>", "{{ nane }}</p>"), "bank: The part html, line 1: there is no variable nane;"),
        (FILE + "#" * 100_000, "bank: The file has more than 100,000 characters."),
    ],
)
async def test_a_wrong_file_is_refused_with_one_sentence(database_url: str, given: str, sentence: str) -> None:
    refused = await in_a_thread(database_url, "set", "welcome", "-", given=given)
    assert (refused.exit_code, refused.output.count("\n")) == (2, 1)
    assert refused.output.startswith(sentence)

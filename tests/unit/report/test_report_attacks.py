"""The parts of a report about attacks."""

import io
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from simulation.model.attacks import ATTACKS, AttackKind
from simulation.model.result import AttackResult, RunResult
from simulation.report.document import build_document
from simulation.report.html import render_page
from simulation.report.terminal import print_verdict

GUESSED = AttackResult("id_guessing", "Ids of <others>", 2, 1_088, 14, 1_074, 3, 0)


def printed(result: RunResult) -> str:
    stream = io.StringIO()
    print_verdict(result, Console(file=stream, width=160))
    return " ".join(stream.getvalue().split())


@pytest.fixture
def attacked(passed_run: RunResult) -> RunResult:
    return replace(passed_run, attacks=(GUESSED,))


def test_the_terminal_shows_the_requests_and_answers_of_each_kind_of_attack(attacked: RunResult) -> None:
    assert "Ids of <others> 2 1,088 14 1,074 3" in printed(attacked)


def test_the_page_shows_them(attacked: RunResult) -> None:
    page = render_page(attacked)
    assert "<h2>Attacks" in page
    assert "Ids of &lt;others&gt;" in page
    assert '<td class="n" data-label="Refused">1,074</td>' in page


def test_the_document_has_them(attacked: RunResult) -> None:
    assert build_document(attacked)["attacks"] == [asdict(GUESSED)]


def test_a_report_without_attacks_has_no_section_about_them(passed_run: RunResult) -> None:
    assert "Attacks" not in printed(passed_run)
    assert "<h2>Attacks" not in render_page(passed_run)
    assert build_document(passed_run)["attacks"] == []


def test_every_kind_of_attack_has_a_title() -> None:
    assert set(ATTACKS) == set(AttackKind)

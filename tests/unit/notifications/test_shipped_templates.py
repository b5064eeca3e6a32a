"""The templates of the bank: complete, correct, and readable in both languages."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import bank.notifications
from bank.notifications.render import LANGUAGES, Message, Template, render
from bank.notifications.samples import sample_variables
from bank.notifications.shipped_templates import check_template, shipped_templates
from bank.notifications.sms_text import count_segments, is_gsm, to_sms_text
from bank.notifications.template_syntax import WrongTemplate
from bank.notifications.types import NOTIFICATION_TYPES

TEMPLATES = shipped_templates()
EVERY = pytest.mark.parametrize(("name", "language"), TEMPLATES, ids=lambda one: one)


def message_of(template: str, language: str = "en", **changed: object) -> Message:
    variables = {**sample_variables(NOTIFICATION_TYPES[template]), **changed}
    return render(TEMPLATES[template, language], variables, time_zone="America/Sao_Paulo")


def test_every_type_has_a_template_in_every_language_and_there_is_no_other() -> None:
    assert set(TEMPLATES) == {(name, language) for name in NOTIFICATION_TYPES for language in LANGUAGES}
    files = Path(bank.notifications.__file__).parent.glob("templates/*.toml")
    assert {path.stem for path in files} == set(NOTIFICATION_TYPES)


@EVERY
def test_a_shipped_template_passes_the_check(name: str, language: str) -> None:
    check_template(TEMPLATES[name, language])


@EVERY
def test_a_short_text_is_at_most_two_segments_without_accents(name: str, language: str) -> None:
    sent = to_sms_text(message_of(name, language).short)
    assert is_gsm(sent)
    assert count_segments(sent) <= 2


@EVERY
def test_every_variable_is_shown_in_the_text_and_in_the_html(name: str, language: str) -> None:
    template = TEMPLATES[name, language]
    for variable in NOTIFICATION_TYPES[name].variables:
        for part in ("text", "html"):
            assert re.search(rf"\b{variable}\b", template.part(part)), f"{variable} in {part}"


@EVERY
def test_the_html_is_well_formed_and_loads_nothing(name: str, language: str) -> None:
    message = message_of(name, language)
    checked = WellFormed()
    checked.feed(message.html)
    checked.close()
    assert checked.open == []
    assert not re.search(r"src=|url\(|<script|<link|<img|@import", message.html)
    assert f'<html lang="{language}">' in message.html
    # The styles are in the elements; only the colours of dark screens are left in a style sheet.
    assert message.html.count("<style>") == 1
    assert 'class="body" style="' in message.html


def test_texts_of_people_are_escaped_in_the_html_alone() -> None:
    message = message_of("transfer_sent", description="<b>Tom & Jerry</b>", counterparty="<script>")
    assert "&lt;b&gt;Tom &amp; Jerry&lt;/b&gt;" in message.html
    assert "<script" not in message.html
    assert "<b>Tom & Jerry</b>" in message.text


def test_a_line_end_in_a_name_does_not_begin_another_header() -> None:
    message = message_of("welcome", name="Ana\r\nBcc: eve@example.com\n")
    assert message.subject == "Welcome, Ana Bcc: eve@example.com"
    assert "\n" not in message.short


def test_an_optional_line_is_left_out() -> None:
    assert "Description:" not in message_of("transfer_sent", description=None).text
    assert "Description: rent\n" in message_of("transfer_sent", description="rent").text


@pytest.mark.parametrize(
    ("language", "zone", "line"),
    [
        ("pt-BR", "America/Sao_Paulo", "Quando: 1 de dezembro de 2026, 12:30"),
        ("pt-BR", "America/Manaus", "Quando: 1 de dezembro de 2026, 11:30"),
        ("en", "Asia/Tokyo", "When: December 2, 2026, 12:30\N{NARROW NO-BREAK SPACE}AM"),
    ],
)
def test_times_are_in_the_language_and_time_zone_of_the_person(language: str, zone: str, line: str) -> None:
    variables = sample_variables(NOTIFICATION_TYPES["transfer_sent"])
    assert line in render(TEMPLATES["transfer_sent", language], variables, time_zone=zone).text


@pytest.mark.parametrize(
    ("language", "amount", "shown"),
    [
        ("pt-BR", "1234567.89", "R$\xa01.234.567,89"),
        ("en", "1234567.89", "R$1,234,567.89"),
        ("pt-BR", "0.05", "R$\xa00,05"),
        # A float would show a cent less.
        ("en", "999999999999999.99", "R$999,999,999,999,999.99"),
        ("en", "-2.50", "-R$2.50"),
    ],
)
def test_amounts_are_exact_and_in_the_format_of_the_language(language: str, amount: str, shown: str) -> None:
    message = message_of("transfer_sent", language, amount={"amount": amount, "currency": "BRL"})
    assert f": {shown}\n" in message.text


def test_a_link_to_unsubscribe_is_in_the_text_and_in_the_html() -> None:
    variables = sample_variables(NOTIFICATION_TYPES["welcome"])
    url = "https://bank.example/unsubscribe?token=a&b"
    message = render(TEMPLATES["welcome", "en"], variables, time_zone="UTC", unsubscribe_url=url)
    assert message.text.endswith(f"Receive no more messages of this kind. {url}\n")
    assert '<a href="https://bank.example/unsubscribe?token=a&amp;b"' in message.html
    assert "Receive no more" not in message_of("welcome").text


def test_a_digest_lists_its_notifications() -> None:
    one = {"subject": "You sent R$1", "short": "Sent.", "at": "2026-12-01T15:30:00+00:00"}
    message = message_of("digest", count=2, items=[one, {**one, "short": "Received.", "subject": "You received R$2"}])
    assert message.subject == "2 notifications"
    assert message.text.count("December 1, 2026") == 2
    assert "You sent R$1</td>" in message.html


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "birthday"}, "There is no template birthday; there are welcome, account_opened,"),
        ({"language": "fr"}, "There is no language fr; there are pt-BR and en."),
        ({"html": "<p>{{ balance|money }}</p>"}, "The part html, line 1: there is no variable balance;"),
        ({"text": ""}, "The part text is empty."),
        ({"short": "Olá " * 120}, "The part short takes 4 segments of an SMS; at most 3 are allowed."),
        ({"subject": "{% if name == 'Ana' %}Hi{% endif %}"}, "The part subject is empty when"),
    ],
)
def test_a_wrong_template_is_refused_with_one_sentence(changed: dict[str, str], sentence: str) -> None:
    shipped = TEMPLATES["welcome", "en"]
    with pytest.raises(WrongTemplate) as refused:
        check_template(dataclasses.replace(shipped, **changed))  # type: ignore[arg-type]  # none changes the version
    assert sentence in str(refused.value)


def test_an_email_that_mail_programs_would_cut_off_is_refused() -> None:
    shipped = TEMPLATES["digest", "en"]
    # Each element of the list becomes a thousand table cells, whose styles are written into them.
    html = "{% for one in items %}" + "<table class='facts'><tr>" + "<td>x</td>" * 1_000 + "</tr></table>{% endfor %}"
    wide = Template("digest", "en", 1, shipped.subject, shipped.short, shipped.text, html)
    with pytest.raises(WrongTemplate, match=r"The e-mail has [\d,]+ bytes; mail programs cut it off after 100,000\."):
        check_template(wide)


class WellFormed(HTMLParser):
    """A parser that notes elements that are not closed in order."""

    EMPTY = frozenset({"meta", "br", "hr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

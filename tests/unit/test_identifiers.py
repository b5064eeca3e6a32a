import threading
import time
from collections.abc import Callable
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.identifiers import BRANCH_MAX, SEQUENCE_MAX, account_number, is_account_number, read_uuid, uuid7, uuid7s

branches = st.integers(1, BRANCH_MAX)
sequences = st.integers(1, SEQUENCE_MAX)


def milliseconds_of(identifier: UUID) -> int:
    return identifier.int >> 80


def test_a_uuid7_has_version_seven_the_rfc_variant_and_the_time() -> None:
    before = time.time_ns() // 1_000_000
    identifier = uuid7()
    after = time.time_ns() // 1_000_000
    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    assert before <= milliseconds_of(identifier) <= after


def test_every_uuid7_of_a_process_is_greater_than_the_one_before() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_uuid7_stays_ordered_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = uuid7()
    monkeypatch.setattr("bank.identifiers.time.time_ns", lambda: (milliseconds_of(first) - 60_000) * 1_000_000)
    later = [uuid7() for _ in range(100)]
    assert [first, *later] == sorted([first, *later])
    assert all(milliseconds_of(identifier) >= milliseconds_of(first) for identifier in later)


def test_uuid7_stays_ordered_when_the_counter_of_a_millisecond_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.identifiers._last_ms", 2**47)
    monkeypatch.setattr("bank.identifiers._counter", 2**42 - 3)
    made = [uuid7() for _ in range(5)]
    assert made == sorted(set(made))
    assert milliseconds_of(made[-1]) == 2**47 + 1


def test_threads_never_get_the_same_uuid7() -> None:
    made: list[list[UUID]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda into=into: into.extend(uuid7() for _ in range(2_000))) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({identifier for into in made for identifier in into}) == 8_000
    assert all(into == sorted(into) for into in made)


@given(branches, sequences)
def test_an_account_number_is_parsed_into_branch_and_sequence(branch: int, sequence: int) -> None:
    number = account_number(branch, sequence)
    assert is_account_number(number)
    assert (int(number[:4]), int(number[5:13])) == (branch, sequence)


@given(branches, sequences, st.data())
def test_every_single_wrong_character_is_detected(branch: int, sequence: int, data: st.DataObject) -> None:
    number = account_number(branch, sequence)
    place = data.draw(st.integers(0, len(number) - 1))
    typed = data.draw(st.sampled_from("0123456789X").filter(lambda character: character != number[place]))
    assert not is_account_number(number[:place] + typed + number[place + 1 :])


@given(branches, sequences, st.data())
def test_every_swap_of_adjacent_characters_is_detected(branch: int, sequence: int, data: st.DataObject) -> None:
    number = account_number(branch, sequence)
    digits = number.replace("/", "").replace("-", "")
    place = data.draw(st.integers(0, len(digits) - 2))
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    mistyped = f"{swapped[:4]}/{swapped[4:12]}-{swapped[12]}"
    assert mistyped == number or not is_account_number(mistyped)


def test_all_eleven_check_digits_occur() -> None:
    assert {account_number(1, sequence)[-1] for sequence in range(1, 200)} == set("0123456789X")


def test_known_account_numbers_keep_their_check_digit() -> None:
    """Numbers are printed on cards, so the rule never changes. 1·2 + 4·3 + 2·2 = 18, and 18 + 4 is a multiple of 11."""
    assert account_number(1, 42) == "0001/00000042-4"


@pytest.mark.parametrize(("branch", "sequence"), [(0, 1), (10_000, 1), (1, 0), (1, 100_000_000), (-1, 1), (1, -1)])
def test_a_branch_or_sequence_out_of_range_has_no_number(branch: int, sequence: int) -> None:
    with pytest.raises(ValueError, match="is 1 to"):
        account_number(branch, sequence)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0001/00000042",
        "0001-00000042-4",
        "0001/00000042-4 ",
        "0001/00000042-4\n",
        "\N{ARABIC-INDIC DIGIT ZERO}001/00000042-4",
        "1/42-4",
        "0001/00000042-x",
        "9" * 100_000,
    ],
)
def test_any_other_text_is_not_an_account_number(text: str) -> None:
    assert not is_account_number(text)


def test_a_batch_of_ids_is_unique_and_ordered_among_all_ids() -> None:
    drawn = [uuid7(), *uuid7s(1_000), uuid7(), *uuid7s(3), *uuid7s(0), uuid7()]
    assert drawn == sorted(set(drawn))
    assert {(one.version, one.variant) for one in drawn} == {(7, RFC_4122)}
    assert all(isinstance(one, UUID) for one in drawn)


@pytest.mark.parametrize("spell", [str, lambda one: str(one).upper(), lambda one: one.hex])
def test_a_uuid_in_its_usual_spellings_is_parsed(spell: Callable[[UUID], str]) -> None:
    made = uuid7()
    assert read_uuid(spell(made)) == made
    assert str(read_uuid(spell(made))) == str(made)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1" * 31, "1" * 33, f"{{{UUID(int=1)}}}", f"urn:uuid:{UUID(int=1)}", f" {UUID(int=1)}", "\ud800" * 36],
)
def test_any_other_text_is_not_a_uuid(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the driver has another message for each text
        read_uuid(text)

"""Names: what destroys a storage is never sent, and any text becomes a name that is safe everywhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.errors import BadInput
from qdrant_admin.database.names import (
    check_collection_name,
    check_stored_name,
    quoted,
    safe_name,
    unique_name,
)

NEW = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", fullmatch=True)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "[/oops]", "a\\b", "a:b", 'a"b', "a*", "a?", "<a", "a>", "a|b", "a\x00", "a\x1f", "\ud800"],
)
def test_a_name_that_no_server_should_hear_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        check_collection_name(name)


@pytest.mark.parametrize("name", ["a" * 256, "é" * 128, "🦀" * 64])
def test_a_name_is_measured_in_characters_and_in_bytes(name: str) -> None:
    with pytest.raises(BadInput, match="255"):
        check_collection_name(name)


@pytest.mark.parametrize(
    "name", ["a" * 255, "é" * 127, "a#b", "%2e%2e", "[red]x[/red]".replace("/", ""), "🦀", " lead", "\x1b[31m"]
)
def test_an_odd_name_that_servers_take_can_be_kept(name: str) -> None:
    check_stored_name(name)


@pytest.mark.parametrize("name", ["...", "trail.", "trail ", " ", "CON", "nul.txt", "com1", "LPT9.log", "aux ", "COM¹"])
def test_a_name_that_windows_folds_can_be_read_and_not_be_made(name: str) -> None:
    check_collection_name(name)
    with pytest.raises(BadInput):
        check_stored_name(name)


@pytest.mark.parametrize("name", ["_a", "-a", ".a", "a b", "é", "a" * 201, "a#b", "trail.", "con"])
def test_names_of_our_own_are_plain(name: str) -> None:
    assert safe_name(name) != name


@given(st.text(max_size=400))
def test_any_text_becomes_a_name(text: str) -> None:
    name = safe_name(text)
    check_stored_name(name)
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", name)


@given(st.text(max_size=400))
def test_a_safe_name_stays_as_it_is(text: str) -> None:
    name = safe_name(text)
    assert safe_name(name) == name


@given(NEW)
def test_a_name_that_is_fine_is_not_changed(name: str) -> None:
    try:
        check_stored_name(name)
    except BadInput:
        return
    assert safe_name(name) == name


@given(st.text(max_size=300))
def test_what_passes_as_stored_passes_as_sent(name: str) -> None:
    try:
        check_stored_name(name)
    except BadInput:
        return
    check_collection_name(name)
    assert name.strip(". ") not in {"", ".", ".."}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_a_quoted_name_is_one_segment(name: str) -> None:
    from urllib.parse import unquote

    path = quoted(name)
    assert not set(path) & set("/?#")
    assert unquote(path) == name


@given(NEW, st.lists(NEW, max_size=5))
def test_a_unique_name_meets_no_other(name: str, others: list[str]) -> None:
    taken = [name.upper(), *others]
    found = unique_name(name, taken)
    assert unique_name(found, taken) == found
    assert found.casefold() not in [other.casefold() for other in taken]
    assert len(found) <= 200


def test_names_meet_without_regard_to_case_and_unicode_form() -> None:
    assert unique_name("caf\u00e9", ["CAFE\u0301"]) == "caf\u00e9_2"
    assert unique_name("notes", ["notes_2"]) == "notes"
    assert unique_name("notes", ["Notes", "NOTES_2"]) == "notes_3"

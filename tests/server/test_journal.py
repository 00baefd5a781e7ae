"""What a log tells of collections. The lines are those of a real 1.16.3."""

from datetime import UTC, datetime, timedelta

import pytest

from qdrant_admin.server.journal import Journal, read_journal

META = "storage::content_manager::toc::collection_meta_ops"
ACCESS = "actix_web::middleware::logger: 127.0.0.1"
LOG = f"""
Version: 1.16.3, build: bd49f45a
Access web UI at http://localhost:20664/dashboard

2026-11-30T23:32:20.560981Z  WARN qdrant::settings: Config file not found: config/config
2026-11-30T23:32:20.576343Z  INFO qdrant::actix: Qdrant HTTP listening on 20664
2026-11-30T23:32:20.668352Z  INFO {META}: Creating collection a
2026-11-30T23:32:20.703053Z  INFO {META}: Creating collection b c
2026-11-30T23:32:20.736763Z  INFO {ACCESS} "POST /collections/b%20c/points/delete?wait=true HTTP/1.1" 200 91 -
2026-11-30T23:32:20.737838Z  INFO {META}: Deleting collection b c
""".splitlines()


def at(microsecond: int) -> datetime:
    return datetime(2026, 11, 30, 23, 32, 20, microsecond, tzinfo=UTC)


def test_collections_come_go_and_are_emptied_by_name() -> None:
    found = read_journal(LOG)
    assert found.begins == at(560981)
    assert [(one.name, one.deed) for one in found.events] == [
        ("a", "made"),
        ("b c", "made"),
        ("b c", "emptied"),
        ("b c", "deleted"),
    ]
    last = found.last("b c")
    assert last is not None
    assert (last.deed, last.at) == ("deleted", at(737838))
    assert found.last("other") is None


@pytest.mark.parametrize(
    ("request_line", "name"),
    [
        ('"POST /collections/a/points/batch HTTP/1.1" 200 9 ', "a"),
        ('"PUT /collections/a/snapshots/recover?wait=false HTTP/1.1" 202 9 ', "a"),
        ('"POST /collections/%C3%A9/points/delete HTTP/1.1" 500 9 ', "é"),
        ('"POST /collections/a/shards/0/snapshots/upload HTTP/1.1" 200 9 ', "a"),
        ('"POST /collections/a/points/delete HTTP/1.1" 408 9 ', "a"),  # it may be done all the same
        *((f'"POST /collections/a/points/delete HTTP/1.1" {code} 9 ', None) for code in (400, 403, 409, 422, 429)),
        ('"POST /collections/a/points/scroll HTTP/1.1" 200 9 ', None),
        ('"GET /collections/a/points/delete HTTP/1.1" 404 9 ', None),
        (f'"GET / HTTP/1.1" 200 9 "-" "2026-11-30T23:32:20Z  INFO {META}: Deleting collection a"', None),
    ],
)
def test_requests_that_may_have_emptied_one(request_line: str, name: str | None) -> None:
    found = read_journal([*LOG[:6], f"2026-11-30T23:32:20.8Z  INFO {ACCESS} {request_line}"])
    assert [one.name for one in found.events] == ([] if name is None else [name])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Version: 1.16.3", "2026-11-30T23:32:20.560981Z  WARN qdrant::settings: x"],
        # The first of two starts was told to say warnings alone, so it kept its deletes to itself.
        ["Version: 1.16.3", "2026-11-30T23:32:20.5Z  WARN qdrant: x", *LOG],
    ],
)
def test_a_log_that_does_not_tell_requests_has_no_beginning(lines: list[str]) -> None:
    assert read_journal(lines).begins is None


def test_colours_do_not_hide_a_line() -> None:
    dim, plain = "\x1b[2m", "\x1b[0m"
    time, info, place = "2026-11-30T23:32:20.668352Z", "\x1b[32m INFO", f"{dim}{META}{plain}{dim}:"
    line = f"{dim}{time}{plain} {info}{plain} {place}{plain} Deleting collection a"
    assert [one.name for one in read_journal([line]).events] == ["a"]


def said(*lines: str) -> Journal:
    """A log from its start on, a line a second."""
    return read_journal([*LOG[:6], *(f"2026-11-30T23:33:{n:02}.5Z  INFO {line}" for n, line in enumerate(lines))])


@pytest.mark.parametrize("name", ["x y ", " x", "tab\t", "line\nbreak", "a%20b"])
def test_a_name_is_taken_as_it_is(name: str) -> None:
    found = said(f"{META}: Creating collection {name}", f"{META}: Deleting collection {name}")
    last = found.last(name)
    assert last is not None
    assert last.deed == "deleted"


LOADED = ("storage::content_manager::toc: Loading collection: a", f"{META}: Creating collection a")


@pytest.mark.parametrize(
    ("lines", "deeds"),
    [
        (LOADED, ["loaded"]),  # over gRPC nothing else says that it was refused, as it was there
        ((LOADED[1], LOADED[1]), ["made"]),
        ((*LOADED, f"{META}: Deleting collection a", LOADED[1]), ["loaded", "deleted", "made"]),
        ((LOADED[0], f"{META}: Deleting collection b"), ["loaded"]),  # not there since the start: nothing was deleted
        ((f"{META}: Deleting collection b",), ["deleted"]),  # nobody knows how this version tells what it loads
    ],
)
def test_what_cannot_be_done_is_asked_for_all_the_same(lines: tuple[str, ...], deeds: list[str]) -> None:
    assert [one.deed for one in said(*lines).events] == deeds


def test_of_what_was_there_before_the_log_begins_nobody_knows() -> None:
    line = f"2026-11-30T23:33:00.5Z  INFO {META}: Creating collection a"
    assert read_journal([line]).events == ()


def test_a_clock_that_is_set_back_changes_no_order() -> None:
    back = f'2026-11-29T10:00:00.5Z  INFO {ACCESS} "POST /collections/a/points/delete HTTP/1.1" 200 9 '
    found = read_journal([*LOG, back])
    assert (found.events[-1].deed, found.events[-1].at) == ("emptied", at(737838))
    assert found.ends == at(737838)


def test_a_log_tells_everything_between_its_first_line_and_its_last() -> None:
    found = read_journal(LOG)
    assert found.requests
    assert [found.whole_since(moment) for moment in (at(560980), at(560981), at(737838), at(737839))] == [
        False,
        True,
        True,
        False,
    ]
    assert read_journal(LOG, cut=timedelta(seconds=1)).whole_since(at(0))
    assert not read_journal(LOG[:8]).requests

"""What a log tells of collections. The lines are those of a real 1.16.3."""

from datetime import UTC, datetime

import pytest

from qdrant_admin.server.journal import read_journal

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
        ('"POST /collections/a/points/delete HTTP/1.1" 400 9 ', None),  # refused: nothing was done
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

"""A real PostgreSQL with a real pgvector."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.errors import AccessDenied, AdminError, BadInput, ServerUnreachable, SourceUnreadable
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Sparse
from qdrant_admin.database.retry import TRANSIENT
from qdrant_admin.sources.base import Record, Source, SourceCollection, mark_of
from qdrant_admin.sources.postgres.sessions import Sessions
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import KEY_VARIABLE, parse
from tests.migration.support import moved, planned, workspace
from tests.sources.support import server_uri
from tests.support.postgres import PASSWORD, Postgres
from tests.support.real import Server, free_port


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """One PostgreSQL for this file."""
    postgres = Postgres()
    try:
        yield postgres.make().start()
    finally:
        postgres.remove()


@pytest.fixture
def postgres(cluster: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """The same, and its password where a user would put it."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return cluster


def opened(uri: str) -> contextlib.closing[Source]:
    return contextlib.closing(open_source(parse(uri)))


def collections(source: Source) -> dict[str, SourceCollection]:
    return {one.name: one for one in source.collections()}


def records(source: Source, name: str, **arguments: Any) -> dict[Any, Record]:
    found = [record for batch in source.batches(name, **{"size": 7, **arguments}) for record in batch.records]
    assert len({record.id for record in found}) == len(found)
    return {record.id: record for record in found}


def content(postgres: Postgres, database: str, table: str) -> Any:
    """A hash of every row, and the number of the next transaction that writes."""
    query = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)), txid_current_snapshot()::text FROM {} t"
    with postgres.connect(database) as connection:
        return connection.execute(query.format(table)).fetchone()


def test_every_type_arrives_as_what_it_is_and_nothing_is_written(postgres: Postgres) -> None:
    uri = postgres.database("typed")
    postgres.run(
        "typed",
        """CREATE TABLE notes (id bigint PRIMARY KEY, embedding vector(3), body text, tags text[], meta jsonb,
           flag bool, small int2, big int8, exact numeric, real8 float8, at timestamptz, plain timestamp, day date,
           span interval, who uuid, raw bytea, "odd %s ""name" text)""",
        "CREATE INDEX ON notes USING hnsw (embedding vector_ip_ops)",
        """INSERT INTO notes VALUES (1, '[1,0.1,-3e-5]', E'two\nlines', '{a,NULL}',
           '{"deep": {"n": 9007199254740993, "x": 0.1234567890123456789}}', true,
           -3, 9223372036854775807, 1234567890.12345678901234567890, 0.1, '2024-02-29 12:00:00.5+02',
           '2024-02-29 12:00', '10000-01-01', '1 day', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}', '\\xfffe00', 'x')""",
        "INSERT INTO notes (id, embedding, exact, real8, at) VALUES (-2, '[0,0,1]', 1.50, 'NaN', 'infinity')",
    )
    before = content(postgres, "typed", "notes")
    with opened(uri) as source:
        assert source.kind == "PostgreSQL 18.4 with pgvector 0.8.5"
        found = collections(source)["notes"]
        assert (found.count, found.warnings) == (2, ())
        assert found.spec
        assert [(slot.name, slot.size, slot.distance) for slot in found.spec.vectors] == [("", 3, "Dot")]
        rows = records(source, "notes")
    assert content(postgres, "typed", "notes") == before
    assert np.array_equal(rows[1].vectors[""], np.array([1, 0.1, -3e-5], dtype=np.float32))  # type: ignore[arg-type]
    assert rows[1].payload == {
        "body": "two\nlines",
        "tags": ["a", None],
        "meta": {"deep": {"n": 9007199254740993, "x": "0.1234567890123456789"}},
        "flag": True,
        "small": -3,
        "big": 9223372036854775807,
        "exact": "1234567890.12345678901234567890",
        "real8": 0.1,
        "at": "2024-02-29T10:00:00.5+00:00",
        "plain": "2024-02-29T12:00:00",
        "day": "10000-01-01",
        "span": "P1D",
        "who": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "raw": "//4A",
        'odd %s "name': "x",
    }
    assert [rows[-2].payload[field] for field in ("exact", "real8", "at", "body")] == [1.5, "NaN", "infinity", None]


def test_parts_of_a_table_with_a_key_of_several_columns_are_the_whole(postgres: Postgres) -> None:
    uri = postgres.database("parts")
    postgres.run(
        "parts",
        'CREATE SCHEMA "A b"',
        'CREATE TABLE "A b"."per%cent" ("k%" text, n int, at timestamptz, e vector(2), PRIMARY KEY ("k%", n, at))',
        """INSERT INTO "A b"."per%cent" SELECT 'ключ ' || g % 7, g, now() + g * interval '1 second', ARRAY[g, 1]
           FROM generate_series(1, 100) g""",
    )
    with opened(uri) as source:
        assert list(collections(source)) == ["A b.per%cent"]
        whole = list(records(source, "A b.per%cent"))
        spans = source.spans("A b.per%cent", 3)
        assert len(spans) == 3
        parts = [list(records(source, "A b.per%cent", after=span.after, until=span.until, size=4)) for span in spans]
        assert [len(part) for part in parts] == [33, 33, 34]
        assert [identity for part in parts for identity in part] == whole
        first = next(iter(source.batches("A b.per%cent", size=40)))
    with opened(uri) as again:  # a process of another day
        rest = list(records(again, "A b.per%cent", after=first.cursor))
    assert [record.id for record in first.records] + rest == whole
    assert len(set(whole)) == 100
    assert json.loads(str(whole[0]))[:2] == ["ключ 0", "7"]


def test_vectors_of_every_kind_arrive_verified(postgres: Postgres, server: Server) -> None:
    uri = postgres.database("kinds")
    postgres.run(
        "kinds",
        "CREATE TABLE items (id uuid PRIMARY KEY, a vector(4), h halfvec(2), s sparsevec(100), note text)",
        "CREATE INDEX ON items USING hnsw (a vector_l2_ops)",
        "CREATE INDEX ON items USING hnsw ((h::vector(2)) vector_l1_ops)",
        """INSERT INTO items SELECT md5(g::text)::uuid, CASE WHEN g % 5 > 0 THEN ARRAY[g, 0.1, 2, 3] END,
           ARRAY[g * 0.125, 1], format('{1:%s,100:-2}/100', g)::sparsevec, 'note ' || g
           FROM generate_series(1, 200) g""",
        "INSERT INTO items (id, note) VALUES ('00000000-0000-4000-8000-000000000001', 'nothing')",
    )
    plan = planned(workspace(server), f"{uri}?table=public.items")
    slots = [(slot.name, slot.kind, slot.size, slot.distance, slot.datatype) for slot in plan.collections[0].vectors]
    assert slots == [
        ("a", "dense", 4, "Euclid", "float32"),
        ("h", "dense", 2, "Manhattan", "float16"),
        ("s", "sparse", None, None, "float32"),
    ]
    assert "1 row without a vector" in " ".join(problem.text for problem in plan.problems)
    report = moved(workspace(server), uri, batch_size=33)
    (result,) = report.collections
    assert (result.read, result.rejected, result.verified) == (201, 1, 200)
    assert "a, h, s is NULL" in report.rejects[0].reason
    with Database(server.endpoint) as database:
        point = database.retrieve("items", ["c4ca4238-a0b9-2382-0dcc-509a6f75849b"])[0]
    sparse = point.vectors["s"]
    assert isinstance(sparse, Sparse)
    assert (sparse.indices.tolist(), sparse.values.tolist()) == ([0, 99], [1, -2])
    assert point.payload == {"note": "note 1"}


def test_a_column_of_any_size_takes_the_most_frequent_one(postgres: Postgres, server: Server) -> None:
    uri = postgres.database("sizes")
    postgres.run(
        "sizes",
        "CREATE TABLE items (id int PRIMARY KEY, e vector)",
        "INSERT INTO items VALUES (1, '[1,2]'), (2, '[1,2,3]'), (3, '[4,5,6]'), (4, '[1]'), (5, NULL)",
    )
    plan = planned(workspace(server), uri)
    told = " / ".join(problem.text for problem in plan.problems)
    assert "3 is taken" in told
    assert "Cosine is taken" in told
    (result,) = moved(workspace(server), f"{uri}?distance=euclid").collections
    assert (result.read, result.rejected, result.verified) == (5, 3, 2)


def test_rows_of_tables_that_inherit_are_read_or_told(postgres: Postgres, server: Server) -> None:
    """As a table of TimescaleDB: its rows lie in others, and a query over it gives them all."""
    uri = postgres.database("heirs")
    postgres.run(
        "heirs",
        "CREATE TABLE notes (id int PRIMARY KEY, e vector(2))",
        "CREATE TABLE chunk (PRIMARY KEY (id)) INHERITS (notes)",
        "INSERT INTO chunk VALUES (1, '[1,2]'), (2, '[2,2]')",
    )
    whole = moved(workspace(server), uri)
    assert {one.source: one.verified for one in whole.collections} == {"notes": 0, "chunk": 2}
    assert not any("inherit" in told for told in whole.warnings)
    alone = planned(workspace(server), f"{uri}?table=notes", on_conflict="rename")
    assert alone.exit_code == 4
    assert any("1 table below it by inheritance" in problem.text for problem in alone.problems)
    postgres.run("heirs", "INSERT INTO notes VALUES (9, '[1,2]')")
    partly = planned(workspace(server), f"{uri}?table=notes", on_conflict="rename")
    assert partly.exit_code == 0
    assert any("not read with it: public.chunk" in problem.text for problem in partly.problems)


LANGCHAIN = (
    "CREATE TABLE langchain_pg_collection (uuid uuid PRIMARY KEY, name text NOT NULL UNIQUE, cmetadata json)",
    """INSERT INTO langchain_pg_collection VALUES ('00000000-0000-4000-8000-00000000000a', 'recipes', NULL),
       ('00000000-0000-4000-8000-00000000000b', 'empty', NULL)""",
)
NOBODYS = "'00000000-0000-4000-8000-0000000000ff'"
NEW = "id varchar PRIMARY KEY, collection_id uuid, embedding vector, document varchar, cmetadata jsonb"
OLD = """uuid uuid PRIMARY KEY, collection_id uuid, embedding vector(2), document varchar, cmetadata json,
         custom_id varchar"""


@pytest.mark.parametrize("columns", [NEW, OLD], ids=["new", "old"])
def test_collections_of_langchain_keep_their_names_and_layout(postgres: Postgres, columns: str) -> None:
    uri = postgres.database("langchain")
    identity = "id" if columns == NEW else "uuid"
    postgres.run(
        "langchain",
        *LANGCHAIN,
        f"CREATE TABLE langchain_pg_embedding ({columns})",
        """INSERT INTO langchain_pg_embedding (collection_id, embedding, document, cmetadata, IDENTITY) VALUES
           ('00000000-0000-4000-8000-00000000000a', '[1,2]', 'Soup', '{"page": 1}',
            '00000000-0000-4000-8000-000000000001')""".replace("IDENTITY", identity),
    )
    with opened(uri) as source:
        found = collections(source)
        assert {name: one.count for name, one in found.items()} == {"recipes": 1, "empty": 0}
        (record,) = records(source, "recipes").values()
        assert records(source, "empty") == {}
        assert "no collection" not in " ".join(found["recipes"].warnings)
    assert record.id == "00000000-0000-4000-8000-000000000001"
    assert record.payload == {"page_content": "Soup", "metadata": {"page": 1}}
    postgres.run("langchain", f"INSERT INTO langchain_pg_embedding (embedding, {identity}) SELECT '[1,2]', {NOBODYS}")
    with opened(uri) as source:
        assert "1 row of langchain_pg_embedding in no collection" in " ".join(collections(source)["recipes"].warnings)
    with opened(f"{uri}?table=langchain_pg_embedding&layout=plain") as source:
        assert collections(source)["langchain_pg_embedding"].count == 2


def test_tables_of_other_programs_are_known_by_their_columns(postgres: Postgres) -> None:
    uri = postgres.database("programs")
    memory = {"data": "likes tea", "hash": "d41d8cd98f00b204e9800998ecf8427e", "user_id": "ann"}
    postgres.run(
        "programs",
        """CREATE TABLE engine (langchain_id uuid PRIMARY KEY, content text, embedding vector(2), city text,
           langchain_metadata json)""",
        """INSERT INTO engine VALUES ('00000000-0000-4000-8000-000000000001', 'Text', '[1,2]', 'Ulm', '{"page": 1}')""",
        """CREATE TABLE data_nodes (id bigserial PRIMARY KEY, text varchar, metadata_ jsonb, node_id varchar,
           embedding vector(2), text_search_tsv tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED)""",
        """INSERT INTO data_nodes (text, metadata_, node_id, embedding) VALUES ('Node text',
           '{"_node_type": "TextNode", "_node_content": "{\\"text\\": \\"\\"}", "page": 2}', 'node-1', '[1,2]')""",
        "CREATE TABLE memories (id uuid PRIMARY KEY, vector vector(2), payload jsonb)",
        """INSERT INTO memories VALUES ('00000000-0000-4000-8000-000000000003', '[1,2]',
           '{"data": "likes tea", "hash": "d41d8cd98f00b204e9800998ecf8427e", "user_id": "ann"}')""",
    )
    with opened(uri) as source:
        found = collections(source)
        rows = {name: next(iter(records(source, name).values())) for name in found}
    assert rows["engine"].payload == {"page_content": "Text", "metadata": {"city": "Ulm", "page": 1}}
    node = rows["data_nodes"]
    assert node.id == "node-1"
    assert json.loads(node.payload.pop("_node_content"))["text"] == "Node text"
    assert node.payload == {"_node_type": "TextNode", "page": 2}
    assert rows["memories"].payload == memory
    spec = found["memories"].spec
    assert spec
    assert [slot.name for slot in spec.vectors] == ["", "bm25"]
    with opened(f"{uri}?table=engine&layout=plain") as source:
        (record,) = records(source, "engine").values()
    assert record.payload == {"content": "Text", "city": "Ulm", "langchain_metadata": {"page": 1}}


def test_without_a_key_the_order_is_that_of_the_rows_until_somebody_writes(postgres: Postgres) -> None:
    uri = postgres.database("keyless")
    postgres.run(
        "keyless",
        "CREATE TABLE logs (line text, e vector(1))",
        "INSERT INTO logs SELECT 'line ' || g, ARRAY[g] FROM generate_series(1, 50) g",
    )
    with opened(uri) as source:
        warnings = " ".join(collections(source)["logs"].warnings)
        assert "no primary key" in warnings
        assert len(source.spans("logs", 4)) == 1
        first = next(iter(source.batches("logs", size=20)))
        rest = records(source, "logs", after=first.cursor)
        assert [record.payload["line"] for record in (*first.records, *rest.values())] == [
            f"line {n}" for n in range(1, 51)
        ]
    with opened(uri) as again:
        assert records(again, "logs", after=first.cursor).keys() == rest.keys()
    postgres.run("keyless", "UPDATE logs SET line = 'moved' WHERE line = 'line 3'")
    with opened(uri) as changed, pytest.raises(SourceUnreadable, match="written to since") as caught:
        records(changed, "logs", after=first.cursor)
    assert "PRIMARY KEY" in caught.value.fix
    with opened(f"{uri}?id=line") as named:
        assert next(iter(records(named, "logs"))) == "line 1"


def test_views_need_an_id_and_an_id_needs_to_be_one(postgres: Postgres) -> None:
    uri = postgres.database("views")
    postgres.run(
        "views",
        "CREATE TABLE items (id int PRIMARY KEY, same text, e vector(1))",
        "INSERT INTO items SELECT g, 'same', ARRAY[g] FROM generate_series(1, 9) g",
        "CREATE VIEW big AS SELECT id, same, e FROM items WHERE id > 3",
    )
    with opened(uri) as source:
        assert list(collections(source)) == ["items"]  # a view shows what is copied anyway
    with pytest.raises(BadInput, match="a view"):
        open_source(parse(f"{uri}?table=big"))
    with opened(f"{uri}?table=big&id=id") as source:
        assert collections(source)["big"].count == 6
        assert list(records(source, "big")) == [4, 5, 6, 7, 8, 9]
        assert records(source, "big")[4].payload == {"same": "same"}
    for wrong, words in (("same", "not an id"), ("nix", "no column")):
        with pytest.raises(BadInput, match=words), opened(f"{uri}?table=items&id={wrong}") as source:
            source.collections()
    with pytest.raises(BadInput, match="nix"):
        open_source(parse(f"{uri}?table=nix"))
    with pytest.raises(BadInput, match="nix"):
        open_source(parse(f"{uri}?collection=nix"))


def test_partitions_and_heirs_are_read_once(postgres: Postgres) -> None:
    uri = postgres.database("heirs")
    postgres.run(
        "heirs",
        "CREATE TABLE parted (id int PRIMARY KEY, e vector(1)) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20)",
        "INSERT INTO parted SELECT g, ARRAY[g] FROM generate_series(0, 19) g",
        "CREATE TABLE parent (id int PRIMARY KEY, e vector(1))",
        "CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (parent)",
        "INSERT INTO parent VALUES (1, '[1]')",
        "INSERT INTO heir VALUES (2, '[2]')",
    )
    with opened(uri) as source:
        assert {name: one.count for name, one in collections(source).items()} == {"parted": 20, "parent": 1, "heir": 1}
        assert list(records(source, "parted")) == list(range(20))
        assert list(records(source, "parent")) == [1]


def test_the_source_is_seen_as_it_was_when_it_was_opened(postgres: Postgres) -> None:
    uri = postgres.database("moving")
    postgres.run(
        "moving",
        "CREATE TABLE items (id int PRIMARY KEY, e vector(1))",
        "INSERT INTO items SELECT g, ARRAY[g] FROM generate_series(1, 30) g",
    )
    with opened(uri) as source:
        batches = source.batches("items", size=10)
        next(batches)
        postgres.run("moving", "DELETE FROM items WHERE id > 15", "INSERT INTO items VALUES (99, '[1]')")
        assert [len(batch.records) for batch in batches] == [10, 10]
        assert collections(source)["items"].count == 30
        mark = mark_of(source, "items")
    with opened(uri) as source:
        assert collections(source)["items"].count == 16
        assert mark_of(source, "items") == mark
    postgres.run("moving", "ALTER TABLE items ADD note text")
    with opened(uri) as source:
        assert mark_of(source, "items") != mark


def test_a_server_that_goes_away_is_waited_for_and_read_on(postgres: Postgres) -> None:
    uri = postgres.database("outage")
    postgres.run(
        "outage",
        "CREATE TABLE items (id int PRIMARY KEY, e vector(1))",
        "INSERT INTO items SELECT g, ARRAY[g] FROM generate_series(1, 30) g",
    )
    with opened(uri) as source:
        batches, left = source.batches("items", size=10), source.batches("items", size=10)
        first = next(batches)
        next(left)
        postgres.stop()
        del left  # ends without a word, though nobody hears that it does
        try:
            with pytest.raises(TRANSIENT):
                list(batches)
            with pytest.raises(TRANSIENT):
                records(source, "items", after=first.cursor)
        finally:
            postgres.start()
        assert list(records(source, "items", after=first.cursor)) == list(range(11, 31))


def test_after_a_query_that_was_broken_off_there_is_another_transaction(postgres: Postgres) -> None:
    uri = postgres.database("broken")
    with contextlib.closing(Sessions(server_uri(uri))) as sessions:
        sessions.rows("SELECT set_config('statement_timeout', '20', true)")
        with pytest.raises(TRANSIENT, match="aborted"):
            sessions.rows("SELECT pg_sleep(60)")
        assert sessions.rows("SELECT current_setting('statement_timeout')") == [("0",)]


def test_who_may_not_read_is_told(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = postgres.database("rights")
    postgres.run(
        "rights",
        "CREATE TABLE items (id int PRIMARY KEY, owner text, e vector(1))",
        "INSERT INTO items VALUES (1, 'a', '[1]'), (2, 'b', '[2]')",
        "DROP ROLE IF EXISTS reader",
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
    )
    reader = postgres.uri("rights", "reader")
    assert _refused(reader, AccessDenied).what == "this user may not read the table items"
    postgres.run(
        "rights", "GRANT SELECT ON items TO reader", "ALTER TABLE items ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON items USING (owner = 'a')",
    )  # fmt: skip
    assert "row-level security" in _refused(reader, AccessDenied).why
    monkeypatch.setenv("PGPASSWORD", "wrong")
    error = _refused(uri, AccessDenied)
    assert KEY_VARIABLE in error.fix
    assert PASSWORD not in f"{error.what}{error.why}{error.fix}"
    monkeypatch.setenv(KEY_VARIABLE, PASSWORD)
    with opened(uri) as source:
        assert collections(source)["items"].count == 2


def test_over_a_socket_and_as_a_user_with_an_odd_name(postgres: Postgres) -> None:
    postgres.database("odd")
    postgres.run(
        "odd",
        "CREATE TABLE items (id int PRIMARY KEY, e vector(1))",
        "INSERT INTO items VALUES (1, '[1]')",
        'DROP ROLE IF EXISTS "Ann@work"',
        f"CREATE ROLE \"Ann@work\" LOGIN PASSWORD '{PASSWORD}'",
        'GRANT SELECT ON items TO "Ann@work"',
    )
    for written in (
        f"postgres://Ann%40work@127.0.0.1:{postgres.port}/odd",
        f"postgresql://Ann%40work@:{postgres.port}/odd?host={postgres.folder}&collection=items",
    ):
        uri = parse(written)
        assert parse(str(uri)) == uri
        with opened(str(uri)) as source:
            assert collections(source)["items"].count == 1
    for nowhere in ("postgresql:///odd", "redis://", "postgresql://"):
        with pytest.raises(BadInput, match="no host"):
            parse(nowhere)


def test_what_is_not_there_is_told(postgres: Postgres) -> None:
    postgres.run("postgres", "DROP DATABASE IF EXISTS bare", "CREATE DATABASE bare")
    assert "pgvector is not installed" in _refused(postgres.uri("bare"), SourceUnreadable).why
    assert "no such database" in _refused(postgres.uri("nix"), SourceUnreadable).what
    assert "no PostgreSQL answers" in _refused(f"postgres://x@127.0.0.1:{free_port()}/db", ServerUnreachable).what
    assert "SSL" in _refused(f"{postgres.uri('postgres')}?sslmode=require", ServerUnreachable).why
    with pytest.raises(BadInput, match="secret"):
        parse("postgresql://ann:hunter2@127.0.0.1/db")


def _refused(uri: str, kind: type[AdminError]) -> AdminError:
    with pytest.raises(kind) as caught, opened(uri) as source:
        source.collections()
    assert caught.value.fix
    return caught.value

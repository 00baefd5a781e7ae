"""The same points in stores of other kinds, for the benchmarks: written once, outside of what is measured."""

import base64
import contextlib
import json
import pickle
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qdrant_admin.database.models import Point
from qdrant_admin.sources.registry import kind_of

_SCHEMA = """
    CREATE TABLE migrations (dir TEXT, version INTEGER);
    INSERT INTO migrations VALUES ('embeddings_queue', 2), ('metadb', 6), ('sysdb', 10);
    CREATE TABLE collections (id TEXT, name TEXT, dimension INTEGER, database_id TEXT, config_json_str TEXT,
        schema_str TEXT);
    CREATE TABLE collection_metadata (collection_id TEXT, key TEXT, str_value TEXT, int_value INTEGER,
        float_value REAL);
    CREATE TABLE segment_metadata (segment_id TEXT, key TEXT, str_value TEXT, int_value INTEGER, float_value REAL);
    CREATE TABLE databases (id TEXT, name TEXT, tenant_id TEXT);
    INSERT INTO databases VALUES ('d', 'default_database', 'default_tenant');
    CREATE TABLE segments (id TEXT, type TEXT, scope TEXT, collection TEXT);
    INSERT INTO segments VALUES ('v', 't', 'VECTOR', 'c'), ('m', 't', 'METADATA', 'c');
    CREATE TABLE max_seq_id (segment_id TEXT, seq_id);
    CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT, embedding_id TEXT, seq_id BLOB,
        created_at TIMESTAMP, UNIQUE (segment_id, embedding_id));
    CREATE TABLE embedding_metadata (id INTEGER, key TEXT, string_value TEXT, int_value INTEGER, float_value REAL,
        bool_value INTEGER, PRIMARY KEY (id, key));
    CREATE TABLE embeddings_queue (seq_id INTEGER PRIMARY KEY, created_at TIMESTAMP, operation INTEGER, topic TEXT,
        id TEXT, vector BLOB, encoding TEXT, metadata TEXT);
"""


def payload(number: int) -> dict[str, Any]:
    """Of a short memory: text, and what it is filtered by."""
    return {
        "text": "something to remember " * 8,
        "kind": f"k{number % 7}",
        "n": number,
        "score": number / 8,
    }


def made(folder: Path, pages: list[list[Point]], size: int) -> dict[str, str]:
    """Title of a kind to the URI of a store of that kind with these points. A kind nobody knows is left out."""
    kinds: dict[str, tuple[str, Callable[[Path, list[list[Point]], int], None]]] = {
        "embedded folder": ("qdrant-local", embedded),
        "Chroma directory": ("chroma", chroma),
        "Parquet": ("parquet", parquet),
        "NumPy": ("npy", numpy),
    }
    uris = {}
    for title, (scheme, write) in kinds.items():
        if kind_of(scheme) is None:
            continue
        place = folder / f"bench.{scheme}"
        write(place, pages, size)
        uris[title] = f"{scheme}:{place}"
    return uris


def embedded(folder: Path, pages: list[list[Point]], size: int) -> None:
    """As qdrant-client writes it."""
    from qdrant_client import models

    (folder / "collection" / "bench").mkdir(parents=True)
    config = {"vectors": {"size": size, "distance": "Cosine"}}
    (folder / "meta.json").write_text(json.dumps({"collections": {"bench": config}, "aliases": {}}))
    with contextlib.closing(sqlite3.connect(folder / "collection" / "bench" / "storage.sqlite")) as database:
        database.execute("CREATE TABLE points (id TEXT PRIMARY KEY, point BLOB)")
        for page in pages:
            rows = [
                (
                    base64.b64encode(pickle.dumps(point.id)).decode(),
                    pickle.dumps(
                        models.PointStruct(
                            id=point.id, vector=np.asarray(point.vectors[""]).tolist(), payload=point.payload
                        )
                    ),
                )
                for point in page
            ]
            database.executemany("INSERT INTO points VALUES (?, ?)", rows)
        database.commit()


def chroma(folder: Path, pages: list[list[Point]], size: int) -> None:
    """As chromadb 1.5 writes it: everything synced into HNSW files, whose links nobody reads here."""
    (folder / "v").mkdir(parents=True)
    vectors = np.concatenate([np.stack([np.asarray(point.vectors[""]) for point in page]) for page in pages])
    lengths = np.linalg.norm(vectors, axis=1).astype("<f4")
    layout = np.dtype(
        {"names": ["vector", "label"], "formats": [("<f4", (size,)), "<u8"], "offsets": [4, 4 + 4 * size]}
    )
    elements = np.zeros(len(vectors), dtype=layout)
    elements["vector"], elements["label"] = vectors / lengths[:, None], np.arange(1, len(vectors) + 1)
    count, element = len(vectors), layout.itemsize
    header = (1, 0, count, count, element, 4 + 4 * size, 4, 0, 0, 16, 32, 16, 0.36, 100)
    (folder / "v" / "header.bin").write_bytes(struct.pack("<iQQQQQQiIQQQdQ", *header))
    (folder / "v" / "data_level0.bin").write_bytes(elements.tobytes())
    (folder / "v" / "length.bin").write_bytes(lengths.tobytes())
    (folder / "v" / "link_lists.bin").write_bytes(b"")
    labels = {f"record-{number}": number + 1 for number in range(count)}
    (folder / "v" / "index_metadata.pickle").write_bytes(
        pickle.dumps({"id_to_label": labels, "dimensionality": size, "max_seq_id": count})
    )
    with contextlib.closing(sqlite3.connect(folder / "chroma.sqlite3")) as database:
        database.executescript(_SCHEMA)
        database.execute(
            "INSERT INTO collections VALUES ('c', 'bench', ?, 'd', ?, NULL)", (size, '{"hnsw": {"space": "cosine"}}')
        )
        number = 0
        for page in pages:
            for point in page:
                number += 1
                database.execute(
                    "INSERT INTO embeddings VALUES (?, 'm', ?, ?, NULL)", (number, f"record-{number - 1}", number)
                )
                database.executemany(
                    "INSERT INTO embedding_metadata VALUES (?, ?, ?, ?, ?, NULL)", _rows(number, point)
                )
        database.executemany("INSERT INTO max_seq_id VALUES (?, ?)", [("v", number), ("m", number)])
        database.commit()


def _rows(number: int, point: Point) -> list[tuple[int, str, str | None, int | None, float | None]]:
    rows: list[tuple[int, str, str | None, int | None, float | None]] = []
    for key, value in point.payload.items():
        name = "chroma:document" if key == "text" else key
        kinds = (value if isinstance(value, kind) else None for kind in (str, int, float))
        rows.append((number, name, *kinds))  # type: ignore[arg-type] # one of the three is set
    return rows


def parquet(path: Path, pages: list[list[Point]], size: int) -> None:
    """One file: id, vector, and a column a payload field."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    every = [point for page in pages for point in page]
    flat = np.concatenate([np.asarray(point.vectors[""]) for point in every])
    columns = {"id": pa.array([point.id for point in every]), "vector": pa.FixedSizeListArray.from_arrays(flat, size)}
    for key in every[0].payload:
        columns[key] = pa.array([point.payload[key] for point in every])
    pq.write_table(pa.table(columns), path, row_group_size=10_000)


def numpy(path: Path, pages: list[list[Point]], size: int) -> None:
    """One array; the ids are the rows."""
    np.save(
        path.with_suffix(""), np.concatenate([np.stack([np.asarray(p.vectors[""]) for p in page]) for page in pages])
    )
    path.with_suffix("").with_suffix(".npy").rename(path)

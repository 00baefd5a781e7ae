"""A real Milvus Lite: its engine behind its own gRPC server, and a store in it with everything that it can hold."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_servers: dict[str, Any] = {}


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, Any]]:
    """The address of a server over this folder, and a client of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from milvus_lite.adapter.grpc.server import start_server_in_thread
        from pymilvus import MilvusClient

        server, database, port = start_server_in_thread(str(folder))
        client = MilvusClient(uri=f"http://127.0.0.1:{port}")
        _servers[f"127.0.0.1:{port}"] = server
        try:
            yield f"127.0.0.1:{port}", client
        finally:
            client.close()
            server.stop(grace=0).wait()
            database.close()


@contextlib.contextmanager
def stopped(address: str) -> Iterator[None]:
    """From here on nothing answers at this address."""
    _servers[address].stop(grace=0).wait()
    yield


def row(number: int) -> dict[str, Any]:
    """A record of the collection `all`."""
    return {
        "id": number,
        "dense": [float(number), 1.0, 2.0, 3.0],
        "other": [float(number), 0.0, 1.0],
        "sparse": {7: 0.5, 3: float(number + 1)},
        "yes": bool(number % 2),
        "small": number % 100,
        "third": number / 3,
        "title": f"title {number}" if number % 3 else None,
        "data": {"nested": [number, None, 0.5]},
        "list": [number, number + 1],
        "at": "2026-01-02T03:04:05.123456Z",
        "extra": number,
        "deep": {"er": number},
    }


def fill(client: Any) -> set[int]:
    """Make the collections `all`, `plain` and `empty`, change and delete in them; the ids that `all` then has."""
    _create_all(client)
    client.insert("all", [row(number) for number in range(10)])
    client.insert("all", [row(number) for number in range(10, 15)], partition_name="mine")
    client.flush("all")
    client.upsert("all", [row(3) | {"extra": "new"}])
    client.delete("all", ids=[5, 11])
    client.create_alias("all", "everything")
    client.flush("all")
    # From here on it lies in the log alone.
    client.insert("all", [row(number) for number in range(20, 24)])
    client.upsert("all", [row(21) | {"extra": "newest"}])
    client.delete("all", ids=[1, 23])
    client.create_collection("plain", dimension=4, auto_id=True)
    client.insert("plain", [{"vector": [1.0, 0.0, 0.0, float(number)], "n": number} for number in range(30)])
    client.flush("plain")
    client.create_collection("empty", dimension=4, metric_type="IP")
    return {*range(15), 20, 21, 22} - {1, 5, 11}


def _create_all(client: Any) -> None:
    from pymilvus import DataType

    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("other", DataType.FLOAT_VECTOR, dim=3, nullable=True)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("yes", DataType.BOOL)
    schema.add_field("small", DataType.INT8)
    schema.add_field("third", DataType.DOUBLE)
    schema.add_field("title", DataType.VARCHAR, max_length=100, nullable=True)
    schema.add_field("data", DataType.JSON, nullable=True)
    schema.add_field("list", DataType.ARRAY, element_type=DataType.INT64, max_capacity=5)
    schema.add_field("at", DataType.TIMESTAMPTZ, nullable=True)
    index = client.prepare_index_params()
    index.add_index("dense", index_type="FLAT", metric_type="L2")
    index.add_index("other", index_type="FLAT", metric_type="IP")
    index.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection("all", schema=schema, index_params=index)
    client.create_partition("all", "mine")

"""A server with one of everything, and a look at all of it that shares nothing with the product's."""

import json
import time
from typing import Any

import httpx
import numpy as np

from qdrant_admin.core.values import JsonValue

SIZE = 8
COUNT = 60
VECTORS: dict[str, Any] = {
    "plain": {"size": SIZE, "distance": "Dot"},
    "twin": {"size": SIZE, "distance": "Dot"},
    "half": {"size": SIZE, "distance": "Dot", "datatype": "float16"},
    "bytes": {"size": SIZE, "distance": "Dot", "datatype": "uint8"},
    "many": {"size": SIZE, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
}
INDEXES: dict[str, Any] = {
    "word": {"type": "keyword"},
    "n": {"type": "integer", "lookup": True, "range": True},
    "price": {"type": "float"},
    "open": {"type": "bool"},
    "at": {"type": "datetime"},
    "place": {"type": "geo"},
    "text": {"type": "text", "tokenizer": "word"},
    "uid": {"type": "uuid"},
}
METADATA: dict[str, Any] = {
    "owner": "tests",
    "l": [1, 2],
    "deep": {"z": [1, {"q": 1}]},
    "a": {"b": 2},
    "a.b": 1,
    "zero": 0.0,
}


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def vector(number: int, salt: int = 0) -> list[float]:
    values: list[float] = np.random.default_rng(number * 31 + salt).normal(size=SIZE).astype(np.float32).tolist()
    return values


def point(number: int, **payload: JsonValue) -> dict[str, Any]:
    """Point `number`, as the body of an upsert has it."""
    rng = np.random.default_rng(number)
    many = np.random.default_rng(number * 7).normal(size=(number % 3 + 2, SIZE)).astype(np.float32)
    fields: dict[str, Any] = {
        "word": f"w{number % 4}",
        "n": number % 10,
        "price": number / 8,
        "open": number % 2 == 0,
        "at": f"2026-01-{number % 28 + 1:02d}T00:00:00Z",
        "place": {"lon": float(number % 90), "lat": 10.5},
        "text": f"memory word{number % 12} of the field",
        "uid": uid(number % 5),
        "title": "Ångström",
        "nested": {"list": [1, {"deep": number}], "empty": {}},
        "list": [1, 2, 3],
        "none": None,
        "big": 9007199254740993,
        "sum": 0.1 + 0.2,
        "nothing": [],
    }
    return {
        "id": number if number % 3 else uid(number),
        "payload": fields | payload,
        "vector": {
            "plain": vector(number),
            "twin": vector(number, 1),
            "half": np.asarray(vector(number, 2)).astype(np.float16).astype(float).tolist(),
            "bytes": rng.integers(0, 255, size=SIZE).tolist(),
            "many": many.tolist(),
            "sparse": {"indices": [number + 1, number + 90], "values": [0.5, 1.0 + number]},
        },
    }


class Rest:
    """The server over bare REST. Every request is acknowledged."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=60)

    def __enter__(self) -> "Rest":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body, params={"wait": "true"} if method != "GET" else None)
        assert answer.is_success, answer.text
        return answer.json().get("result")

    def upsert(self, *points: dict[str, Any], name: str = "rich") -> None:
        self.ask("PUT", f"/collections/{name}/points", {"points": list(points)})

    def patch(self, name: str = "rich", **settings: Any) -> None:
        self.ask("PATCH", f"/collections/{name}", settings)

    def index(self, field: str, schema: Any) -> None:
        self.ask("PUT", "/collections/rich/index", {"field_name": field, "field_schema": schema})

    def aliases(self, *actions: dict[str, Any]) -> None:
        self.ask("POST", "/collections/aliases", {"actions": list(actions)})

    def names(self) -> list[str]:
        return sorted(one["name"] for one in self.ask("GET", "/collections")["collections"])

    def fill(self, *, indexed: bool = False) -> None:
        """Make `rich`, `other` and an alias of each; with `indexed` wait for graphs, which so few points do without."""
        optimizers: dict[str, Any] = {"default_segment_number": 1, "flush_interval_sec": 1}
        settings = {
            "vectors": VECTORS,
            "sparse_vectors": {"sparse": {}},
            "metadata": METADATA,
            "optimizers_config": optimizers | ({"indexing_threshold": 1} if indexed else {}),
        }
        self.ask("PUT", "/collections/rich", settings)
        for field, schema in INDEXES.items():
            self.index(field, schema)
        self.upsert(*(point(number) for number in range(COUNT)))
        self.ask("PUT", "/collections/other", {"vectors": {"size": SIZE, "distance": "Euclid"}})
        points = [{"id": number, "payload": {"n": number}, "vector": vector(number)} for number in range(10)]
        self.upsert(*points, name="other")
        self.alias("mind", "rich")
        if indexed:
            self.upsert(*(point(number) for number in range(COUNT, 10 * COUNT)))
            self._until_green()

    def alias(self, name: str, collection: str) -> None:
        self.aliases({"create_alias": {"alias_name": name, "collection_name": collection}})

    def drop_alias(self, name: str) -> None:
        self.aliases({"delete_alias": {"alias_name": name}})

    def _until_green(self) -> None:
        deadline = time.monotonic() + 60
        while self.ask("GET", "/collections/rich")["status"] != "green":
            assert time.monotonic() < deadline, "it is never done with its graphs"
            time.sleep(0.05)

    def everything(self) -> dict[str, Any] | None:
        """Whatever an application could see; None when some of it cannot be read."""
        try:
            seen: dict[str, Any] = {"aliases": self.ask("GET", "/aliases")["aliases"]}
            for name in self.names():
                seen[name] = self._collection(name)
        except (AssertionError, httpx.HTTPError, ValueError, KeyError):
            return None
        return seen

    def _collection(self, name: str) -> dict[str, Any]:
        body = {"limit": 10_000, "with_payload": True, "with_vector": True}
        points = self.ask("POST", f"/collections/{name}/points/scroll", body)["points"]
        info = self.ask("GET", f"/collections/{name}")
        return {
            "points": {str(one["id"]): json.dumps(one, sort_keys=True) for one in points},
            "config": json.dumps(info["config"], sort_keys=True),
            "indexes": sorted((field, one["data_type"]) for field, one in info["payload_schema"].items()),
            "counts": self._counts(name) if name == "rich" else [],
            "searches": self._searches(name) if name == "rich" else [],
        }

    def _counts(self, name: str) -> list[int]:
        conditions: list[dict[str, Any]] = [{"key": "word", "match": {"value": f"w{n}"}} for n in range(4)]
        conditions += [{"key": "n", "match": {"value": n}} for n in range(10)]
        conditions += [{"key": "n", "range": {"gte": n, "lte": n}} for n in range(10)]
        conditions += [{"key": "price", "range": {"gte": n, "lt": n + 1}} for n in range(76)]
        conditions += [{"key": "open", "match": {"value": value}} for value in (True, False)]
        conditions += [{"key": "text", "match": {"text": f"word{n}"}} for n in range(12)]
        conditions += [{"key": "uid", "match": {"value": uid(n)}} for n in range(5)]
        conditions += [
            {"key": "at", "range": {"gte": f"2026-01-{n:02d}T00:00:00Z", "lte": f"2026-01-{n:02d}T00:00:00Z"}}
            for n in range(1, 29)
        ]
        conditions += [
            {"key": "place", "geo_radius": {"center": {"lon": n, "lat": 10.5}, "radius": 1000}} for n in range(90)
        ]
        bodies = [{"exact": True, "filter": {"must": [one]}} for one in conditions]
        return [self.ask("POST", f"/collections/{name}/points/count", body)["count"] for body in bodies]

    def _searches(self, name: str) -> list[Any]:
        queries: list[tuple[str, Any]] = [(one, vector(3)) for one in ("plain", "twin", "half")]
        queries += [("bytes", [7] * SIZE), ("many", [vector(3)])]
        queries.append(("sparse", {"indices": [5, 95], "values": [1.0, 1.0]}))
        bodies = [{"query": query, "using": using, "limit": 10, "params": {"exact": True}} for using, query in queries]
        found = [self.ask("POST", f"/collections/{name}/points/query", body)["points"] for body in bodies]
        return [[(str(one["id"]), round(one["score"], 4)) for one in points] for points in found]

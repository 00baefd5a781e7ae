"""Collections in JSON: the server's description of one as values, and the body of a request that creates one."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from qdrant_admin.database.claims import without_claim
from qdrant_admin.database.models import (
    CollectionInfo,
    CollectionSpec,
    CollectionStatus,
    Distance,
    Fields,
    Pending,
    VectorSpec,
)

_OWN_FIELDS = {"size", "distance", "datatype"}
_IN_CONFIG = {"optimizers_config": "optimizer_config"}
"""Fields whose name in a request differs from that in the server's answer."""
_TOP_LEVEL = {"hnsw_config", "optimizer_config", "wal_config", "quantization_config", "strict_mode_config", "metadata"}

_NEWER_DEFAULTS: Mapping[str, Mapping[str, bool]] = {"optimizer_config": {"prevent_unoptimized": False}}
"""Settings of later versions (here of 1.17) and what a server does without them, by their section."""


def vector_specs(config: Fields) -> tuple[VectorSpec, ...]:
    params = config.get("params") or {}
    dense = params.get("vectors") or {}
    named = {"": dense} if isinstance(dense.get("size"), int) else dense
    specs = [_dense_spec(name, slot) for name, slot in named.items()]
    specs += [_sparse_spec(name, slot) for name, slot in (params.get("sparse_vectors") or {}).items()]
    return tuple(specs)


def _dense_spec(name: str, slot: Fields) -> VectorSpec:
    distance = slot.get("distance")
    return VectorSpec(
        name=name,
        kind="multi" if slot.get("multivector_config") else "dense",
        size=slot["size"],
        distance=distance if distance in get_args(Distance) else None,
        datatype=slot.get("datatype") or "float32",
        params={key: value for key, value in slot.items() if key not in _OWN_FIELDS},
    )


def _sparse_spec(name: str, slot: Fields) -> VectorSpec:
    datatype = (slot.get("index") or {}).get("datatype") or "float32"
    return VectorSpec(name=name, kind="sparse", datatype=datatype, params=dict(slot))


def collection_info(
    name: str, result: Fields, *, points: int | None, aliases: tuple[str, ...], trouble: str
) -> CollectionInfo:
    """The server's answer to `GET /collections/NAME` with what was counted and looked up beside it."""
    config = without_claim(result.get("config") or {})
    optimizer = result.get("optimizer_status")
    status: CollectionStatus = result["status"] if result.get("status") in get_args(CollectionStatus) else "red"
    return CollectionInfo(
        name=name,
        status=status,
        optimizer_error=str(optimizer.get("error", "")) if isinstance(optimizer, dict) else "",
        points=points,
        points_approximate=result.get("points_count") or 0,
        indexed_vectors=result.get("indexed_vectors_count") or 0,
        segments=result.get("segments_count") or 0,
        vectors=vector_specs(config),
        aliases=aliases,
        payload_schema=result.get("payload_schema") or {},
        metadata=config.get("metadata") or {},
        pending=pending(result),
        config=config,
        trouble=trouble,
    )


def refuses_exact(config: Fields) -> bool:
    """Whether strict mode refuses exact searches, and with them exact counts."""
    strict = config.get("strict_mode_config") or {}
    return bool(strict.get("enabled")) and strict.get("search_allow_exact") is False


def pending(result: Fields) -> Pending:
    """`update_queue` of the server's answer, which came with 1.17, and its `deferred_points` with 1.17.1."""
    queue = result.get("update_queue")
    queue = queue if isinstance(queue, dict) else {}
    deferred = queue.get("deferred_points") or result.get("deferred_points") or 0
    return Pending(queued=int(queue.get("length") or 0), deferred=int(deferred))


def meant(config: Fields) -> Fields:
    """Settings by what they mean: one that is null, or a default that newer servers name, is as if it were not there.

    What users keep in the metadata of a collection is left as it is.
    """
    return {
        key: value if key == "metadata" else _meant(value, key) for key, value in config.items() if value is not None
    }


def _meant(value: Any, section: str) -> Any:
    if not isinstance(value, dict):
        return value
    defaults = _NEWER_DEFAULTS.get(section, {})
    return {
        key: _meant(child, key)
        for key, child in value.items()
        if child is not None and not (key in defaults and defaults[key] is child)
    }


def create_body(spec: CollectionSpec) -> Fields:
    dense = {slot.name: _dense_body(slot) for slot in spec.vectors if slot.kind != "sparse"}
    sparse = {slot.name: _sparse_body(slot) for slot in spec.vectors if slot.kind == "sparse"}
    body: Fields = {"vectors": dense[""] if set(dense) == {""} else dense}
    if sparse:
        body["sparse_vectors"] = sparse
    return body | spec.params


def _dense_body(slot: VectorSpec) -> Fields:
    body: Fields = {"size": slot.size, "distance": slot.distance} | slot.params
    if slot.datatype != "float32":
        body["datatype"] = slot.datatype
    if slot.kind == "multi":
        body.setdefault("multivector_config", {"comparator": "max_sim"})
    return body


def _sparse_body(slot: VectorSpec) -> Fields:
    body = dict(slot.params)
    if slot.datatype != "float32":
        body["index"] = {**(body.get("index") or {}), "datatype": slot.datatype}
    return body


def ignored_fields(body: Fields, config: Fields) -> list[str]:
    """The fields of a create request that are not in the server's answer: `hnsw_config.m`."""
    return [path for key, value in body.items() for path in _missing(key, value, _kept(key, config))]


def _kept(key: str, config: Fields) -> object:
    key = _IN_CONFIG.get(key, key)
    return config.get(key) if key in _TOP_LEVEL else (config.get("params") or {}).get(key)


def _missing(path: str, asked: object, kept: object) -> Iterator[str]:
    if asked is None or asked == {}:
        return
    if isinstance(asked, dict):
        if not isinstance(kept, dict):
            yield path
            return
        for key, value in asked.items():
            yield from _missing(f"{path}.{key}" if key else path, value, kept.get(key))
    elif not _equal(asked, kept):
        yield path


def _equal(asked: object, kept: object) -> bool:
    if isinstance(asked, float) and isinstance(kept, int | float):
        return math.isclose(asked, kept, rel_tol=1e-6)  # the server keeps some settings as float32
    return bool(asked == kept)


def ignored_index_fields(params: Fields, kept: Fields | None) -> list[str]:
    """The parameters of a payload index that are not in the server's schema."""
    if kept is None:
        return ["the index"]
    if params.get("type") != kept.get("data_type"):
        return ["type"]
    wanted = {key: value for key, value in params.items() if key != "type"}
    known = kept.get("params") or {}
    return [path for key, value in wanted.items() for path in _missing(key, value, known.get(key))]

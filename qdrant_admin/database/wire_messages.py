"""Qdrant's own messages (`points.proto`) with bytes for whatever is not looked into.

Messages of its own cost less than Qdrant's: what stays bytes is neither taken apart nor put together again.
"""

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from qdrant_admin.database.models import PointId
from qdrant_admin.database.packed import number_at

SCHEMA: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "Dense": (("data", 1, "float", True),),
    "Sparse": (("values", 1, "float", True), ("indices", 2, "bytes", False)),
    "Multi": (("vectors", 1, "Dense", True),),
    "Vector": (
        ("data", 1, "float", True),
        ("indices", 2, "bytes", False),
        ("vectors_count", 3, "uint32", False),
        ("dense", 101, "Dense", False),
        ("sparse", 102, "Sparse", False),
        ("multi", 103, "Multi", False),
    ),
    "Named": (("name", 1, "string", False), ("vector", 2, "Vector", False)),
    "NamedVectors": (("vectors", 1, "Named", True),),
    "Vectors": (("vector", 1, "Vector", False), ("vectors", 2, "NamedVectors", False)),
    "Found": (("id", 1, "bytes", False), ("payload", 2, "bytes", True), ("vectors", 4, "Vectors", False)),
    "Sent": (("id", 1, "bytes", False), ("payload", 3, "bytes", True), ("vectors", 4, "Vectors", False)),
    "Page": (("next", 1, "bytes", False), ("points", 2, "Found", True)),
    "Seen": (("id", 1, "bytes", False), ("payload", 2, "bytes", True), ("vectors", 4, "bytes", False)),
    "SeenPage": (("next", 1, "bytes", False), ("points", 2, "Seen", True)),
    "SeenPoints": (("points", 1, "Seen", True),),
    "SeenVectors": (("value", 1, "bytes", False), ("several", 2, "SeenNamed", False)),
    "SeenNamed": (("entries", 1, "bytes", True),),
    "Entry": (("key", 1, "bytes", False), ("value", 2, "bytes", False)),
    "Value": (("object", 6, "Object", False), ("list", 7, "List", False)),
    "Object": (("entries", 1, "bytes", True),),
    "List": (("values", 1, "bytes", True),),
    "Upsert": (("collection", 1, "string", False), ("wait", 2, "bool", False), ("points", 3, "Sent", True)),
}
"""Message: field, number, type, whether repeated."""

_UUID = 0x12
"""How an id begins that is text, with its length behind; the other form is a number."""
_MAKING = threading.Lock()
"""Messages made twice are of different classes, and one does not go into the other."""


def messages() -> Mapping[str, Any]:
    """The messages of `SCHEMA`, by name. Made once, though several threads want them first at the same time."""
    with _MAKING:
        return _made_messages()


@cache
def _made_messages() -> Mapping[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field_type = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "bytes": field_type.TYPE_BYTES,
        "string": field_type.TYPE_STRING,
        "uint32": field_type.TYPE_UINT32,
        "bool": field_type.TYPE_BOOL,
        "float": field_type.TYPE_FLOAT,
    }
    package = "qdrant_admin.wire"
    file = descriptor_pb2.FileDescriptorProto(name="qdrant_admin/wire.proto", package=package, syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            made.type = scalars.get(kind, field_type.TYPE_MESSAGE)
            if kind not in scalars:
                made.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in SCHEMA}


def id_of(raw: bytes) -> PointId:
    """An id."""
    if raw[0] == _UUID:
        return raw[2:].decode()
    return number_at(raw, 1)[0]

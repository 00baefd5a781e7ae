"""Qdrant's own gRPC messages (`points.proto` and two more), with bytes for whatever is not looked into.

The one schema of what travels over gRPC. Messages of its own cost less than the generated ones of qdrant-client: what
stays bytes is neither taken apart nor put together again, and importing that package builds hundreds of models of the
REST API (0.7 s) that nothing here needs. They live in a pool of their own, so both can be loaded side by side.
"""

import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qdrant_admin.database.models import PointId

SCHEMA: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "Health": (("version", 2, "string", False), ("commit", 3, "string", False)),
    "Described": (("name", 1, "string", False),),
    "Listed": (("collections", 1, "Described", True),),
    "Scroll": (
        ("collection", 1, "string", False),
        ("offset", 3, "bytes", False),
        ("limit", 4, "uint32", False),
        ("payload", 6, "bytes", False),
        ("vectors", 7, "bytes", False),
    ),
    "Get": (
        ("collection", 1, "string", False),
        ("payload", 4, "bytes", False),
        ("vectors", 5, "bytes", False),
    ),
    "Page": (("next", 1, "bytes", False), ("points", 2, "Found", True)),
    "Points": (("points", 1, "Found", True),),
    "Found": (("id", 1, "bytes", False), ("payload", 2, "bytes", True), ("vectors", 4, "bytes", False)),
    "FoundVectors": (("value", 1, "bytes", False), ("several", 2, "FoundNamed", False)),
    "FoundNamed": (("entries", 1, "bytes", True),),
    "Entry": (("key", 1, "bytes", False), ("value", 2, "bytes", False)),
    "Nested": (("object", 6, "Object", False), ("list", 7, "List", False)),
    "Object": (("entries", 1, "bytes", True),),
    "List": (("values", 1, "bytes", True),),
    "Dense": (("data", 1, "float", True),),
    "Sparse": (("values", 1, "float", True), ("indices", 2, "uint32", True)),
    "Indices": (("data", 1, "uint32", True),),
    "Multi": (("vectors", 1, "Dense", True),),
    "Vector": (
        ("data", 1, "float", True),
        ("indices", 2, "Indices", False),
        ("vectors_count", 3, "uint32", False),
        ("dense", 101, "Dense", False),
        ("sparse", 102, "Sparse", False),
        ("multi", 103, "Multi", False),
    ),
    "Named": (("name", 1, "string", False), ("vector", 2, "Vector", False)),
    "NamedVectors": (("vectors", 1, "Named", True),),
    "Vectors": (("vector", 1, "Vector", False), ("vectors", 2, "NamedVectors", False)),
    "Sent": (("id", 1, "bytes", False), ("payload", 3, "bytes", True), ("vectors", 4, "Vectors", False)),
    "Upsert": (("collection", 1, "string", False), ("wait", 2, "bool", False), ("points", 3, "Sent", True)),
}
"""Message: field, number, type, whether repeated. `Found` is a point in an answer, `Sent` one in a request."""

FIRST, SECOND, THIRD, FOURTH = b"\x0a", b"\x12", b"\x1a", b"\x22"
"""The first four fields of a message, each with a length."""
KEY, VALUE = FIRST, SECOND
"""Fields of an entry of a payload or of a nested object."""
NULL, TRUE, FALSE = b"\x08\x00", b"\x28\x01", b"\x28\x00"
DOUBLE, INTEGER, TEXT, OBJECT, LIST = b"\x11", b"\x18", b"\x22", b"\x32", b"\x3a"
"""Fields of a payload value. The last three have a length."""
UUID = b"\x12\x24"
"""How an id begins that is text, with its length (36); the other form is a number."""
FEW = 1 << 12
_SCALARS = ("bytes", "string", "int32", "int64", "uint32", "bool", "float", "double")
_MAKING = threading.Lock()
"""Messages made twice are of different classes, and one does not go into the other."""


def messages() -> Mapping[str, Any]:
    """The messages of `SCHEMA`, by name. Made once, though several threads want them first at the same time."""
    with _MAKING:
        return _made_messages()


@cache
def _made_messages() -> Mapping[str, Any]:
    return message_classes("qdrant_admin.wire", SCHEMA)


def message_classes(package: str, schema: Mapping[str, tuple[tuple[str, int, str, bool], ...]]) -> Mapping[str, Any]:
    """Classes of protobuf messages, in a pool of their own.

    Args:
        package: their name space.
        schema: message to its fields, as in `SCHEMA`.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field_type = descriptor_pb2.FieldDescriptorProto
    scalars = {name: getattr(field_type, f"TYPE_{name.upper()}") for name in _SCALARS}
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for one, number, kind, repeated in fields:
            label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            made = message.field.add(name=one, number=number, label=label)
            made.type = scalars.get(kind, field_type.TYPE_MESSAGE)
            if kind not in scalars:
                made.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in schema}


def id_of(raw: bytes) -> "PointId":
    return raw[2:].decode() if raw.startswith(UUID[:1]) else number_at(raw, 1)[0]


def id_bytes(identity: "PointId") -> bytes:
    """The `PointId` message of an id as the server keeps it."""
    return b"\x08" + varint(identity) if isinstance(identity, int) else UUID + identity.encode()


def varint(number: int) -> bytes:
    """A number that is not negative: seven bits a byte, the lowest first."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def number_at(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte <= 0x7F:
            return number, at


LENGTHS = [varint(number) for number in range(FEW)]
"""Most lengths there are."""


def field(tag: bytes, content: bytes) -> bytes:
    return tag + sized(content)


def sized(content: bytes) -> bytes:
    length = len(content)
    return (LENGTHS[length] if length < FEW else varint(length)) + content


def packed_floats(message: bytes) -> tuple[int, int]:
    """Where the floats of field 1 begin in a serialised message, and how many bytes they take; 0 bytes for none.

    Servers send them one by one (1.16.3 does); a message that was read and is written again has them packed.
    """
    if not message.startswith(FIRST):
        return 0, 0
    octets, at = number_at(message, 1)
    return at, octets

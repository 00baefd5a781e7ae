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
    from qdrant_admin.database.models import PointId, ShardKey

SCHEMA = """
Health        version 2 string, commit 3 string
Described     name 1 string
Listed        collections 1 Described*
Scroll        collection 1 string, offset 3 bytes, limit 4 uint32, payload 6 bytes, vectors 7 bytes, shards 9 bytes
Get           collection 1 string, payload 4 bytes, vectors 5 bytes, shards 7 bytes
Page          next 1 bytes, points 2 Found*
Points        points 1 Found*
Found         id 1 bytes, payload 2 bytes*, vectors 4 bytes
FoundVectors  value 1 bytes, several 2 FoundNamed
FoundNamed    entries 1 bytes*
Entry         key 1 bytes, value 2 bytes
Nested        object 6 Object, list 7 List
Object        entries 1 bytes*
List          values 1 bytes*
Dense         data 1 float*
Sparse        values 1 float*, indices 2 uint32*
Indices       data 1 uint32*
Multi         vectors 1 Dense*
Vector        data 1 float*, indices 2 Indices, vectors_count 3 uint32, \
              dense 101 Dense, sparse 102 Sparse, multi 103 Multi
Named         name 1 string, vector 2 Vector
NamedVectors  vectors 1 Named*
Vectors       vector 1 Vector, vectors 2 NamedVectors
Sent          id 1 bytes, payload 3 bytes*, vectors 4 Vectors
Upsert        collection 1 string, wait 2 bool, points 3 Sent*
Written       result 1 Outcome
Outcome       status 2 int32
"""
"""Each message with its fields: name, number and type; with a star it is repeated.

`Found` is a point in an answer, `Sent` one in a request."""

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


def message_classes(package: str, schema: str) -> Mapping[str, Any]:
    """Classes of protobuf messages by name, in a pool of their own, from a schema in the form of `SCHEMA`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field_type = descriptor_pb2.FieldDescriptorProto
    scalars = {name: getattr(field_type, f"TYPE_{name.upper()}") for name in _SCALARS}
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in (line.split(maxsplit=1) for line in schema.split("\n") if line):
        message = file.message_type.add(name=name)
        for one, number, kind in map(str.split, fields.split(",")):
            label = field_type.LABEL_REPEATED if kind.endswith("*") else field_type.LABEL_OPTIONAL
            made = message.field.add(name=one, number=int(number), label=label)
            made.type = scalars.get(kind.rstrip("*"), field_type.TYPE_MESSAGE)
            if made.type == field_type.TYPE_MESSAGE:
                made.type_name = f".{package}.{kind.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        one.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{one.name}"))
        for one in file.message_type
    }


def id_of(raw: bytes) -> "PointId":
    return raw[2:].decode() if raw.startswith(UUID[:1]) else number_at(raw, 1)[0]


def id_bytes(identity: "PointId") -> bytes:
    """The `PointId` message of an id as the server keeps it."""
    return b"\x08" + varint(identity) if isinstance(identity, int) else UUID + identity.encode()


def shards_bytes(key: "ShardKey | None") -> bytes:
    """The `ShardKeySelector` message of one key; empty for all shards."""
    if key is None:
        return b""
    return field(FIRST, b"\x10" + varint(key) if isinstance(key, int) else field(FIRST, key.encode()))


def varint(number: int) -> bytes:
    """A number of 0 or more: seven bits in each byte, the lowest first."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def number_at(message: bytes, at: int) -> tuple[int, int]:
    """The varint that begins at `at`, and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte <= 0x7F:
            return number, at


LENGTHS = [varint(number) for number in range(FEW)]
"""The lengths that nearly all fields have, made beforehand."""


def field(tag: bytes, content: bytes) -> bytes:
    return tag + sized(content)


def sized(content: bytes) -> bytes:
    length = len(content)
    return (LENGTHS[length] if length < FEW else varint(length)) + content

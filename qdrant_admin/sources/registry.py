"""Every kind of source by its scheme: how its address looks, what it needs, and who reads it.

Light on purpose: nothing is imported before a kind is opened. Packages of others add kinds through entry points in
the group `qdrant_admin.sources`, each of them a `SourceKind`; see CONTRIBUTING.md.
"""

import importlib
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP

if TYPE_CHECKING:
    from qdrant_admin.sources.base import Source, SourceUri

ENTRY_POINTS = "qdrant_admin.sources"
UNTESTED = "not tested against a live server"
"""Said wherever a kind that is not `tested` is listed or used."""
Address = Literal["path", "server", "database"]
"""`path`: `scheme:PATH`. `server`: `scheme+http://HOST:PORT`, https as well. `database`: `scheme://USER@HOST:PORT/NAME`."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    scheme: str
    """As people write it, without `+http`: `parquet`, `qdrant`, `postgresql`."""
    title: str
    """What it is, for people: `Parquet file or folder`."""
    address: Address
    reader: str
    """Where its class is, `module:Class`; it is made with a `SourceUri` and fulfils `Source`."""
    options: frozenset[str] = frozenset()
    """Query parameters of its URI besides `collection`."""
    port: int | None = None
    extra: str = ""
    """The extra of qdrant-admin that brings its packages; empty when it needs none."""
    packages: tuple[str, ...] = ()
    """Modules that must be there to read it."""
    tested: bool = True
    """False when it has only been run against recorded answers, never against a live server."""
    written: str = ""
    """How its URI is written, where that is not what `address` says: `pinecone+https://INDEX-HOST`."""

    @property
    def form(self) -> str:
        if self.written:
            return self.written
        if self.address == "path":
            return f"{self.scheme}:PATH"
        return f"{self.scheme}+http://HOST:PORT" if self.address == "server" else f"{self.scheme}://HOST:PORT/NAME"


def _reads(
    address: Address, scheme: str, title: str, reader: str, options: str = "", needs: str = "", **more: Any
) -> SourceKind:
    """A reader of ours. `needs`: the extra that brings its packages, and these."""
    extra, *packages = needs.split() or [""]
    known, reader = frozenset(options.split()), f"{__package__}.{reader}"
    return SourceKind(scheme, title, address, reader, known, extra=extra, packages=tuple(packages), **more)


_path, _server, _database = (partial(_reads, address) for address in get_args(Address))
_recorded = partial(_server, tested=False)
"""Run against recorded answers only."""
_ROWS = "id vector distance datatype bytes"
"""What every file of rows takes: which columns are what, and what the file cannot say."""
_CHROMA = "tenant database layout distance"
_POSTGRES = "table id vector layout distance host sslmode sslrootcert service"
_SQLITE_VEC = "table payload on layout distance"
_LANCE = "id vector layout distance"
_MILVUS_LITE = ("milvus.lite:open_milvus_lite", "database layout distance", "files pyarrow")
_MILVUS = ("milvus.server:MilvusServer", "database load layout distance", "milvus pymilvus")
_REDIS = ("Redis with vectors in hashes", "redis:RedisHashes", "prefix vector dtype layout distance", "redis redis")
_ARROW = "Arrow file, stream, Feather, or Hugging Face data set"
_PINECONE = ("Pinecone index", "pinecone:PineconeIndex", "layout distance", "pinecone pinecone")
_WEAVIATE = "layout distance tenant grpc_host grpc_port"
_ELASTICSEARCH = ("search:ElasticsearchServer", "layout distance ca_certs", "elasticsearch elasticsearch")
_OPENSEARCH = ("search:OpenSearchServer", "layout distance ca_certs", "opensearch opensearchpy")
"""`ca_certs` is a file with the certificate that the cluster's own was signed with."""
BUILT_IN: tuple[SourceKind, ...] = (
    _path("chroma", "Chroma directory", "chroma.directory:ChromaDirectory", _CHROMA),
    _server("chroma", "Chroma server", "chroma.server:ChromaServer", f"{_CHROMA} auth", port=8000),
    _path("qdrant-local", "embedded Qdrant folder", "qdrant.local:QdrantLocal"),
    _server("qdrant", "Qdrant server", "qdrant.server:QdrantServer", "grpc_port", port=6333),
    _database(
        "postgresql", "PostgreSQL with pgvector", "postgres.source:Postgres", _POSTGRES, "pgvector psycopg", port=5432
    ),
    _path("sqlite-vec", "SQLite database with vectors of sqlite-vec", "sqlite_vec:SqliteVec", _SQLITE_VEC),
    _database("redis", *_REDIS, port=6379),
    _database("rediss", *_REDIS, port=6379),
    _path("lancedb", "LanceDB folder or table", "lance:LanceFolder", _LANCE, "lancedb lancedb pyarrow"),
    _path("milvus-lite", "Milvus Lite folder or file", *_MILVUS_LITE),
    _server("milvus", "Milvus server", *_MILVUS, port=19530),
    _path("faiss", "FAISS index", "faiss:FaissIndex", "payload lossy distance", "faiss faiss"),
    _path("parquet", "Parquet file or folder", "files.arrow:ParquetFiles", _ROWS, "files pyarrow"),
    _path("arrow", _ARROW, "files.arrow:ArrowFiles", _ROWS, "files pyarrow"),
    _path("jsonl", "file or folder of JSON lines", "files.text:JsonLines", _ROWS),
    _path("csv", "CSV file or folder", "files.text:CsvFiles", f"{_ROWS} delimiter encoding types"),
    _path("npy", "NumPy array or folder", "files.npy:NumpyFiles", f"{_ROWS} payload"),
    _recorded("pinecone", *_PINECONE, written="pinecone+https://INDEX-HOST"),
    _recorded("elasticsearch", "Elasticsearch cluster", *_ELASTICSEARCH, port=9200),
    _recorded("opensearch", "OpenSearch cluster", *_OPENSEARCH, port=9200),
    _recorded("weaviate", "Weaviate server", "weaviate:WeaviateServer", _WEAVIATE, "weaviate weaviate"),
    _path("rejects", "reject file of an earlier run", "files.reject_file:RejectedRecords"),
)


def kinds() -> tuple[SourceKind, ...]:
    """Ours, and those of installed packages; one of ours is never replaced."""
    return (*BUILT_IN, *_installed()[0])


def trouble(scheme: str) -> str:
    """Why the package that should read this scheme could not be loaded; empty when there is none such."""
    return _installed()[1].get(scheme.partition("+")[0], "")


@cache
def _installed() -> tuple[tuple[SourceKind, ...], dict[str, str]]:
    """The kinds of installed packages, and what is wrong with entry points that could not be used."""
    from importlib.metadata import entry_points

    known = {(kind.scheme, kind.address) for kind in BUILT_IN}
    found: list[SourceKind] = []
    broken: dict[str, str] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            kind = entry.load()
        except Exception as error:  # noqa: BLE001 # code of others, which must not take ours down, whatever it raises
            broken[entry.name] = f"{entry.value} could not be loaded ({type(error).__name__}: {error})"
            continue
        if not isinstance(kind, SourceKind):
            broken[entry.name] = f"{entry.value} is a {type(kind).__name__}, and no SourceKind"
        elif (kind.scheme, kind.address) not in known:
            known.add((kind.scheme, kind.address))
            found.append(kind)
    return tuple(found), broken


def kind_of(scheme: str) -> SourceKind | None:
    """The kind that a written scheme names: `qdrant+https` is the server, `chroma` the directory."""
    product, plus, transport = scheme.partition("+")
    addresses = {"server"} if plus and transport in {"http", "https"} else {"path", "database"}
    wanted = product if plus else scheme
    for pool in (BUILT_IN, kinds()):  # entry points are only asked when nothing of ours fits: that is quicker
        for kind in pool:
            if kind.scheme == wanted and kind.address in addresses:
                return kind
    return None


def missing_packages(kind: SourceKind) -> list[str]:
    """Modules that a kind needs and that are not there. Imports none of them."""
    from importlib.util import find_spec

    return [name for name in kind.packages if find_spec(name.partition(".")[0]) is None]


def check_installed(kind: SourceKind) -> None:
    """Raise `BadInput` when a package of a kind is not there, with the command that installs it."""
    missing = missing_packages(kind)
    if missing:
        what = f"reading a {kind.title} needs {', '.join(missing)}, which is not installed"
        why = "every such source has an extra of its own, so that nobody carries what is not used"
        wanted = [f"qdrant-admin[{kind.extra}]"] if kind.extra else missing
        raise BadInput(what, why=why, fix=install_command(*wanted))


def open_source(uri: "SourceUri") -> "Source":
    """Open the source that a URI names.

    Raises `SourceUnreadable`, `ServerUnreachable` or `AccessDenied` when it cannot be read, and `BadInput` when its
    scheme belongs to nobody or a package that it needs is not installed.
    """
    kind = kind_of(uri.scheme)
    if kind is None:
        raise BadInput(f"no source is called {plain(uri.scheme)}:", fix=HELP)
    check_installed(kind)
    module, _, name = kind.reader.partition(":")
    return cast("Source", getattr(importlib.import_module(module), name)(uri))

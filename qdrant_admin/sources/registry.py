"""Every kind of source by its scheme: how its address looks, what it needs, and who reads it.

Light on purpose: nothing is imported before a kind is opened. Packages of others add kinds through entry points in
the group `qdrant_admin.sources`, each of them a `SourceKind`; see CONTRIBUTING.md.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

from qdrant_admin.core import install
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.core.text import plain

if TYPE_CHECKING:
    from qdrant_admin.sources.base import Source, SourceUri

ENTRY_POINTS = "qdrant_admin.sources"
UNTESTED = "not tested against a live server"
"""Said wherever a kind that is not `tested` is listed or used."""
Address = Literal["path", "server", "database"]
"""`path`: `scheme:PATH`. `server`: `scheme+http://HOST:PORT`, https as well. `database`: `scheme://USER@HOST:PORT/NAME`."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One kind of source."""

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
    """Default port of a server or database."""
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
        """How its URI is written."""
        if self.written:
            return self.written
        if self.address == "path":
            return f"{self.scheme}:PATH"
        return f"{self.scheme}+http://HOST:PORT" if self.address == "server" else f"{self.scheme}://HOST:PORT/NAME"


_HERE = "qdrant_admin.sources"
_COLUMNS = frozenset({"id", "vector", "distance", "datatype", "bytes"})
"""What every file of rows takes: which columns are what, and what the file cannot say."""
_SEARCH = frozenset({"layout", "distance", "ca_certs"})
"""What a cluster takes; `ca_certs` is a file with the certificate that its own was signed with."""
BUILT_IN: tuple[SourceKind, ...] = (
    SourceKind(
        "chroma",
        "Chroma directory",
        "path",
        f"{_HERE}.chroma.directory:ChromaDirectory",
        options=frozenset({"tenant", "database", "layout", "distance"}),
    ),
    SourceKind(
        "chroma",
        "Chroma server",
        "server",
        f"{_HERE}.chroma.server:ChromaServer",
        options=frozenset({"tenant", "database", "layout", "distance", "auth"}),
        port=8000,
    ),
    SourceKind("qdrant-local", "embedded Qdrant folder", "path", f"{_HERE}.qdrant.local:QdrantLocal"),
    SourceKind(
        "qdrant",
        "Qdrant server",
        "server",
        f"{_HERE}.qdrant.server:QdrantServer",
        options=frozenset({"grpc_port"}),
        port=6333,
    ),
    SourceKind(
        "postgresql",
        "PostgreSQL with pgvector",
        "database",
        f"{_HERE}.postgres.source:Postgres",
        options=frozenset({"table", "id", "vector", "layout", "distance", "host", "sslmode", "sslrootcert", "service"}),
        port=5432,
        extra="pgvector",
        packages=("psycopg",),
    ),
    SourceKind(
        "sqlite-vec",
        "SQLite database with vectors of sqlite-vec",
        "path",
        f"{_HERE}.sqlite_vec.source:SqliteVec",
        options=frozenset({"table", "payload", "on", "layout", "distance"}),
    ),
    *(
        SourceKind(
            scheme,
            "Redis with vectors in hashes",
            "database",
            f"{_HERE}.redis.source:RedisHashes",
            options=frozenset({"prefix", "vector", "dtype", "layout", "distance"}),
            port=6379,
            extra="redis",
            packages=("redis",),
        )
        for scheme in ("redis", "rediss")
    ),
    SourceKind(
        "lancedb",
        "LanceDB folder or table",
        "path",
        f"{_HERE}.lance:LanceFolder",
        options=frozenset({"id", "vector", "layout", "distance"}),
        extra="lancedb",
        packages=("lancedb", "pyarrow"),
    ),
    SourceKind(
        "milvus-lite",
        "Milvus Lite folder or file",
        "path",
        f"{_HERE}.milvus.lite_folder:open_milvus_lite",
        options=frozenset({"database", "layout", "distance"}),
        extra="files",
        packages=("pyarrow",),
    ),
    SourceKind(
        "milvus",
        "Milvus server",
        "server",
        f"{_HERE}.milvus.server:MilvusServer",
        options=frozenset({"database", "load", "layout", "distance"}),
        port=19530,
        extra="milvus",
        packages=("pymilvus",),
    ),
    SourceKind(
        "faiss",
        "FAISS index",
        "path",
        f"{_HERE}.faiss.source:FaissIndex",
        options=frozenset({"payload", "lossy", "distance"}),
        extra="faiss",
        packages=("faiss",),
    ),
    SourceKind(
        "parquet",
        "Parquet file or folder",
        "path",
        f"{_HERE}.files.arrow_files:ParquetFiles",
        options=_COLUMNS,
        extra="files",
        packages=("pyarrow",),
    ),
    SourceKind(
        "arrow",
        "Arrow file, stream, Feather, or Hugging Face data set",
        "path",
        f"{_HERE}.files.arrow_files:ArrowFiles",
        options=_COLUMNS,
        extra="files",
        packages=("pyarrow",),
    ),
    SourceKind("jsonl", "file or folder of JSON lines", "path", f"{_HERE}.files.jsonl:JsonLines", options=_COLUMNS),
    SourceKind(
        "csv",
        "CSV file or folder",
        "path",
        f"{_HERE}.files.csv_files:CsvFiles",
        options=_COLUMNS | {"delimiter", "encoding", "types"},
    ),
    SourceKind("npy", "NumPy array or folder", "path", f"{_HERE}.files.npy:NumpyFiles", options=_COLUMNS | {"payload"}),
    SourceKind(
        "pinecone",
        "Pinecone index",
        "server",
        f"{_HERE}.pinecone:PineconeIndex",
        options=frozenset({"layout", "distance"}),
        extra="pinecone",
        packages=("pinecone",),
        tested=False,
        written="pinecone+https://INDEX-HOST",
    ),
    SourceKind(
        "elasticsearch",
        "Elasticsearch cluster",
        "server",
        f"{_HERE}.search.server:ElasticsearchServer",
        options=_SEARCH,
        port=9200,
        extra="elasticsearch",
        packages=("elasticsearch",),
        tested=False,
    ),
    SourceKind(
        "opensearch",
        "OpenSearch cluster",
        "server",
        f"{_HERE}.search.server:OpenSearchServer",
        options=_SEARCH,
        port=9200,
        extra="opensearch",
        packages=("opensearchpy",),
        tested=False,
    ),
    SourceKind(
        "weaviate",
        "Weaviate server",
        "server",
        f"{_HERE}.weaviate:WeaviateServer",
        options=frozenset({"layout", "distance", "tenant", "grpc_host", "grpc_port"}),
        extra="weaviate",
        packages=("weaviate",),
        tested=False,
    ),
    SourceKind("rejects", "reject file of an earlier run", "path", f"{_HERE}.files.reject_file:RejectedRecords"),
)


def kinds() -> tuple[SourceKind, ...]:
    """Ours, and those of installed packages; one of ours is never replaced."""
    return (*BUILT_IN, *_installed()[0])


def trouble(scheme: str) -> str:
    """Why the package that should read this scheme could not be loaded; empty when there is none such."""
    return _installed()[1].get(scheme.partition("+")[0], "")


@cache
def _installed() -> tuple[tuple[SourceKind, ...], dict[str, str]]:
    """The kinds of installed packages, and entry point to what is wrong with it."""
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


def forms() -> Iterator[str]:
    """How every kind is written, for help and for errors."""
    return (kind.form for kind in kinds())


def missing_packages(kind: SourceKind) -> list[str]:
    """Modules that a kind needs and that are not there. Imports none of them."""
    from importlib.util import find_spec

    return [name for name in kind.packages if find_spec(name.partition(".")[0]) is None]


def check_installed(kind: SourceKind) -> None:
    """Whether the packages of a kind are there.

    Raises:
        BadInput: one is not, with the command that installs it.
    """
    missing = missing_packages(kind)
    if missing:
        raise _not_installed(kind, missing)


def _not_installed(kind: SourceKind, missing: list[str]) -> AdminError:
    wanted = [f"qdrant-admin[{kind.extra}]"] if kind.extra else missing
    return BadInput(
        f"reading a {kind.title} needs {', '.join(missing)}, which is not installed",
        why="every such source has an extra of its own, so that nobody carries what is not used",
        fix=install.command(*wanted),
    )


def open_source(uri: "SourceUri") -> "Source":
    """Open the source that a URI names.

    Raises:
        SourceUnreadable, ServerUnreachable, AccessDenied: it cannot be read.
        BadInput: its scheme belongs to nobody, or a package that it needs is not installed.
    """
    kind = kind_of(uri.scheme)
    if kind is None:
        raise BadInput(f"no source is called {plain(uri.scheme)}:", fix=str(Command("migrate", help=True)))
    check_installed(kind)
    module, _, name = kind.reader.partition(":")
    return cast("Source", getattr(importlib.import_module(module), name)(uri))

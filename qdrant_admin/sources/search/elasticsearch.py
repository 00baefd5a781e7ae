"""An Elasticsearch cluster, through the client `elasticsearch`."""

from typing import Any

from qdrant_admin.core import install
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.sources.search.index_mapping import Shape
from qdrant_admin.sources.search.server import KEPT_ALIVE, SearchServer
from qdrant_admin.sources.uri import source_key

_LATEST_OF_SHARD = 0xFFFF_FFFF
"""Behind every document of one shard, in the lower half of `_shard_doc`."""


class ElasticsearchServer(SearchServer):
    """A `Source` over one cluster."""

    title = "Elasticsearch"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _open(self) -> None:
        from elasticsearch import Elasticsearch

        basic, key = self._credentials(), source_key()
        access: dict[str, Any] = {"basic_auth": basic} if basic else {"api_key": key} if key else {}
        access |= {"ca_certs": self._uri.options["ca_certs"]} if "ca_certs" in self._uri.options else {}
        self._client = Elasticsearch(self._uri.url, request_timeout=60, **access)

    def _version(self) -> str:
        return str(self._client.info()["version"]["number"])

    def _get_mapping(self) -> Any:
        return self._client.indices.get_mapping().body

    def _get_alias(self) -> Any:
        return self._client.indices.get_alias().body

    def _count(self, index: str) -> int:
        return int(self._client.count(index=index)["count"])

    def _open_point(self, index: str) -> str:
        return str(self._client.open_point_in_time(index=index, keep_alive=KEPT_ALIVE)["id"])

    def _close_point(self, point: str) -> None:
        self._client.close_point_in_time(id=point)

    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[Any] | None) -> Any:
        paths = [field.path for field in shape.fields]
        # Newer versions leave vectors out of `_source`; asked for as fields, every version gives them.
        return self._client.search(
            pit=point,
            size=size,
            sort=[{"_seq_no": "asc"}, {"_shard_doc": "asc"}],
            search_after=behind,
            source={"excludes": paths},
            fields=paths,  # type: ignore[arg-type] # it takes names as well as mappings
            track_total_hits=False,
        ).body

    def _behind(self, hit: dict[str, Any]) -> list[Any]:
        """In a shard no two documents have the same `_seq_no`, and where they lie in it changes: behind all of them."""
        number, place = hit["sort"]
        return [number, place | _LATEST_OF_SHARD]

    def _fault(self, error: Exception) -> AdminError:
        if "media_type_header_exception" in str(error) or "compatible-with" in str(error):
            return SourceUnreadable(
                f"the {self.title} at {self._uri.url} is older than its client here",
                why="a client of version 9 is not understood by a server of version 8",
                fix=install.command("elasticsearch>=8,<9"),
            )
        return super()._fault(error)

"""An OpenSearch cluster, through the client `opensearch-py`."""

from typing import Any
from urllib.parse import urlsplit

from qdrant_admin.sources.search.index_mapping import Shape
from qdrant_admin.sources.search.server import KEPT_ALIVE, SearchServer
from qdrant_admin.sources.uri import source_key


class OpenSearchServer(SearchServer):
    """A `Source` over one cluster."""

    title = "OpenSearch"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _open(self) -> None:
        from opensearchpy import OpenSearch

        parts, basic, key = urlsplit(self._uri.url), self._credentials(), source_key()
        access: dict[str, Any] = {"http_auth": basic} if basic else {}
        access |= {"headers": {"Authorization": f"Bearer {key}"}} if key and not basic else {}
        access |= {"ca_certs": self._uri.options["ca_certs"]} if "ca_certs" in self._uri.options else {}
        self._client = OpenSearch(
            hosts=[{"host": parts.hostname, "port": parts.port, "url_prefix": parts.path}],
            use_ssl=parts.scheme == "https",
            timeout=60,
            **access,
        )

    def _version(self) -> str:
        return str(self._client.info()["version"]["number"])

    def _get_mapping(self) -> Any:
        return self._client.indices.get_mapping()

    def _get_alias(self) -> Any:
        return self._client.indices.get_alias()

    def _count(self, index: str) -> int:
        return int(self._client.count(index=index)["count"])

    def _open_point(self, index: str) -> str:
        return str(self._client.create_pit(index=index, params={"keep_alive": KEPT_ALIVE})["pit_id"])

    def _close_point(self, point: str) -> None:
        self._client.delete_pit(body={"pit_id": [point]})

    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[Any] | None) -> Any:  # noqa: ARG002 # vectors are in `_source`
        body: dict[str, Any] = {
            "pit": point,
            "size": size,
            "sort": [{"_seq_no": "asc"}, {"_id": "asc"}],  # before 3.3 it has no `_shard_doc`
            "track_total_hits": False,
        }
        return self._client.search(body=body | ({"search_after": behind} if behind else {}))

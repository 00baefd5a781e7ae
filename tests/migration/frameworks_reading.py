"""What LangChain, LlamaIndex and Mem0 themselves find in a Qdrant. Run by the Python that has them; prints JSON.

    python frameworks_reading.py URL

Each point's own vector is searched for in its collection, so that the nearest has to be the point itself.
"""

import json
import sys
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore as LangChain
from llama_index.core.vector_stores.types import VectorStoreQuery
from llama_index.vector_stores.qdrant import QdrantVectorStore as LlamaIndex
from mem0.vector_stores.qdrant import Qdrant as Mem0
from qdrant_client import QdrantClient


class Asked(Embeddings):  # type: ignore[misc]  # LangChain is not where the types are checked
    """Makes one and the same vector of every text."""

    def __init__(self, vector: list[float]) -> None:
        self.vector = vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vector for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vector


def langchain(client: QdrantClient, point: Any) -> Any:
    store = LangChain(client=client, collection_name="langchain", embedding=Asked(point.vector))
    ((found, score),) = store.similarity_search_with_score("anything", k=1)
    own = {key: value for key, value in found.metadata.items() if not key.startswith("_")}
    return found.metadata["_id"], found.page_content, own, score


def llama_index(client: QdrantClient, point: Any) -> Any:
    store = LlamaIndex(client=client, collection_name="notes")
    found = store.query(VectorStoreQuery(query_embedding=point.vector, similarity_top_k=1))
    (node,), (score,) = found.nodes, found.similarities
    return node.node_id, node.get_content(), node.metadata, score


def mem0(client: QdrantClient, point: Any) -> Any:
    store = Mem0(collection_name="mem0", embedding_model_dims=len(point.vector), client=client)
    (found,) = store.search("anything", point.vector, top_k=1, filters={"user_id": point.payload["user_id"]})
    same = store.get(found.id)
    return found.id, same.payload["data"], {"user_id": same.payload["user_id"]}, found.score


def main() -> None:
    client = QdrantClient(url=sys.argv[1], check_compatibility=False)
    found: dict[str, list[Any]] = {}
    for name, read in (("langchain", langchain), ("notes", llama_index), ("mem0", mem0)):
        points, _ = client.scroll(name, limit=100, with_vectors=True)
        found[name] = [[point.id, *read(client, point)] for point in points]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

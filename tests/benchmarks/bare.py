"""The base of what is measured: a scroll that takes the answers and looks at nothing in them."""

import time
from typing import Any

import grpc
from qdrant_client import grpc as wire

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.database.grpc_points import _OPTIONS


def scrolled(endpoint: Endpoint, name: str, *, page: int = 512) -> tuple[int, float]:
    """Points of a collection and the seconds their scroll took: qdrant-client's stubs, compression off."""
    everything: dict[str, Any] = {
        "collection_name": name,
        "limit": page,
        "with_payload": wire.WithPayloadSelector(enable=True),
        "with_vectors": wire.WithVectorsSelector(enable=True),
    }
    seen, offset = 0, None
    with grpc.insecure_channel(f"{endpoint.grpc_host}:{endpoint.grpc_port}", options=_OPTIONS) as channel:
        stub = wire.PointsStub(channel)  # type: ignore[no-untyped-call]
        began = time.perf_counter()
        while True:
            answer = stub.Scroll(wire.ScrollPoints(**everything, offset=offset))
            seen += len(answer.result)
            if not answer.HasField("next_page_offset"):
                return seen, time.perf_counter() - began
            offset = answer.next_page_offset

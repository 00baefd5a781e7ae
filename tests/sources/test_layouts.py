"""Where text and metadata end up, and whose records these are."""

import hashlib
import json
from typing import Any

import pytest

from qdrant_admin.core.errors import BadInput
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.chroma.directory import Sample, shape_of, space_of
from qdrant_admin.sources.layouts import Layout

NODE = {"id_": "n1", "metadata": {"page": 3}, "text": "", "class_name": "TextNode"}
LLAMAINDEX = {"_node_content": json.dumps(NODE), "_node_type": "TextNode", "doc_id": "None", "page": 3}
MEM0 = {"data": "likes tea", "hash": hashlib.md5(b"likes tea", usedforsecurity=False).hexdigest(), "user_id": "alice"}
LANGCHAIN = {"page_content": "a text", "metadata": {"page": 3}}


@pytest.mark.parametrize(
    ("records", "layout"),
    [
        ([MEM0, {**MEM0, "color": "green"}], "mem0"),
        ([LLAMAINDEX], "llamaindex"),
        ([LANGCHAIN], "langchain"),
        ([MEM0, LLAMAINDEX], "plain"),
        ([{"data": "x", "hash": "no md5", "user_id": "a"}], "plain"),
        ([{"data": "x", "hash": MEM0["hash"]}], "plain"),
        ([{"page_content": "x", "metadata": "flat"}], "plain"),
        ([], "plain"),
    ],
)
def test_a_layout_is_recognised_by_what_all_records_hold(records: list[dict[str, Any]], layout: str) -> None:
    assert layouts.recognised(records) == layout


@pytest.mark.parametrize(
    ("layout", "metadata", "text", "payload"),
    [
        ("plain", {"a": 1}, "text", {"a": 1, "document": "text"}),
        ("plain", {"a": 1}, None, {"a": 1}),
        ("plain", {"document": 1, "document_": 2}, "text", {"document": 1, "document_": 2, "document__": "text"}),
        ("langchain", {"a": 1}, "text", {"page_content": "text", "metadata": {"a": 1}}),
        ("langchain", {}, None, {"metadata": {}}),
        ("mem0", MEM0, None, MEM0),
        ("mem0", MEM0, "", MEM0),
        ("mem0", MEM0, MEM0["data"], MEM0),
        ("mem0", MEM0, "another text", {**MEM0, "document": "another text"}),
        ("mem0", {"user_id": "a"}, "text", {"user_id": "a", "data": "text"}),
        ("llamaindex", {"a": 1}, "text", {"a": 1, "document": "text"}),
        ("llamaindex", {"_node_content": "[1]"}, "text", {"_node_content": "[1]", "document": "text"}),
        ("llamaindex", {"_node_content": "{"}, "text", {"_node_content": "{", "document": "text"}),
        ("llamaindex", LLAMAINDEX, None, LLAMAINDEX),
    ],
)
def test_nothing_is_lost_in_any_layout(
    layout: Layout, metadata: dict[str, Any], text: str | None, payload: dict[str, Any]
) -> None:
    before = json.dumps(metadata)
    assert layouts.lay_out(layout, metadata, text) == payload
    assert json.dumps(metadata) == before


def test_llamaindex_gets_its_text_back_into_the_node() -> None:
    payload = layouts.lay_out("llamaindex", LLAMAINDEX, "the text")
    assert json.loads(payload.pop("_node_content")) == {**NODE, "text": "the text"}
    assert payload == {key: value for key, value in LLAMAINDEX.items() if key != "_node_content"}
    payload = layouts.lay_out("llamaindex", {**LLAMAINDEX, "_node_type": "Node"}, "the text")
    assert json.loads(payload["_node_content"])["text_resource"] == {"text": "the text"}


def test_a_collection_is_made_as_mem0_makes_it() -> None:
    spec = layouts.fitted(CollectionSpec(vectors=(VectorSpec(size=3, distance="Euclid"),)), "mem0", "Cosine")
    assert [(slot.name, slot.kind, slot.distance) for slot in spec.vectors] == [
        ("", "dense", "Cosine"),
        ("bm25", "sparse", None),
    ]
    assert spec.payload_indexes.keys() == {"user_id", "agent_id", "run_id", "actor_id"}
    assert layouts.fitted(spec, "mem0") == spec
    assert layouts.fitted(spec, "langchain") == spec


def test_options_are_read_and_wrong_ones_are_told() -> None:
    assert layouts.layout_option({}) is None
    assert layouts.layout_option({"layout": "Mem0"}) == "mem0"
    assert layouts.distance_option({"distance": "cosine"}) == "Cosine"
    with pytest.raises(BadInput, match="layout=haystack is not known"):
        layouts.layout_option({"layout": "haystack"})
    with pytest.raises(BadInput, match="distance=l2 is not known"):
        layouts.distance_option({"distance": "l2"})


@pytest.mark.parametrize(
    ("configurations", "metadata", "space"),
    [
        ([{"hnsw": {"space": "ip"}}], "cosine", "ip"),  # 1.x: the configuration is true
        ([{"hnsw_configuration": {"space": "l2"}}], "cosine", "cosine"),  # 0.5: the metadata is
        ([{"hnsw_configuration": {"space": "ip"}}], None, "ip"),
        ([None, {"keys": {"#embedding": {"float_list": {"vector_index": {"config": {"space": "ip"}}}}}}], None, "ip"),
        ([None], "ip", "ip"),
        ([None], None, "l2"),
    ],
)
def test_the_distance_of_a_chroma_collection(configurations: list[Any], metadata: str | None, space: str) -> None:
    assert space_of(*configurations, metadata=metadata) == space


def test_a_chroma_that_contradicts_itself_is_told() -> None:
    shape = shape_of("notes", space="l2", said="cosine", dimension=2, sample=Sample(), options={})
    assert shape.warnings == ("Chroma compares by l2, though its metadata says cosine: ?distance=Cosine asks for that",)


def test_what_another_distance_would_change_is_told() -> None:
    assert list(layouts.distance_notes("Cosine", None, unit=True)) == []
    assert list(layouts.distance_notes("Euclid", None, unit=False)) == []
    [offered] = layouts.distance_notes("Euclid", None, unit=True, layout="mem0")
    assert offered == "Mem0 compares by Cosine in Qdrant: ?distance=Cosine asks for it, in the same order"
    [kept] = layouts.distance_notes("Euclid", "Cosine", unit=True)
    assert "the order of what is found stays" in kept
    for asked in ("Cosine", "Manhattan"):
        [changed] = layouts.distance_notes("Euclid", asked, unit=asked == "Manhattan")
        assert "may change" in changed

"""Whether a collection that exists takes the vectors of a source."""

from typing import Any

import pytest

from qdrant_admin.database.models import VectorSpec
from qdrant_admin.migration.copy.checks import incompatibilities

WANTED: dict[str, Any] = {"name": "text", "kind": "dense", "size": 4, "distance": "Cosine"}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({}, []),
        ({"datatype": "float16"}, []),
        ({"name": "other"}, ["it has no vector text (it has other)"]),
        ({"name": ""}, ["it has no vector text (it has the unnamed one)"]),
        ({"kind": "multi"}, ["vector text is multi there, dense at the source"]),
        ({"size": 5}, ["vector text has 5 components there, 4 at the source"]),
        ({"distance": "Dot"}, ["vector text is compared by Dot there, by Cosine at the source"]),
    ],
)
def test_each_difference_that_matters_is_named(there: dict[str, Any], words: list[str]) -> None:
    assert list(incompatibilities((VectorSpec(**WANTED),), (VectorSpec(**WANTED | there),))) == words


def test_every_vector_is_looked_at_and_more_of_them_there_do_no_harm() -> None:
    unnamed = VectorSpec(size=4, distance="Dot")
    assert list(incompatibilities((), (unnamed,))) == []
    assert list(incompatibilities((unnamed, VectorSpec(**WANTED)), ())) == [
        "it has no vector (it has none)",
        "it has no vector text (it has none)",
    ]

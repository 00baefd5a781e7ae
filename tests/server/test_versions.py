"""Which version may open which data, and what an image says of its own."""

import pytest

from qdrant_admin.core.errors import Refused
from qdrant_admin.server.versions import refuse_leap, version_in


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        ("1.16.3", "1.16.3"),
        ("1.16.0", "1.16.3"),
        ("1.16.3", "1.17.0"),
        ("", "1.20.0"),
        ("1.16.3", ""),
        ("1.16.3", "dev"),
    ],
)
def test_the_same_minor_and_the_next_one_may(last: str, wanted: str) -> None:
    refuse_leap(last, wanted, "volume v")


@pytest.mark.parametrize(
    ("last", "wanted", "step"),
    [
        ("1.16.3", "1.18.3", "v1.17.1 --apply"),
        ("1.16.0", "1.20.0", "v1.17.1 --apply"),
        ("1.18.0", "1.20.0", "v1.19.0 --apply"),
        ("1.16.3", "2.0.0", "v1.17.1 --apply"),
        ("1.17.1", "1.16.3", "v1.17.1"),
        ("1.16.3", "1.16.2", "v1.16.3"),
        ("1.9.2", "1.16.3", "releases"),
    ],
)
def test_a_leap_and_a_way_back_are_refused_with_the_next_step(last: str, wanted: str, step: str) -> None:
    with pytest.raises(Refused, match=last) as refused:
        refuse_leap(last, wanted, "volume v")
    assert refused.value.exit_code == 4
    assert refused.value.fix.endswith(step)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("qdrant/qdrant:v1.16.3", "1.16.3"),
        ("127.0.0.1:5055/qdrant/qdrant:1.17.1-unprivileged", "1.17.1"),
        ("qdrant/qdrant:v1.16.3@sha256:0000", "1.16.3"),
        ("qdrant/qdrant:latest", ""),
        ("qdrant/qdrant", ""),
        ("127.0.0.1:5055/qdrant", ""),
    ],
)
def test_the_version_of_an_image_is_that_of_its_tag(image: str, version: str) -> None:
    assert version_in(image) == version

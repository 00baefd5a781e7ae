"""Whether a collection that is there takes the vectors of a source."""

from collections.abc import Iterator

from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import VectorSpec


def incompatibilities(wanted: tuple[VectorSpec, ...], there: tuple[VectorSpec, ...]) -> Iterator[str]:
    """In what an existing collection cannot take these vectors, in words."""
    slots = {slot.name: slot for slot in there}
    for slot in wanted:
        own = slots.get(slot.name)
        words = f"vector {plain(slot.name)}" if slot.name else "the vector"
        if own is None:
            names = ", ".join(plain(name) or "the unnamed one" for name in slots)
            yield f"it has no {words.removeprefix('the ')} (it has {names or 'none'})"
        elif own.kind != slot.kind:
            yield f"{words} is {own.kind} there, {slot.kind} at the source"
        elif own.size != slot.size:
            yield f"{words} has {own.size} components there, {slot.size} at the source"
        elif own.distance != slot.distance:
            yield f"{words} is compared by {own.distance} there, by {slot.distance} at the source"

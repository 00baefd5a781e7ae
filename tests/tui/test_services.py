"""What a screen asks an area for is an operation that there is, and that takes what it is given."""

import inspect
from importlib import import_module

import pytest

from qdrant_admin.tui.services import Data, Migration, Profiles, Proof, Server

ROWS = [
    pytest.param(inspect.getclosurevars(row).nonlocals, id=f"{area.__name__}.{name}")
    for area in (Profiles, Server, Data, Migration, Proof)
    for name, row in vars(area).items()
    if inspect.isfunction(row) and row.__name__ == "call"
]


@pytest.mark.parametrize("row", ROWS)
def test_an_operation_is_there_and_takes_the_profile_first(row: dict[str, object]) -> None:
    place = row["place"] if "place" in row else inspect.getclosurevars(row["start"]).nonlocals["place"]  # type: ignore[arg-type]  # a job wraps its operation
    module, _, name = str(place).partition(":")
    taken = inspect.signature(getattr(import_module(f"qdrant_admin.{module}"), name)).parameters
    assert next(iter(taken)) == "ws"
    assert ("cancel" in taken) == ("start" in row) or name == "logs"

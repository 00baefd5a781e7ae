"""What a screen asks for is an operation that there is, and that takes what it is given."""

import inspect
from importlib import import_module

import pytest

from qdrant_admin.tui.services import Services

ROWS = [
    pytest.param(inspect.getclosurevars(row).nonlocals, id=name)
    for name, row in vars(Services).items()
    if inspect.isfunction(row) and row.__name__ == "call"
]


@pytest.mark.parametrize("row", ROWS)
def test_an_operation_is_there_and_takes_the_profile_first(row: dict[str, object]) -> None:
    place = row["place"] if "place" in row else inspect.getclosurevars(row["start"]).nonlocals["place"]  # type: ignore[arg-type]  # a job wraps its operation
    module, _, name = str(place).partition(":")
    taken = inspect.signature(getattr(import_module(f"qdrant_admin.{module}"), name)).parameters
    assert next(iter(taken)) in {"ws", "settings", "store"}
    assert ("cancel" in taken) == ("start" in row) or name == "logs"

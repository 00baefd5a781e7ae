"""The table of mutants speaks of the code as it is; `run.py` beside it runs them."""

from pathlib import Path

import pytest

from tests.mutants.run import ROOT, Mutant, mutants, mutated


@pytest.mark.parametrize("mutant", mutants(), ids=lambda one: f"{one.file}: {one.becomes}")
def test_every_row_names_a_line_and_a_test_that_are_there(mutant: Mutant) -> None:
    file = ROOT / "qdrant_admin" / mutant.file
    assert mutated(file.read_text("utf-8"), mutant) != file.read_text("utf-8")
    place, _, name = mutant.test.partition("::")
    test = Path(ROOT / "tests" / place)
    assert test.exists()
    assert not name or f"def {name}(" in test.read_text("utf-8")

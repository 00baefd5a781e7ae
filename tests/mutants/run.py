"""Mutants of pure logic, made by hand, each with the pure test that kills it: `python tests/mutants/run.py [WORD]`.

Each row of `mutants.toml` names a file of the product, a line of it, what the line becomes, and a test. The mutant is
made in a copy of the package, and the test run over it without a server: it has to fail, and to pass over the code as
it is. With a word, only rows whose file or test holds it. Exit code 0: every mutant is killed by the named test.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutants.toml")


class Mutant(NamedTuple):
    """One line made wrong."""

    file: str
    """Below `qdrant_admin/`."""
    line: str
    """As it is now, without its indentation; stands in the file exactly once, or `nth` says which."""
    becomes: str
    test: str
    """What kills it: a node id below `tests/`, or a file of them."""
    nth: int = 0


def mutants() -> list[Mutant]:
    """Every row of the table."""
    return [Mutant(**row) for row in tomllib.loads(TABLE.read_text("utf-8"))["mutant"]]


def mutated(text: str, mutant: Mutant) -> str:
    """The file's text with the mutant in it.

    Raises:
        ValueError: the line is not there, or there more than once: the table is older than the code.
    """
    lines = text.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.strip() == mutant.line.strip()]
    if len(places) != 1 and not (mutant.nth and len(places) >= mutant.nth):
        raise ValueError(f"{mutant.file}: {len(places)} lines are «{mutant.line}»")
    place = places[max(mutant.nth, 1) - 1]
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines[place] = f"{indent}{mutant.becomes.strip()}\n"
    return "".join(lines)


def passes(test: str, mutant: Mutant | None = None) -> bool:
    """Whether a test passes over a copy of the package, as it is or with a mutant in it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for part in ("qdrant_admin", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "__snapshots__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if mutant is not None:
            place = copy / "qdrant_admin" / mutant.file
            place.write_text(mutated(place.read_text("utf-8"), mutant), "utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{test}"]
        environment = {**os.environ, "PYTHONPATH": folder, "QDRANT_ADMIN_TEST_BINARY": "/nowhere"}
        environment.pop("QDRANT_ADMIN_TEST_REQUIRED", None)  # a test that needs a server is skipped, and kills nothing
        ran = subprocess.run(command, check=False, cwd=copy, env=environment, capture_output=True, timeout=300)
    if ran.returncode not in {0, 1}:
        raise RuntimeError(f"{test} did not run: {ran.stdout.decode()[-2000:]}")
    return ran.returncode == 0


def main() -> int:
    """Run them, two at a time, and print what became of each."""
    wanted = [one for one in mutants() if len(sys.argv) < 2 or sys.argv[1] in f"{one.file} {one.test}"]
    tests = sorted({one.test for one in wanted})
    with ThreadPoolExecutor(2) as pool:
        sound = dict(zip(tests, pool.map(passes, tests), strict=True))
        outcomes = [
            sound[one.test] and not passed
            for one, passed in zip(wanted, pool.map(lambda one: passes(one.test, one), wanted), strict=True)
        ]
    for mutant, dead in zip(wanted, outcomes, strict=True):
        print(f"{'killed  ' if dead else 'SURVIVED'}  {mutant.file}: {mutant.becomes.strip()}  by {mutant.test}")
    print(f"{sum(outcomes)} of {len(wanted)} killed")
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Rules that nobody should have to remember: start-up cost, layers, sizes, and what the tree may speak of."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "qdrant_admin"
HEAVY = ("qdrant_client", "docker", "textual", "grpc", "numpy")


def modules_after(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after running `code`."""
    probe = f"import sys\n{code}\nprint('loaded', *(name for name in {HEAVY!r} if name in sys.modules))"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    first, *found = shown.stdout.splitlines()[-1].split()
    assert first == "loaded"
    return set(found)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"], ["migrate", "--help"]])
def test_a_light_command_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "from qdrant_admin.cli.main import main\n"
        f"sys.argv = ['qdrant-admin', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert modules_after(code) == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert modules_after("import qdrant_admin") == set()


def sources() -> Iterator[Path]:
    """Every module of the product."""
    return PACKAGE.rglob("*.py")


def test_every_function_fits_on_a_screen() -> None:
    too_long = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    too_long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert too_long == []


WRITERS = {"setdefault", "update", "pop", "popitem", "clear", "__setitem__", "__delitem__"}


def writes_environment(node: ast.AST) -> bool:
    """Whether a piece of code changes the environment of this process."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr="environ") | ast.Name(id="environ"), ctx=ast.Store() | ast.Del()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ") | ast.Name(id="environ"), attr=name)):
            return name in WRITERS
        case ast.Call(func=ast.Attribute(attr="putenv" | "unsetenv") | ast.Name(id="putenv" | "unsetenv")):
            return True
        case ast.AugAssign(target=ast.Attribute(attr="environ")):
            return True
    return False


def test_the_environment_of_the_process_is_never_rewritten() -> None:
    writers = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if writes_environment(node)
    ]
    assert writers == []


@pytest.mark.parametrize(
    "code",
    ["os.environ['DOCKER_HOST'] = x", "environ.setdefault('A', x)", "os.putenv('A', x)", "del os.environ[a]",
     "os.environ |= more", "os.environ.update(A=x)"],
)  # fmt: skip
def test_every_spelling_of_a_write_is_seen(code: str) -> None:
    assert any(writes_environment(node) for node in ast.walk(ast.parse(code)))

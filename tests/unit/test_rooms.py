"""Guards of the architecture, read from the source: who imports whom, and what importing does."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

import qkd_qiskit

PACKAGE = Path(qkd_qiskit.__file__).parent

#: Rooms from top to bottom; a room may import those above it. Rooms in one line may not import each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("text",),
    ("errors",),
    ("faults",),
    ("arguments",),
    ("arrays", "progress", "extras", "lazy", "own", "recent", "versions"),
    ("store",),
    ("encoding",),
    ("config",),
    ("data", "vqcnn"),
    ("hardware",),
    ("simulation",),
    ("training",),
    ("estimator",),
    ("evaluation",),
    ("run",),
    ("distillation",),
    ("baselines",),
    ("federation",),
    ("models",),
    ("interop",),
    ("runtime",),
    ("reporting",),
    ("trackers",),
    ("experiment", "services"),
    ("sweep",),
    ("deployment",),
    ("cli",),
    ("__main__",),
)
HEIGHT = {room: height for height, rooms in enumerate(ORDER) for room in rooms}

#: Packages that one room alone may import, and in how many modules.
OWNERS = {
    "pyswarms": ("training", 1),
    "pennylane": ("interop", 1),
    "flwr": ("deployment", None),
    "mthree": ("runtime", 1),
    "mlflow": ("trackers", 1),
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(tree: ast.AST) -> Iterator[str]:
    """Full names of everything that is imported, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def _rooms_imported(source: str) -> set[str]:
    names = (name.split(".") for name in _imports(ast.parse(source)))
    return {parts[1] for parts in names if parts[0] == "qkd_qiskit" and len(parts) > 1}


def _below(room: str, source: str) -> set[str]:
    """Rooms that `room` imports although they are not above it."""
    return {
        other
        for other in _rooms_imported(source)
        if other in HEIGHT and other != room and HEIGHT[other] >= HEIGHT[room]
    }


def _side_effects(source: str) -> list[str]:
    """Calls at import time that change the process: warnings, logging, global random state, files."""
    found = []
    for node in _run_on_import(ast.parse(source)):
        if isinstance(node, ast.Call):
            if ast.unparse(node) == "logging.getLogger(__name__).addHandler(logging.NullHandler())":
                # What a library's root logger has, so that nothing is printed where nobody listens.
                continue
            called = ast.unparse(node.func)
            first, last = called.split(".")[0], called.split(".")[-1]
            if (
                (first == "warnings" and last in {"filterwarnings", "simplefilter"})
                or last in {"basicConfig", "addHandler", "setLevel", "seed", "set_state", "default_rng"}
                or last in {"write_text", "write_bytes", "mkdir", "touch", "savefig", "use"}
                or called in {"open", "print"}
            ):
                found.append(called)
    return found


def _run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but the bodies of functions, which run only when called."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _run_on_import(child)


def _faults(paths: list[Path], find: Callable[[Path, str], Collection[str]]) -> dict[str, list[str]]:
    """Return by module what is found in it, where something is."""
    found = {_name(path): sorted(find(path, path.read_text("utf-8"))) for path in paths}
    return {name: faults for name, faults in found.items() if faults}


def test_every_module_lies_in_a_known_room() -> None:
    assert {_room(path) for path in MODULES} - {"__init__"} <= HEIGHT.keys()


def test_a_room_imports_only_rooms_above() -> None:
    inner = [path for path in MODULES if path != PACKAGE / "__init__.py"]
    assert not _faults(inner, lambda path, source: _below(_room(path), source))


def test_imports_are_absolute() -> None:
    assert not _faults(
        MODULES, lambda _, source: [n for n in _imports(ast.parse(source)) if n.startswith(".")]
    )


@cache
def _imported_packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(ast.parse(path.read_text("utf-8")))}


@pytest.mark.parametrize("package", OWNERS)
def test_a_package_has_one_owner(package: str) -> None:
    room, modules = OWNERS[package]
    importers = [path for path in MODULES if package in _imported_packages(path)]
    assert {_room(path) for path in importers} <= {room}
    assert modules is None or len(importers) <= modules


def test_importing_calls_nothing_that_changes_the_process() -> None:
    assert not _faults(MODULES, lambda _, source: _side_effects(source))


def _outspoken(source: str) -> list[str]:
    """Return what prints past the log, or logs under another name than that of its module."""
    found = []
    tree = ast.parse(source)
    # What scikit-learn calls `verbose` prints: that is what it is for.
    wanted = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "self.verbose"
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in wanted:
            called = ast.unparse(node.func)
            if called in {"print", "sys.stdout.write", "sys.stderr.write", "pprint", "typer.echo"}:
                found.append(called)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_LOG":
            found.append(ast.unparse(node.value))
    return [call for call in found if call != "logging.getLogger(__name__)"]


# A module that is a program of its own speaks to whoever started it.
LIBRARY = [
    path
    for path in MODULES
    if _room(path) != "cli" and 'if __name__ == "__main__":' not in path.read_text("utf-8")
]


def test_a_library_logs_under_its_modules_name_and_prints_nothing() -> None:
    assert not _faults(LIBRARY, lambda _, source: _outspoken(source))


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("def f():\n    print(1)", ["print"]),
        ("import sys\nsys.stderr.write('x')", ["sys.stderr.write"]),
        ("console.print(1)", []),
        ("if self.verbose:\n    print(1)", []),
        ("if self.verbose:\n    x = 1\nelse:\n    print(1)", ["print"]),
        ("_LOG = logging.getLogger('x')", ["logging.getLogger('x')"]),
        ("_LOG = logging.getLogger(__name__)", []),
    ],
)
def test_the_guard_hears_what_is_printed(source: str, calls: list[str]) -> None:
    assert _outspoken(source) == calls


_IMPORT_ALL = """
import logging, os, pkgutil, warnings, importlib
import numpy as np
def state():
    return np.random.get_state()[1].tolist(), logging.root.handlers[:], logging.root.level, os.listdir()
before = state()
import qkd_qiskit
for info in pkgutil.walk_packages(qkd_qiskit.__path__, "qkd_qiskit."):
    importlib.import_module(info.name)
assert before == state(), "global state changed"
silenced = [f for f in warnings.filters if f[:4] == ("ignore", None, Warning, None)]
assert not silenced, "warnings silenced"
"""


def test_importing_everything_leaves_the_process_and_the_folder_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("room", "source", "rooms"),
    [
        ("data", "from qkd_qiskit.vqcnn import VQCNNSpec", {"vqcnn"}),
        ("data", "def f():\n    import qkd_qiskit.cli as c", {"cli"}),
        ("data", "from qkd_qiskit import hardware, errors", {"hardware"}),
        ("data", "from qkd_qiskit.data.files import x\nimport numpy", set()),
        ("cli", "from qkd_qiskit import experiment", set()),
        ("errors", "import qkd_qiskit.config", {"config"}),
    ],
)
def test_the_guard_sees_wrong_imports(room: str, source: str, rooms: set[str]) -> None:
    assert _below(room, source) == rooms


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("import warnings\nwarnings.filterwarnings('ignore')", ["warnings.filterwarnings"]),
        ("if True:\n    logging.basicConfig()", ["logging.basicConfig"]),
        ("class A:\n    rng = np.random.seed(0)", ["np.random.seed"]),
        ("def f():\n    np.random.seed(0)", []),
        ("x = [open('f')]", ["open"]),
    ],
)
def test_the_guard_sees_side_effects(source: str, calls: list[str]) -> None:
    assert _side_effects(source) == calls


def _classes(paths: list[Path]) -> list[str]:
    trees = (ast.parse(path.read_text("utf-8")) for path in paths)
    return [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def test_no_class_name_occurs_twice(tmp_path: Path) -> None:
    names = _classes(MODULES)
    assert sorted({name for name in names if names.count(name) > 1}) == []
    twice = tmp_path / "twice.py"
    twice.write_text("class A:\n    class B: ...\nclass B: ...\n")
    assert sorted(_classes([twice])) == ["A", "B", "B"]

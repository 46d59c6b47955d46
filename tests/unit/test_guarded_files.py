"""Files from elsewhere are opened, unpacked and parsed by the store room; all other calls are named here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import qkd_qiskit

PACKAGE = Path(qkd_qiskit.__file__).parent

#: What opens, unpacks or parses, by the last two parts of its name; `*` is any object.
GUARDED = {
    "open", "*.open", "*.read_text", "*.read_bytes", "os.open", "io.open", "codecs.open",
    "np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap",
    "json.load", "json.loads", "tomllib.load", "tomllib.loads", "*.model_validate_json",
    "sqlite3.connect", "qpy.load", "gzip.open", "gzip.GzipFile", "gzip.decompress", "zlib.decompress",
    "zlib.decompressobj", "bz2.open", "lzma.open", "tarfile.open", "zipfile.ZipFile", "zipfile.Path",
    "pickle.load", "pickle.loads", "joblib.load", "marshal.loads", "shelve.open", "csv.reader",
    "csv.DictReader", "pd.read_csv", "pandas.read_csv", "yaml.load", "ElementTree.parse",
}  # fmt: skip

#: Why these are no files from elsewhere, or how they are bounded.
ALLOWED = {
    ("cli/app.py", "os.open"): "the null device",
    ("cli/quantum.py", "*.open"): "a number of quantum seconds",
    ("data/mnist.py", "np.loadtxt"): "a file of an installed package",
    ("data/dialect.py", "csv.reader"): "text that the guarded reader gave",
    ("data/text_table.py", "pd.read_csv"): "bytes that the guarded reader gave",
    ("deployment/credentials.py", "os.open"): "a new file, written",
    ("deployment/gateway.py", "*.open"): "appends",
    ("deployment/processes.py", "*.open"): "appends",
    ("deployment/supervisor.py", "*.read_text"): "/proc, by a program that imports nothing of the package",
    ("distillation/messages.py", "*.model_validate_json"): "a header of bounded size, its errors turned",
    ("federation/train_request.py", "*.model_validate_json"): "a header of bounded size, its errors turned",
    ("federation/worker_progress.py", "*.open"): "appends",
    ("reporting/results.py", "*.model_validate_json"): "text that was written a line before",
    ("runtime/circuit_file.py", "qpy.load"): "behind its checksum, its errors turned",
}  # fmt: skip


def called(source: str) -> set[str]:
    """Return which of the guarded names a module calls, or hands on to be called."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            if "resources.files(" in ast.unparse(node.value):
                # A file of the package.
                continue
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if isinstance(node.value, ast.Attribute):
                owner = node.value.attr
            names = {f"{owner}.{node.attr}", f"*.{node.attr}"} & GUARDED
            # The exact name says more than the one of any object.
            found |= {name for name in names if not name.startswith("*")} or names
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.add("open")
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            last = node.module.rpartition(".")[2]
            found |= {f"{last}.{alias.name}" for alias in node.names} & GUARDED
    return found


def test_nobody_else_opens_unpacks_or_parses() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "store"
        for name in called(path.read_text())
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import json\njson.loads(text)", {"json.loads"}),
        ("from json import loads", {"json.loads"}),
        ("when_readable(path.read_bytes)", {"*.read_bytes"}),
        ("with open(path) as file: pass", {"open"}),
        ("(folder / 'x').open('rb')", {"*.open"}),
        ("import gzip\ngzip.open(path)", {"gzip.open"}),
        ("np.load(file, allow_pickle=False)", {"np.load"}),
        ("import os\nos.open(os.devnull, 0)", {"os.open"}),
        ("_Granted.model_validate_json(text)", {"*.model_validate_json"}),
        ("numbers = reader.load(file)", set()),
        ("json.dumps(text)", set()),
        ("(resources.files('qkd_qiskit') / 'plan.toml').read_text('utf-8')", set()),
    ],
)
def test_the_guard_sees_calls(source: str, names: set[str]) -> None:
    assert called(source) == names

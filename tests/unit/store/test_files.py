from __future__ import annotations

from pathlib import Path

import pytest

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.files import write_atomic


@pytest.mark.parametrize(("content", "data"), [("", b""), ("é\n", b"\xc3\xa9\n"), (b"\x00\xff", b"\x00\xff")])
def test_content_arrives(tmp_path: Path, content: str | bytes, data: bytes) -> None:
    assert write_atomic(tmp_path / "a" / "b.txt", content).read_bytes() == data


def test_replacing_leaves_one_file_with_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    target = tmp_path / "target"
    write_atomic(target, "old")
    write_atomic(target, "new")
    assert target.read_text() == "new"
    assert target.stat().st_mode == plain.stat().st_mode
    assert {file.name for file in tmp_path.iterdir()} == {"plain", "target"}


@pytest.mark.parametrize(
    ("interruption", "error"),
    [(OSError(28, "No space left on device"), StoreError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_an_interrupted_write_leaves_the_old_file_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruption: BaseException,
    error: type[BaseException],
) -> None:
    target = write_atomic(tmp_path / "target", "old")

    def fail(descriptor: int) -> None:
        raise interruption

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(error):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["target"]


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="cannot write .*taken: Is a directory"):
        write_atomic(tmp_path / "taken", "text")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]

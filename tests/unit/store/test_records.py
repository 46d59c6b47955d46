import pytest

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store import RecordStore

RECORD = {"accuracy": 0.1 + 0.2, "names": ["a", "b"], "none": None}


def test_a_record_comes_back_from_another_store(tmp_path):
    RecordStore(tmp_path / "new").save("sweep", "cell", "f", RECORD)
    assert RecordStore(tmp_path / "new").load("sweep", "cell", "f") == RECORD


@pytest.mark.parametrize("place", [("other", "cell", "f"), ("sweep", "other", "f"), ("sweep", "cell", "g")])
def test_nothing_is_found_elsewhere(tmp_path, place):
    RecordStore(tmp_path).save("sweep", "cell", "f", RECORD)
    assert RecordStore(tmp_path).load(*place) is None


def test_a_record_is_replaced(tmp_path):
    store = RecordStore(tmp_path)
    store.save("sweep", "cell", "f", RECORD)
    store.save("sweep", "cell", "f", {"accuracy": 1})
    assert store.load("sweep", "cell", "f") == {"accuracy": 1}


def test_without_a_folder_nothing_is_kept():
    store = RecordStore(None)
    store.save("sweep", "cell", "f", RECORD)
    assert store.load("sweep", "cell", "f") is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/x/run.sqlite"):
        RecordStore(tmp_path / "file" / "x").save("sweep", "cell", "f", RECORD)

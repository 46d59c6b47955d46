from dataclasses import dataclass

import numpy as np
import pytest

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.store import StageStore


@dataclass(frozen=True, eq=False)
class Record:
    numbers: np.ndarray
    names: tuple[str, ...]
    pairs: tuple[float, ...]
    flag: bool


RECORD = Record(np.array([[1.0, np.nan]]), ("a", "b"), (0.1, 1e-300), True)


def test_a_record_comes_back_whole(tmp_path):
    store = StageStore(tmp_path, "settings")
    store.save("client A/1", RECORD)
    found = store.load("client A/1", Record)
    np.testing.assert_array_equal(found.numbers, RECORD.numbers)
    assert (found.names, found.pairs, found.flag) == (RECORD.names, RECORD.pairs, RECORD.flag)


@pytest.mark.parametrize(("fingerprint", "stage"), [("other", "a"), ("settings", "b")])
def test_other_settings_or_stages_find_nothing(tmp_path, fingerprint, stage):
    StageStore(tmp_path, "settings").save("a", RECORD)
    assert StageStore(tmp_path, fingerprint).load(stage, Record) is None


def test_a_damaged_file_is_named(tmp_path):
    store = StageStore(tmp_path, "settings")
    store.save("a", RECORD)
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(TrainingError, match="cannot read checkpoint .*a.npz"):
        store.load("a", Record)


def test_without_a_folder_nothing_is_kept():
    store = StageStore(None, "settings")
    store.save("a", RECORD)
    assert store.load("a", Record) is None
    assert float(store.journal("a", resume=True).answer(np.zeros(1), lambda: (np.ones(1),))[0][0]) == 1


@pytest.mark.parametrize(
    ("fingerprint", "resume", "known"), [("s", True, 1), ("s", False, 0), ("t", True, 0)]
)
def test_a_journal_belongs_to_its_settings(tmp_path, fingerprint, resume, known):
    with StageStore(tmp_path, "s").journal("a b", resume=False) as journal:
        journal.answer(np.zeros(1), lambda: (np.ones(1),))
    with StageStore(tmp_path, fingerprint).journal("a b", resume=resume) as journal:
        journal.answer(np.zeros(1), lambda: (np.ones(1),))
    assert journal.replayed == known

import pickle
import re
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store import Database, StageStore, open_store


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


def test_what_is_no_such_record_is_named_and_counts_as_none(tmp_path, caplog):
    @dataclass(frozen=True)
    class Other:
        count: int

    store = StageStore(tmp_path, "settings")
    store.save("a", RECORD)
    assert store.load("a", Other) is None
    assert re.search("stage 'a' in .*run.sqlite: expected a Other; .* it is made anew", caplog.text)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE stage_array SET data = substr(data, 1, 100)",
        "UPDATE stage_array SET data = 7",
        "UPDATE stage_array SET data = zeroblob(1000)",
        "UPDATE stage_array SET name = x'ff'",
        "DELETE FROM stage_array",
        "UPDATE stage SET value = replace(value, 'true', 'fals')",
        "UPDATE stage SET value = '[]'",
        "UPDATE stage SET value = x'00ff'",
    ],
)
def test_a_damaged_stage_is_named_and_made_anew(tmp_path, damage, caplog):
    store = StageStore(tmp_path, "settings")
    store.save("a", RECORD)
    store.save("b", RECORD)
    with Database(tmp_path) as database:
        database.execute(f"{damage} WHERE key = 'a'")
    assert store.load("a", Record) is None
    assert "stage 'a' in" in caplog.text
    assert store.load("b", Record).names == ("a", "b")
    store.save("a", RECORD)
    assert store.load("a", Record).names == ("a", "b")


def test_a_record_is_replaced_whole(tmp_path):
    store = StageStore(tmp_path, "settings")
    store.save("a", RECORD)
    store.save("a", Record(np.zeros(3), (), (), False))
    np.testing.assert_array_equal(store.load("a", Record).numbers, np.zeros(3))


def test_a_copy_in_another_process_is_the_same_store(tmp_path):
    pickle.loads(pickle.dumps(StageStore(tmp_path, "settings"))).save("a", RECORD)
    assert StageStore(tmp_path, "settings").load("a", Record).names == ("a", "b")


def test_stages_depend_on_what_was_given(tmp_path):
    store = StageStore(tmp_path, "settings")
    ones = np.ones((2, 3))
    store.given(ones).save("a", RECORD)
    assert store.given(ones).load("a", Record).names == ("a", "b")
    for other in (store, store.given(ones.T), store.given(ones.astype(np.float32)), store.given(ones, ones)):
        assert other.load("a", Record) is None


def test_without_a_folder_nothing_is_kept():
    store = StageStore(None, "settings")
    store.save("a", RECORD)
    assert store.load("a", Record) is None
    assert float(store.answers("a", resume=True).answer(np.zeros(1), lambda: (np.ones(1),))[0][0]) == 1
    with open_store(None, "settings") as opened:
        assert opened.folder is None


@pytest.mark.parametrize(
    ("fingerprint", "key", "resume", "known"),
    [("s", "a", True, 1), ("s", "a", False, 0), ("t", "a", True, 0), ("s", "b", True, 0)],
)
def test_answers_belong_to_their_stage_and_settings(tmp_path, fingerprint, key, resume, known):
    with StageStore(tmp_path, "s").answers("a", resume=False) as answers:
        answers.answer(np.zeros(1), lambda: (np.ones(1),))
    with StageStore(tmp_path, fingerprint).answers(key, resume=resume) as answers:
        answers.answer(np.zeros(1), lambda: (np.ones(1),))
    assert answers.replayed == known


def test_other_blas_threads_use_no_answers(tmp_path):
    store = StageStore(tmp_path, "s")
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"), store.answers("a", resume=True) as answers:
            answers.answer(np.zeros(1), lambda: (np.ones(1),))
        assert answers.replayed == 0


def _fill(folder):
    with open_store(folder, "s") as store:
        store.save("a", RECORD)
        with store.answers("b", resume=False) as answers:
            answers.answer(np.zeros(1), lambda: (np.ones(1),))


def test_a_run_goes_on_or_begins_anew(tmp_path):
    _fill(tmp_path)
    with open_store(tmp_path, "s", resume=True) as store:
        assert store.load("a", Record) is not None
        with store.answers("b", resume=True) as answers:
            answers.answer(np.zeros(1), lambda: pytest.fail("known already"))
    with open_store(tmp_path, "s") as store:
        assert store.load("a", Record) is None
        with store.answers("b", resume=True) as answers:
            answers.answer(np.zeros(1), lambda: (np.ones(1),))
        assert answers.computed == 1


def test_a_run_that_begins_anew_keeps_jobs_and_records(tmp_path):
    _fill(tmp_path)
    with Database(tmp_path) as database:
        database.execute("INSERT INTO submission VALUES ('paid', '', '', '', '', '', '')")
        database.execute(
            "INSERT INTO batch (submission, number, start, stop, state) VALUES ('paid', 0, 0, 1, 'submitted')"
        )
        database.execute("INSERT INTO record VALUES ('sweep', 'cell', '', '{}')")
    with open_store(tmp_path, "s"), Database(tmp_path) as database:
        for table in ("submission", "batch", "record"):
            assert database.rows(f"SELECT count(*) FROM {table}") == [(1,)]


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with (
        open_store(tmp_path, "s"),
        pytest.raises(StoreError, match="another run or command is"),
    ):
        _fill(tmp_path)
    _fill(tmp_path)


@pytest.mark.parametrize(("fingerprint", "remarks"), [("s", 0), ("other", 1)])
def test_stages_of_other_settings_are_remarked_on(tmp_path, caplog, fingerprint, remarks):
    with open_store(tmp_path, fingerprint, resume=True):
        pass
    assert not caplog.records
    with open_store(tmp_path, "s") as store:
        store.given(np.zeros(1)).save("a", RECORD)
    with open_store(tmp_path, fingerprint, resume=True):
        pass
    assert len(caplog.records) == remarks
    assert all("stages of other settings or versions" in record.message for record in caplog.records)

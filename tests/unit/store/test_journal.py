from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.store import Journal


def _answers(journal, questions):
    """Squares of the questions, and how many of them were computed."""
    computed = []

    def square(x):
        computed.append(x)
        return np.array(x**2), np.full((2, 0), x)

    found = [journal.answer(np.array([x]), lambda x=x: square(x)) for x in questions]
    return [float(square[0]) for square in found], computed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "work.journal"


@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_goes_on_where_it_stopped(path, done):
    questions = [1.0, 2.0, 3.0, 2.0, 0.1]
    with Journal(path, "settings") as journal:
        _answers(journal, questions[:done])
    with Journal(path, "settings", resume=True) as journal:
        found, computed = _answers(journal, questions)
    assert found == [x**2 for x in questions]
    assert computed == questions[done:]
    assert (journal.replayed, journal.computed) == (done, len(questions) - done)


def test_keeps_every_bit_and_shape(path):
    numbers = np.random.default_rng(0).standard_normal((3, 4)) * 1e-300
    with Journal(path) as journal:
        journal.answer(np.zeros(2), lambda: (numbers, np.array(np.inf), np.empty(0)))
    with Journal(path, resume=True) as journal:
        found = journal.answer(np.zeros(2), lambda: pytest.fail("known already"))
    np.testing.assert_array_equal(found[0], numbers)
    assert found[1] == np.inf
    assert found[1].shape == ()
    assert found[2].shape == (0,)


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_torn_end_is_cut_off(path, cut):
    with Journal(path) as journal:
        _answers(journal, [1.0, 2.0, 3.0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with Journal(path, resume=True) as journal:
        assert _answers(journal, [1.0, 2.0, 3.0])[1] == [3.0]
    assert path.read_bytes() == whole


def test_every_prefix_of_a_file_can_be_resumed(path):
    with Journal(path, "f") as journal:
        _answers(journal, [1.0, 2.0])
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with Journal(path, "f", resume=True) as journal:
            assert _answers(journal, [1.0, 2.0])[0] == [1.0, 4.0]
        assert path.read_bytes() == whole


def test_a_flipped_bit_ends_the_known_answers(path):
    with Journal(path) as journal:
        _answers(journal, [1.0, 2.0])
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))
    with Journal(path, resume=True) as journal:
        assert _answers(journal, [1.0, 2.0]) == ([1.0, 4.0], [2.0])


@pytest.mark.parametrize(("fingerprint", "resume"), [("other", True), ("settings", False)])
def test_other_settings_or_no_resume_begin_anew(path, fingerprint, resume):
    with Journal(path, "settings") as journal:
        _answers(journal, [1.0])
    with Journal(path, fingerprint, resume=resume) as journal:
        assert _answers(journal, [1.0])[1] == [1.0]


@pytest.mark.parametrize("question", [np.array([2.0]), np.array([[1.0]]), np.array([1.0, 1.0]), np.empty(0)])
def test_the_answer_to_another_question_is_refused(path, question):
    with Journal(path) as journal:
        journal.answer(np.array([1.0]), lambda: (np.zeros(1),))
    with Journal(path, resume=True) as journal, pytest.raises(TrainingError, match="answer to question 1"):
        journal.answer(question, lambda: (np.zeros(1),))


def test_without_a_file_everything_is_computed():
    journal = Journal()
    assert _answers(journal, [1.0, 1.0])[1] == [1.0, 1.0]
    journal.remove()


def test_removing_deletes_the_file(path):
    journal = Journal(path)
    _answers(journal, [1.0])
    assert path.exists()
    journal.remove()
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="journal .*file/x"):
        Journal(tmp_path / "file" / "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_named(path):
    journal = Journal(path)
    journal.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        journal._file = full
        with pytest.raises(TrainingError, match=r"work.journal: No space left"):
            journal.answer(np.zeros(1), lambda: (np.zeros(1),))

import signal
import subprocess
import sys

import numpy as np
import pytest

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store import AnswerLog, Database


def _answers(answers, questions):
    """Squares of the questions, and how many of them were computed."""
    computed = []

    def square(x):
        computed.append(x)
        return np.array(x**2), np.full((2, 0), x)

    found = [answers.answer(np.array([x]), lambda x=x: square(x)) for x in questions]
    return [float(square[0]) for square in found], computed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder"


@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_goes_on_where_it_stopped(path, done):
    questions = [1.0, 2.0, 3.0, 2.0, 0.1]
    with AnswerLog(path, "settings") as answers:
        _answers(answers, questions[:done])
    with AnswerLog(path, "settings", resume=True) as answers:
        found, computed = _answers(answers, questions)
    assert found == [x**2 for x in questions]
    assert computed == questions[done:]
    assert (answers.replayed, answers.computed) == (done, len(questions) - done)


def test_keeps_every_bit_and_shape(path):
    numbers = np.random.default_rng(0).standard_normal((3, 4)) * 1e-300
    with AnswerLog(path) as answers:
        answers.answer(np.zeros(2), lambda: (numbers, np.array(np.inf), np.empty(0)))
    with AnswerLog(path, resume=True) as answers:
        found = answers.answer(np.zeros(2), lambda: pytest.fail("known already"))
    np.testing.assert_array_equal(found[0], numbers)
    assert found[1] == np.inf
    assert found[1].shape == ()
    assert found[2].shape == (0,)


def test_a_kill_keeps_every_answer_that_was_given(path):
    code = (
        "import os, sys; import numpy as np; from pathlib import Path\n"
        "from qkd_qiskit.store import AnswerLog\n"
        "answers = AnswerLog(Path(sys.argv[1]))\n"
        "for x in (1.0, 2.0):\n"
        "    answers.answer(np.array([x]), lambda: (np.array(x**2), np.full((2, 0), x)))\n"
        "answers.answer(np.array([3.0]), lambda: os.kill(os.getpid(), 9))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    with AnswerLog(path, resume=True) as answers:
        assert _answers(answers, [1.0, 2.0, 3.0]) == ([1.0, 4.0, 9.0], [3.0])


def test_an_answer_that_another_process_has_stored_meanwhile_stays(path):
    with AnswerLog(path, resume=True) as late, AnswerLog(path, resume=True) as early:
        _answers(late, [1.0, 2.0])
        assert _answers(early, [1.0, 2.0, 3.0])[0] == [1.0, 4.0, 9.0]
    with AnswerLog(path, resume=True) as answers:
        assert _answers(answers, [1.0, 2.0, 3.0])[1] == []


@pytest.mark.parametrize(("fingerprint", "resume"), [("other", True), ("settings", False)])
def test_other_settings_or_no_resume_begin_anew(path, fingerprint, resume):
    with AnswerLog(path, "settings") as answers:
        _answers(answers, [1.0])
    with AnswerLog(path, fingerprint, resume=resume) as answers:
        assert _answers(answers, [1.0])[1] == [1.0]


@pytest.mark.parametrize("question", [np.array([2.0]), np.array([[1.0]]), np.array([1.0, 1.0]), np.empty(0)])
def test_the_answer_to_another_question_is_refused(path, question):
    with AnswerLog(path) as answers:
        answers.answer(np.array([1.0]), lambda: (np.zeros(1),))
    with AnswerLog(path, resume=True) as answers, pytest.raises(StoreError, match="answer to question 1"):
        answers.answer(question, lambda: (np.zeros(1),))


def test_without_a_file_everything_is_computed():
    answers = AnswerLog()
    assert _answers(answers, [1.0, 1.0])[1] == [1.0, 1.0]
    answers.remove()


def test_removing_deletes_the_answers_of_this_training_alone(path):
    for key in ("one", "two"):
        with AnswerLog(path, key=key) as answers:
            _answers(answers, [1.0])
    AnswerLog(path, key="one", resume=True).remove()
    with Database(path) as database:
        assert database.rows("SELECT key FROM answer") == [("two",)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open .*file/x/run.sqlite"):
        AnswerLog(tmp_path / "file" / "x")


def test_a_full_disk_is_named(path):
    with AnswerLog(path) as answers:
        ((pages,),) = answers._database.rows("PRAGMA page_count")
        answers._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match=r"run.sqlite: .*disk is full"):
            answers.answer(np.zeros(1), lambda: (np.zeros(100_000),))

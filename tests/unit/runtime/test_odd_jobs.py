"""Jobs whose answers nobody expects: none of them holds up another, and each has a way out."""

from __future__ import annotations

import enum
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.providers import JobStatus

from qkd_qiskit.errors import ServiceError, SubmissionError
from qkd_qiskit.runtime.ibm import IBMService
from qkd_qiskit.runtime.odd_jobs import count_fault
from qkd_qiskit.runtime.service import JobCounts, JobState
from qkd_qiskit.runtime.status import read_status


class Made(enum.Enum):
    OVER = "CANCELLED - MADE UP"
    CANCELLED_BY_SYSTEM = 7


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")


def raises():
    raise ConnectionError("no such job")


ENDED = [
    ("CANCELLED", "cancelled"),
    ("CANCELLED - RAN TOO LONG", "cancelled"),
    ("Cancelled - something of tomorrow", "cancelled"),
    ("cancelled", "cancelled"),
    ("canceled: by the operator", "cancelled"),
    ("CANCELLED_RAN_TOO_LONG", "cancelled"),
    ("CancelledRanTooLong", "cancelled"),
    ("JobStatus.CANCELLED", "cancelled"),
    ("job has been cancelled", "cancelled"),
    (JobStatus.CANCELLED, "cancelled"),
    (Made.OVER, "cancelled"),
    (Made.CANCELLED_BY_SYSTEM, "cancelled"),
    (b"Cancelled", "cancelled"),
    ("  FAILED  ", "failed"),
    ("Error", "failed"),
    ("ERROR - RAN TOO LONG", "failed"),
    (JobStatus.ERROR, "failed"),
]
ODD = [None, "", "PAUSED", "paused - by the operator", "NOT CANCELLED", 42, object, [], "\x1b[31m", "\ud800"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *ENDED,
        ("DONE", "done"),
        ("Completed", "done"),
        (JobStatus.DONE, "done"),
        ("Running - 3 of 4", "running"),
        ("CANCELLING", "running"),
        ("queued (position 3)", "queued"),
        (JobStatus.INITIALIZING, "queued"),
        *[(answer, "unknown") for answer in ODD],
    ],
)
def test_the_first_word_of_a_status_counts(answer, expected):
    assert read_status(answer)[0] == expected


@given(st.text() | st.none() | st.integers() | st.binary())
def test_any_answer_is_read_and_told_in_one_printable_line(answer):
    status, said = read_status(answer)
    assert status in {"queued", "running", "done", "failed", "cancelled", "unknown"}
    assert said.isprintable()
    assert len(said) <= 300


@given(
    st.sampled_from(["cancelled", "Cancelled", "CANCELLED"]), st.text().filter(lambda t: not t[:1].isalpha())
)
def test_whatever_follows_cancelled_is_cancelled(word, rest):
    assert read_status(word + rest)[0] == "cancelled"


def state_of(status, error_message=lambda: None):
    job = SimpleNamespace(status=status, error_message=error_message)
    client = SimpleNamespace(backend=lambda name: None, job=lambda job_id: job)
    return IBMService("x", client=client).state("a job")


def test_why_a_job_was_stopped_is_kept():
    said = "CANCELLED - RAN TOO LONG"
    assert state_of(lambda: said) == JobState("cancelled", said)
    assert state_of(lambda: said, lambda: "after 60 s") == JobState("cancelled", f"{said}; after 60 s")
    assert state_of(lambda: "CANCELLED") == JobState("cancelled", "")
    assert state_of(lambda: "DONE") == JobState("done", "")


def test_a_reason_that_cannot_be_had_does_not_hide_the_state():
    assert state_of(lambda: "ERROR", raises) == JobState("failed", "no reason given")
    assert state_of(lambda: "ERROR", lambda: 9999) == JobState("failed", "9999")


def test_a_client_that_stumbles_once_is_asked_again():
    answers = iter([raises, lambda: "ERROR"])
    assert state_of(lambda: next(answers)()).status == "failed"


def submitted(bench, **odd):
    """A ledger of four submitted batches, and a client for which batch 0 is odd as told."""
    ledger, client = bench.open(), bench.client()
    bench.runner(ledger, client).submit()
    for name, value in odd.items():
        setattr(client, name, value)
    return ledger, client


def states(ledger):
    return [batch.state for batch in ledger.batches("qkd-test")]


ODD_ANSWERS = [*[lambda answer=answer: answer for answer in ODD], raises, Unprintable]


@pytest.mark.parametrize("says", ODD_ANSWERS)
@pytest.mark.parametrize("wait", [False, True])
def test_one_odd_job_does_not_keep_the_others(says, wait, bench):
    ledger, client = submitted(bench, odd={"b0-a1": says})
    with ledger:
        with pytest.raises(ServiceError, match=r"1 of 4 jobs answer oddly: .*--cancel.*--retry.*--forget 0"):
            bench.runner(ledger, client).collect(wait=wait)
        assert states(ledger) == ["submitted", "done", "done", "done"]
        np.testing.assert_array_equal(ledger.counts("qkd-test")[0], np.arange(2, 7))
        assert ledger.batches("qkd-test")[0].message
        # It was odd for a while only.
        client.odd = {}
        assert bench.runner(ledger, client).collect()
    bench.check()
    with bench.open() as ledger:
        assert {batch.message for batch in ledger.batches("qkd-test")} == {""}


@pytest.mark.parametrize(("answer", "expected"), ENDED)
def test_jobs_that_ended_in_any_words_are_sent_again_when_asked(answer, expected, bench):
    ledger, client = submitted(bench, odd={"b0-a1": lambda: answer})
    with ledger:
        runner = bench.runner(ledger, client)
        assert runner.collect()
        assert states(ledger) == [expected, "done", "done", "done"]
        assert runner.retry() == 1
        runner.submit()
        assert runner.collect()
        assert states(ledger) == ["done"] * 4
        # What the lost job was charged is not forgotten.
        assert ledger.former_seconds("qkd-test") == 1.5


@pytest.mark.parametrize("says", ODD_ANSWERS)
def test_odd_jobs_are_cancelled(says, bench):
    ledger, client = submitted(bench, odd={"b0-a1": says, "b2-a1": says})
    with ledger:
        runner = bench.runner(ledger, client)
        assert runner.cancel() == 2
        assert states(ledger) == ["cancelled", "done", "cancelled", "done"]
        assert runner.warnings == []
        assert runner.collect()


@pytest.mark.parametrize("says", ODD_ANSWERS)
def test_odd_jobs_are_cancelled_and_sent_again(says, bench):
    ledger, client = submitted(bench, odd={"b0-a1": says})
    with ledger:
        runner = bench.runner(ledger, client)
        assert runner.retry() == 1
        runner.submit()
        assert runner.collect()
        assert states(ledger) == ["done"] * 4
        assert bench.client().tags()[:2] == ["qkd-test-b0-a1", "qkd-test-b0-a2"]
        assert runner.strangers() == ()


def test_a_job_of_unknown_status_that_cannot_be_cancelled_is_given_up_with_a_warning(bench):
    ledger, client = submitted(bench, odd={"b0-a1": lambda: "PAUSED"}, cancelling="refused")
    with ledger:
        runner = bench.runner(ledger, client)
        assert runner.cancel() == 1
        assert states(ledger) == ["cancelled", "done", "done", "done"]
        (warning,) = runner.warnings
        job_id = ledger.batches("qkd-test")[0].job_id
        assert f"job {job_id} of batch 0 is given up, and may go on and cost: `--adopt 0={job_id}`" in warning


def test_a_silent_job_that_cannot_be_cancelled_stays_until_the_user_forgets_it(bench):
    ledger, client = submitted(bench, odd={"b0-a1": raises}, cancelling="refused")
    with ledger:
        runner = bench.runner(ledger, client)
        with pytest.raises(ServiceError, match=r"cancelled 0 batches, not all: .*cannot be.*--forget 0"):
            runner.cancel()
        assert runner.retry() == 0
        assert states(ledger) == ["submitted", "done", "done", "done"]
        runner.forget(0)
        assert states(ledger)[0] == "cancelled"
        assert "may go on and cost" in runner.warnings[0]
        # The user changes his mind: nothing is paid twice.
        client.odd = {}
        runner.adopt(0, ledger.batches("qkd-test")[0].job_id)
        assert runner.collect()
    bench.check()


def test_a_job_that_answers_is_not_forgotten(bench):
    ledger, client = submitted(bench, odd={"b0-a1": lambda: "RUNNING"})
    with ledger:
        runner = bench.runner(ledger, client)
        with pytest.raises(SubmissionError, match="batch 0 is not in doubt: its job .* answers; `--cancel`"):
            runner.forget(0)
        with pytest.raises(SubmissionError, match="batch 9 is not in doubt: there is none"):
            runner.forget(9)
        runner.collect(wait=False)
        with pytest.raises(SubmissionError, match="batch 1 is not in doubt: it is done"):
            runner.forget(1)


def test_a_job_of_another_batch_is_not_adopted(bench):
    ledger, client = submitted(bench, odd={"b0-a1": lambda: "CANCELLED"})
    with ledger:
        runner = bench.runner(ledger, client)
        runner.collect()
        other = ledger.batches("qkd-test")[1].job_id
        with pytest.raises(
            SubmissionError, match=f"expected a job of batch 0, found {other} of qkd-test-b1-a1"
        ):
            runner.adopt(0, other)
        client.listing = "broken"
        with pytest.raises(ServiceError, match="cannot list jobs: ConnectionError: no list"):
            runner.adopt(0, other)


def test_waiting_goes_on_while_others_run_and_then_not_for_ever(bench):
    runs = iter(["RUNNING"] * 20)
    odd = {"b0-a1": lambda: "PAUSED", "b1-a1": lambda: next(runs, "DONE")}
    ledger, client = submitted(bench, odd=odd)
    with ledger:
        before = bench.clock.now
        with pytest.raises(ServiceError, match="unknown status PAUSED"):
            bench.runner(ledger, client).collect()
        assert states(ledger) == ["submitted", "done", "done", "done"]
        assert 20 * 5 < bench.clock.now - before < 30 * 5


def test_many_odd_jobs_are_told_in_one_line(bench):
    ledger, client = submitted(bench, odd={"-a1": lambda: None})
    with (
        ledger,
        pytest.raises(ServiceError, match=r"4 of 4 jobs answer oddly: .*; and 1 more; nothing is lost"),
    ):
        bench.runner(ledger, client).collect()


@pytest.mark.parametrize("cancelling", ["granted", "refused"])
def test_results_that_cannot_be_read_keep_nothing_back(cancelling, bench):
    ledger, client = submitted(bench, cancelling=cancelling)
    with ledger:
        runner = bench.runner(ledger, client)
        job_id, read = ledger.batches("qkd-test")[0].job_id, runner.service.counts

        def damaged(wanted):
            found = read(wanted)
            return JobCounts(found.counts[:0], found.calibration, None) if wanted == job_id else found

        runner.service.counts = damaged
        with pytest.raises(ServiceError, match="batch 0: expected 2 rows of 50 shots, found"):
            runner.collect()
        assert states(ledger) == ["submitted", "done", "done", "done"]
        # Paid results are not given up by a command for all jobs.
        with pytest.raises(ServiceError, match="is done, but expected 2 rows .*--forget 0"):
            runner.cancel()
        assert runner.retry() == 0
        assert states(ledger)[0] == "submitted"
        runner.service.counts = read
        assert runner.collect()
    bench.check()


def test_a_listed_job_with_odd_tags_does_not_hide_the_others(bench):
    ledger, client = submitted(bench)
    with ledger:
        jobs = client.jobs

        def with_an_odd_one(**options):
            strangers = [
                SimpleNamespace(job_id=lambda n=n: f"odd-{n}", tags=odd) for n, odd in enumerate(TAGS)
            ]
            return [*jobs(**options), *strangers]

        client.jobs = with_an_odd_one
        assert bench.runner(ledger, client).strangers() == tuple(f"odd-{n}" for n in range(len(TAGS)))


TAGS = [None, "qkd-test", 7, [None, 3], {"tag": 1}]
SETTINGS = {"shots": 50, "twirling": False, "mitigate": True}


@pytest.mark.parametrize(
    ("counts", "calibration", "fault"),
    [
        ([[50, 0], [20, 30]], [[50, 0], [0, 50]], None),
        (
            [[50, 0], [20, 30]],
            [[50, 0]],
            r"expected counts \(2, 2\) of the calibration circuits, found \(1, 2\)",
        ),
        ([[50, 0], [20, 30]], [[50, 0], [0, 0]], "of the calibration circuits"),
        ([[50, 0], [20, 30]], [[50, 0, 0, 0]] * 2, r"found \(2, 4\)"),
        ([[51, -1], [20, 30]], [[50, 0], [0, 50]], "expected 2 rows of 50 shots"),
        ([50, 50], [[50, 0], [0, 50]], "expected 2 rows of 50 shots"),
    ],
)
def test_counts_that_nobody_asked_for_are_told(counts, calibration, fault):
    found = count_fault(JobCounts(np.array(counts), np.array(calibration), None), 2, SETTINGS)
    assert found is None if fault is None else fault.replace("\\", "") in found


ODD_METRICS = [
    None,
    {},
    {"usage": None},
    {"usage": {"quantum_seconds": "many"}},
    {"usage": {"quantum_seconds": -1}},
]


@pytest.mark.parametrize("metrics", [*[lambda found=found: found for found in ODD_METRICS], raises])
def test_a_charge_that_cannot_be_read_loses_no_counts_and_is_asked_for_later(metrics, bench):
    ledger, client = submitted(bench, metrics=metrics)
    with ledger:
        assert bench.runner(ledger, client).collect()
        assert {batch.seconds for batch in ledger.batches("qkd-test")} == {None}
        client.metrics = lambda: {"usage": {"qpu_charge_time_seconds": 1.5, "status": "complete"}}
        assert bench.runner(ledger, client).collect()
    bench.check()

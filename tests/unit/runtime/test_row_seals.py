"""Flipped bits in texts and numbers of the ledger are damage: told in one line, mended from the service."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime import Ledger
from qkd_qiskit.runtime.row_seals import BATCH_FIELDS
from qkd_qiskit.services import Destination, chosen_submission, missing_lines, recover_jobs
from qkd_qiskit.store.database import DATABASE_FILE


@pytest.fixture
def client(bench, monkeypatch):
    client = bench.client()
    bench.submission.settings["local"] = False
    monkeypatch.setattr(
        "qkd_qiskit.services.recovery.destination",
        lambda run, backend, *, local: Destination(
            None, bench.runner(None, client, bench.submission).service, local=False
        ),
    )
    return client


def change(bench, statement):
    connection = sqlite3.connect(bench.folder / DATABASE_FILE)
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "wrong",
    ["state = 'planned'", "state = 'failed'", "start = 1", "stop = 5", "attempt = 2", "tag = 'other'",
     "intended = 2.5", "job_id = 'other'", "message = 'hm'", "seconds = 1000.0", "seconds = NULL"],
)  # fmt: skip
def test_a_changed_value_of_a_batch_is_seen_and_mended(wrong, bench, client):
    bench.work()
    sent = client.tags()
    change(bench, f"UPDATE batch SET {wrong} WHERE number = 1")
    with bench.open() as ledger, pytest.raises(SubmissionError, match="batch 1 of qkd-test: .*--recover"):
        ledger.batches("qkd-test")
    said = recover_jobs(bench.folder)
    assert "qkd-test: 1 batches were damaged or lost" in said
    bench.work()
    bench.check()
    assert client.tags() == sent


@pytest.mark.parametrize(
    "wrong", ["DELETE FROM batch WHERE number = 2", "UPDATE batch SET number = 9 WHERE number = 2"]
)
def test_a_batch_that_is_lost_or_misplaced_comes_back(wrong, bench, client):
    bench.work()
    change(bench, wrong)
    with bench.open() as ledger, pytest.raises(SubmissionError, match="of qkd-test: its record is damaged"):
        ledger.batches("qkd-test")
    assert "qkd-test: 1 batches were damaged or lost" in recover_jobs(bench.folder)
    bench.work()
    bench.check()


@pytest.mark.parametrize(
    "wrong",
    ["settings = replace(settings, '60', '61')", "created = '2026'", "backend = 'other'"],
)
def test_a_changed_submission_comes_back_from_its_plan(wrong, bench, client):
    bench.work()
    change(bench, f"UPDATE submission SET {wrong}")
    with bench.open() as ledger:
        # Opening the bench stores the submission again, as it is not among the readable ones.
        assert len(ledger.submissions()) == 1
    change(bench, f"UPDATE submission SET {wrong}")
    assert any("found again in" in line for line in recover_jobs(bench.folder))
    bench.work()
    bench.check()


def test_changed_charges_of_former_jobs_are_not_believed(bench, client):
    client.status = "ERROR"
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        runner.submit()
        runner.collect()
        client.status = "DONE"
        runner.retry()
        assert ledger.former_seconds("qkd-test") == 4 * 1.5
        runner.submit()
    change(bench, "UPDATE former_charge SET seconds = 0.5 WHERE rowid = 2")
    with bench.open() as ledger:
        with pytest.raises(SubmissionError, match="what is known of its former jobs is damaged"):
            ledger.former_seconds("qkd-test")
        with pytest.raises(SubmissionError, match="what is known of its former jobs is damaged"):
            ledger.former("qkd-test")
    assert "qkd-test: what its former jobs were charged is lost" in recover_jobs(bench.folder)
    with bench.open() as ledger:
        assert ledger.former_seconds("qkd-test") == 0.0
        bench.runner(ledger, client).collect()
        assert {batch.state for batch in ledger.batches("qkd-test")} == {"done"}


def test_a_ledger_of_an_earlier_version_is_taken_as_it_is_and_sealed_when_written(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    change(bench, "DELETE FROM ledger_seal")
    with bench.open() as ledger:
        assert len(ledger.batches("qkd-test")) == 4
        bench.runner(ledger, client).collect()
    bench.check()
    change(bench, "UPDATE batch SET seconds = 9.0 WHERE number = 0")
    with bench.open() as ledger, pytest.raises(SubmissionError, match="batch 0 of qkd-test"):
        ledger.batches("qkd-test")


def test_an_emptied_ledger_names_the_way_back(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    for path in bench.folder.glob(f"{DATABASE_FILE}*"):
        path.unlink()
    (bench.folder / DATABASE_FILE).write_bytes(b"")
    with Ledger(bench.folder) as ledger:
        expected = r"the ledger holds no submission; qkd-test has a plan file, .*--recover` finds its jobs"
        with pytest.raises(SubmissionError, match=expected):
            chosen_submission(ledger, None)
        with pytest.raises(SubmissionError, match="no submission other; qkd-test has a plan file"):
            chosen_submission(ledger, "other")
    recover_jobs(bench.folder)
    with bench.open() as ledger:
        assert chosen_submission(ledger, None).id == "qkd-test"
        assert missing_lines(ledger) == ()
    bench.work()
    bench.check()


def test_a_lost_submission_beside_others_is_told(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
        ledger.add(replace(bench.submission, id="qkd-other"), bench.ranges)
    change(bench, "DELETE FROM submission WHERE id = 'qkd-test'")
    with bench.open() as ledger:
        (line,) = missing_lines(ledger)
        assert line.startswith("submission qkd-test: its record is lost; `jobs ")


def test_every_field_of_a_batch_is_sealed():
    assert {"state", "start", "stop", "seconds", "job_id", "message"} <= set(BATCH_FIELDS.split(", "))

"""A ledger that is lost or damaged: what was paid for is found again, and nothing is sent."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.errors import ServiceError, StoreError, SubmissionError
from qkd_qiskit.runtime import Ledger
from qkd_qiskit.runtime.submission_record import plan_files, read_plan
from qkd_qiskit.services import Destination, find_equal, open_ledger, recover_jobs, take_over
from qkd_qiskit.store.database import DATABASE_FILE


@pytest.fixture
def client(bench, monkeypatch):
    """The service that recovery asks; it is a real device's, for what the ledger says."""
    client = bench.client()
    bench.submission.settings["local"] = False

    def found(run, backend, *, local):
        assert (run, backend, local) == (bench.folder, "ibm_standin", False)
        with_service = bench.runner(None, client, bench.submission).service
        return Destination(None, with_service, local=False)

    monkeypatch.setattr("qkd_qiskit.services.recovery.destination", found)
    return client


def lose(bench):
    for path in bench.folder.glob(f"{DATABASE_FILE}*"):
        path.unlink()


def overwrite(bench):
    (bench.folder / DATABASE_FILE).write_bytes(b"no database, but long enough to be looked at" * 60)


def empty(bench):
    lose(bench)
    (bench.folder / DATABASE_FILE).write_bytes(b"")


def cut(bench):
    path = bench.folder / DATABASE_FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def riddle(bench):
    path = bench.folder / DATABASE_FILE
    data = bytearray(path.read_bytes())
    for place in range(5000, len(data) - 60, 400):
        data[place : place + 50] = b"\xff" * 50
    path.write_bytes(bytes(data))


DAMAGES = [lose, overwrite, empty, cut, riddle]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("collected", [False, True])
def test_jobs_are_found_again_by_their_tags(damage, collected, bench, client):
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        runner.submit()
        if collected:
            runner.collect()
    sent = client.tags()
    damage(bench)
    said = recover_jobs(bench.folder)
    assert "qkd-test: 4 jobs found again at the service by their tags" in said
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        runner.submit()
        runner.collect()
    assert client.tags() == sent
    bench.check()
    assert recover_jobs(bench.folder) == ()


@pytest.mark.parametrize("damage", [overwrite, cut, riddle])
def test_a_damaged_file_is_kept(damage, bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    damage(bench)
    before = (bench.folder / DATABASE_FILE).read_bytes()
    for number in (1, 2):
        assert f"it is kept as {DATABASE_FILE}.damaged-{number}" in recover_jobs(bench.folder)[0]
        kept = (bench.folder / f"{DATABASE_FILE}.damaged-{number}").read_bytes()
        assert kept[5000:] == before[5000:]
        (bench.folder / DATABASE_FILE).write_bytes(before)


def test_only_what_was_sent_is_found_and_nothing_is_sent(bench, client):
    accept, calls = client.prepare, []

    def dies(mode, request):
        calls.append(request)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return accept(mode, request)

    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        runner.service._prepare = dies
        with pytest.raises(KeyboardInterrupt):
            runner.submit()
    lose(bench)
    recover_jobs(bench.folder)
    assert len(client.tags()) == 2
    with bench.open() as ledger:
        assert [batch.state for batch in ledger.batches("qkd-test")] == ["submitted"] * 2 + ["planned"] * 2
    bench.work()
    bench.check()


def test_the_last_of_several_attempts_is_the_job(bench, client):
    client.status = "ERROR"
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        runner.submit()
        runner.collect()
        client.status = "DONE"
        runner.retry()
        runner.submit()
    lose(bench)
    recover_jobs(bench.folder)
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        assert runner.collect()
        assert {batch.tag[-3:] for batch in ledger.batches("qkd-test")} == {"-a2"}
        assert {batch.state for batch in ledger.batches("qkd-test")} == {"done"}
        assert len(ledger.former("qkd-test")) == 4
        assert runner.strangers() == ()
        # A further attempt has a number of its own.
        (batch, *_) = ledger.batches("qkd-test")
        ledger.ended(batch, "failed", "")
        assert runner.retry() == 1
        runner.submit()
    assert "qkd-test-b0-a3" in client.tags()


def test_counts_that_are_damaged_are_collected_again(bench, client):
    bench.work()
    connection = sqlite3.connect(bench.folder / DATABASE_FILE)
    connection.execute("UPDATE batch SET counts = X'0102' WHERE number = 1")
    connection.commit()
    connection.close()
    with (
        bench.open() as ledger,
        pytest.raises(SubmissionError, match="batch 1 of qkd-test: its stored counts"),
    ):
        ledger.counts("qkd-test")
    assert recover_jobs(bench.folder) == ("qkd-test: the counts of 1 batches are collected again",)
    bench.work()
    bench.check()


def test_a_service_that_does_not_answer_keeps_what_was_found(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    lose(bench)
    client.listing = "broken"
    with pytest.raises(ServiceError, match="qkd-test: cannot list jobs: ConnectionError: no list"):
        recover_jobs(bench.folder)
    client.listing = "whole"
    recover_jobs(bench.folder)
    bench.work()
    bench.check()


def test_a_store_of_a_later_version_is_left_alone(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    connection = sqlite3.connect(bench.folder / DATABASE_FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="expected schema 1, found 99"):
        recover_jobs(bench.folder)
    assert not list(bench.folder.glob("*.damaged*"))


def test_where_nothing_was_planned_nothing_comes_back(tmp_path):
    with pytest.raises(SubmissionError, match="nothing was submitted from .*expected plan files"):
        recover_jobs(tmp_path)


def test_a_damaged_plan_is_told_and_the_others_come_back(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    (plan,) = plan_files(bench.folder)
    plan.with_name("qkd-other.plan.npz").write_bytes(plan.read_bytes()[:200])
    lose(bench)
    assert any("qkd-other.plan.npz: expected a plan of jobs" in line for line in recover_jobs(bench.folder))
    bench.work()
    bench.check()


def test_a_lost_ledger_says_how_it_is_found_again(bench, client):
    with bench.open() as ledger:
        bench.runner(ledger, client).submit()
    overwrite(bench)
    with pytest.raises(
        StoreError, match=r"cannot use .*run.sqlite.*`jobs .* --recover` finds its jobs again"
    ):
        open_ledger(bench.folder)
    lose(bench)
    with pytest.raises(SubmissionError, match=r"has no run.sqlite; `jobs .* --recover` finds its jobs again"):
        open_ledger(bench.folder)


def test_a_plan_holds_the_whole_submission(bench):
    predicted = np.full((bench.samples, 4), 0.25)
    bench.submission = replace(bench.submission, predicted=predicted)
    with bench.open() as ledger:
        ledger.keep_plan(bench.submission)
    (plan,) = plan_files(bench.folder)
    found, ranges = read_plan(plan)
    assert list(ranges) == bench.ranges
    assert (found.id, found.created, found.backend) == ("qkd-test", "2025-01-01T00:00:00", "ibm_standin")
    assert json.dumps(found.settings) == json.dumps(bench.submission.settings)
    assert found.circuit == bench.submission.circuit
    assert found.calibrations == bench.submission.calibrations
    np.testing.assert_array_equal(found.inputs, bench.inputs)
    np.testing.assert_array_equal(found.predicted, predicted)


def test_jobs_of_an_equal_submission_are_found_by_its_fingerprint(bench, client, tmp_path):
    bench.submission.settings["fingerprint"] = "0123456789abcdef" * 4
    plan = SimpleNamespace(submission=replace(bench.submission, id="qkd-new"), ranges=bench.ranges)
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        assert find_equal(runner.service, plan) is None
        runner.submit()
    assert find_equal(runner.service, plan) == "qkd-test"
    lose(bench)
    with Ledger(bench.folder) as ledger:
        taken = take_over(ledger, plan, "qkd-test", runner.service)
        assert taken.id == "qkd-test"
    bench.work()
    bench.check()
    client.listing = "broken"
    with pytest.raises(ServiceError, match="cannot list jobs: .*; nothing was sent"):
        find_equal(runner.service, plan)
    with (
        pytest.raises(ServiceError, match="cannot list jobs: ConnectionError"),
        Ledger(tmp_path / "x") as ledger,
    ):
        take_over(ledger, plan, "qkd-test", runner.service)


def test_packed_copies_on_a_real_device_need_their_plan_file(bench, client):
    bench.submission.settings["packing"] = {}
    plan = SimpleNamespace(submission=bench.submission, ranges=bench.ranges)
    with bench.open() as ledger:
        service = bench.runner(ledger, client).service
        with pytest.raises(SubmissionError, match="qkd-old: expected its plan file in the run's folder jobs"):
            take_over(ledger, plan, "qkd-old", service)
        assert len(ledger.submissions()) == 1

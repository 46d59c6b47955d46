"""What is sent, found again, collected and cancelled, when answers fail but the process lives."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from qiskit.providers import BackendV2, Options

from qkd_qiskit.errors import ServiceError, StoreError, SubmissionError
from qkd_qiskit.runtime.ibm import IBMService, for_hardware
from qkd_qiskit.runtime.ledger import FORMER_FILE, Ledger
from qkd_qiskit.runtime.service_text import safe_line
from qkd_qiskit.services import require_ledger
from qkd_qiskit.store import open_store
from qkd_qiskit.store.database import DATABASE_FILE


def test_an_undisturbed_submission(bench):
    bench.work()
    bench.check()
    bench.work()
    bench.check()


@pytest.mark.parametrize("answer", ["lost", "garbled"])
def test_a_lost_answer_is_found_by_its_tag(answer, bench):
    bench.work(answer=answer)
    bench.check()


def test_a_job_that_is_listed_late_is_waited_for(bench):
    client = bench.client(answer="lost")
    client.hidden_calls = 3
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        runner.submit()
        runner.collect()
    assert bench.clock.now == 1000.0 + 3 * 5
    bench.check()


def test_a_send_that_took_longer_than_jobs_take_to_be_listed(bench):
    client = bench.client(answer="lost")
    client.hidden_calls = 3
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)

        def slow(mode, request):
            # The client tries again for two minutes before it gives up.
            bench.clock.sleep(120)
            return client.prepare(mode, request)

        runner.service._prepare = slow
        runner.submit()
        runner.collect()
    bench.check()


@pytest.mark.parametrize(("later", "waited"), [(-1e6, 60), (1.0, 60), (1e5, 0)])
def test_only_an_old_intent_is_believed_at_once_to_have_no_job(later, waited, bench):
    with bench.open() as ledger:
        batch = ledger.batches("qkd-test")[0]
        ledger.intend(batch, bench.clock.now)
        bench.clock.sleep(later)
        before = bench.clock.now
        assert bench.runner(ledger, bench.client()).recover(ledger.batches("qkd-test")[0]) is False
        assert bench.clock.now - before == waited


def test_a_job_that_never_arrived_is_sent_again_on_resume_only(bench):
    with bench.open() as ledger, pytest.raises(ServiceError, match="nothing was sent twice"):
        bench.runner(ledger, bench.client(answer="never")).submit()
    assert bench.client().tags() == []
    bench.work()
    bench.check()
    assert bench.client().tags()[0] == "qkd-test-b0-a2"


def test_a_refused_job_is_reported_and_stays_planned(bench):
    with bench.open() as ledger:
        with pytest.raises(ServiceError, match="batch 0 was refused: ValueError: unknown option"):
            bench.runner(ledger, bench.client(answer="refused")).submit()
        assert {batch.state for batch in ledger.batches("qkd-test")} == {"planned"}
    bench.work()
    bench.check()


def doubtful(bench, **options):
    """A ledger whose second batch is in doubt; its job was accepted."""
    with bench.open() as ledger:
        client = bench.client()
        runner = bench.runner(ledger, client)
        accept, calls = client.prepare, []

        def run(mode, request):
            calls.append(request)
            if len(calls) == 2:
                client.answer, client.listing = "lost", "broken"
            return accept(mode, request)

        runner.service._prepare = run
        with pytest.raises(ServiceError, match="list is unavailable"):
            runner.submit()
        assert [batch.state for batch in ledger.batches("qkd-test")][:2] == ["submitted", "intent"]


@pytest.mark.parametrize("listing", ["broken", "partial", "empty"])
def test_a_list_that_cannot_be_trusted_stops_everything(bench, listing):
    doubtful(bench)
    before = bench.client().tags()
    options = {"listing": listing}
    client = bench.client(**options)
    if listing == "partial":
        # The list lacks the first job, which was accepted, and the doubtful one, which may have been.
        client.folder.joinpath("unknown").mkdir()
        doubt = [
            p for p in client.folder.glob("*.json") if json.loads(p.read_text())["tags"][-1].endswith("b1-a1")
        ]
        doubt[0].rename(client.folder / "unknown" / doubt[0].name)
    message = "list is unavailable" if listing == "broken" else "lacks known jobs.*--adopt 1=JOB_ID"
    with bench.open() as ledger, pytest.raises(ServiceError, match=message):
        bench.runner(ledger, client).submit()
    if listing == "partial":
        moved = next((client.folder / "unknown").iterdir())
        moved.rename(client.folder / moved.name)
    assert bench.client().tags() == before
    bench.work()
    bench.check()


def test_two_jobs_with_one_tag_are_for_the_user_to_decide(bench):
    doubtful(bench)
    client = bench.client()
    double = next(p for p in client.folder.glob("*.json") if "b1-a1" in p.read_text())
    (client.folder / "second.json").write_text(double.read_text())
    with bench.open() as ledger:
        runner = bench.runner(ledger, client)
        with pytest.raises(ServiceError, match="expected one job with tag qkd-test-b1-a1, found"):
            runner.submit()
        with pytest.raises(SubmissionError, match="batch 0 is not in doubt"):
            runner.adopt(0, "second")
        with pytest.raises(SubmissionError, match="found other without it"):
            runner.adopt(1, "other")
        runner.adopt(1, "second")
        runner.submit()
        runner.collect()
        assert runner.strangers() == (double.stem,)


def test_the_user_may_say_that_there_is_no_job(bench):
    doubtful(bench)
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client())
        with pytest.raises(SubmissionError, match="batch 0 is not in doubt"):
            runner.forget(0)
        runner.forget(1)
        assert ledger.batches("qkd-test")[1].state == "planned"


def test_failed_jobs_end_and_are_sent_again_only_when_asked(bench):
    bench.work(status="ERROR")
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client())
        assert {(b.state, b.message) for b in ledger.batches("qkd-test")} == {("failed", "no reason given")}
        runner.submit()
        assert len(bench.client().tags()) == 4
        assert runner.retry() == 4
        runner.submit()
        runner.collect()
        np.testing.assert_array_equal(ledger.counts("qkd-test")[0], np.arange(7))
        # The failed jobs are known, so that nobody is warned of them.
        assert len(bench.client().tags()) == 8
        assert len(ledger.former("qkd-test")) == 4
        assert runner.strangers() == ()


def test_collecting_without_waiting_says_what_is_under_way(bench):
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client(status="RUNNING"))
        runner.submit()
        assert runner.collect(wait=False) is False
        with pytest.raises(SubmissionError, match="no batch is done yet"):
            ledger.counts("qkd-test")
        assert runner.cancel() == 4
        assert {batch.state for batch in ledger.batches("qkd-test")} == {"cancelled"}
        assert runner.collect() is True


def test_an_unknown_job_is_no_loss(bench):
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client())
        runner.submit()
        for path in (bench.folder / "service").glob("*.json"):
            path.unlink()
        with pytest.raises(ServiceError, match="nothing is lost, ask again later"):
            runner.collect()
        assert {batch.state for batch in ledger.batches("qkd-test")} == {"submitted"}


@pytest.mark.parametrize(
    ("twirling", "shots", "fits"), [(False, 51, False), (True, 64, True), (True, 65, False)]
)
def test_only_twirling_may_add_shots(twirling, shots, fits, bench):
    bench.submission.settings["twirling"] = twirling
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client())
        runner.submit()
        counts = runner.service.counts

        def more(job_id):
            found = counts(job_id)
            found.counts[:, 0] += shots - 50
            return found

        runner.service.counts = more
        if fits:
            assert runner.collect()
        else:
            with pytest.raises(ServiceError, match=rf"expected 2 rows of 50 .*shots, found .* \[{shots}\]"):
                runner.collect()


def test_counts_of_another_shape_are_refused(bench):
    with bench.open() as ledger:
        client = bench.client()
        runner = bench.runner(ledger, client)
        runner.submit()
        path = next(p for p in client.folder.glob("*.json") if "b0-a1" in p.read_text())
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"inputs": record["inputs"][:1]}))
        with pytest.raises(ServiceError, match="expected 2 rows of 50 shots"):
            runner.collect()


def test_a_service_that_does_not_answer_is_reported(bench):
    with bench.open() as ledger:
        client = bench.client(status="RUNNING", listing="broken")
        runner = bench.runner(ledger, client)
        runner.submit()
        with pytest.raises(ServiceError, match="cannot list jobs: ConnectionError: no list"):
            runner.strangers()

        def no_route(name):
            if name == "cancel":
                raise ConnectionError("no route")

        client.faults.step = no_route
        with pytest.raises(ServiceError, match="cannot cancel .*: ConnectionError: no route"):
            runner.cancel()


def test_two_commands_cannot_work_on_one_ledger(bench):
    with bench.open(), pytest.raises(StoreError, match="another run or command is working there"):
        Ledger(bench.folder)
    with bench.open():
        pass


def test_a_damaged_ledger_is_refused_and_leaves_no_lock(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"no database at all, but long enough to be looked at" * 40)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot use .*run.sqlite"):
            Ledger(tmp_path)


def test_jobs_of_an_earlier_version_are_not_sent_again(tmp_path):
    (tmp_path / FORMER_FILE).write_bytes(b"")
    require_ledger(tmp_path)
    with pytest.raises(SubmissionError, match=r"jobs.sqlite: expected none, found the jobs of an earlier"):
        Ledger(tmp_path)


def test_a_new_run_keeps_jobs_that_were_paid_for(bench):
    bench.work()
    with open_store(bench.folder, "another run"):
        pass
    bench.work()
    bench.check()


def test_a_state_is_changed_only_from_where_it_was(bench):
    with bench.open() as ledger:
        batch = ledger.batches("qkd-test")[0]
        ledger.intend(batch, 0.0)
        with pytest.raises(SubmissionError, match="expected state planned in the ledger"):
            ledger.intend(batch, 0.0)


def test_the_submission_comes_back_as_it_was(bench):
    with bench.open():
        pass
    with bench.open() as ledger:
        (found,) = ledger.submissions()
        assert found.circuit == bench.submission.circuit
        assert found.settings == bench.submission.settings
        np.testing.assert_array_equal(found.inputs, bench.inputs)


def test_no_token_is_ever_reported(bench):
    with pytest.raises(SubmissionError, match=r"cannot reach 'ibm_other'.*\(ValueError\)") as caught:
        IBMService("ibm_other", client=bench.client())
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "said",
    [
        "401: token=SECRETSECRET is not known",
        'headers {"Authorization": "Bearer SECRETSECRET", "x": 1}',
        "apikey: 'SECRETSECRET'",
        "the key SECRET" + 38 * "x" + " has expired",
        "x " * 140 + "SECRET" + 122 * "f",
    ],
)
def test_what_the_service_says_is_kept_without_tokens(said, bench):
    for told in (said, ValueError(said)):
        assert "SECRET" not in safe_line(told)
    with bench.open() as ledger:
        client = bench.client(answer="lost", listing="broken")

        def fails(mode, request):
            raise RuntimeError(said)

        runner = bench.runner(ledger, client)
        runner.service._prepare = fails
        with pytest.raises(ServiceError, match="batch 0 was refused: RuntimeError") as caught:
            runner.submit()
    assert "SECRET" not in str(caught.value)
    assert all(b"SECRET" not in file.read_bytes() for file in bench.folder.glob(f"{DATABASE_FILE}*"))


def test_the_reason_of_a_failed_job_is_kept_without_tokens(bench):
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client(status="ERROR"))
        runner.submit()
        for path in (bench.folder / "service").glob("*.json"):
            record = json.loads(path.read_text())
            path.write_text(json.dumps(record | {"message": "code 9999, token: SECRET"}))
        runner.collect()
        assert {batch.message for batch in ledger.batches("qkd-test")} == {"code 9999, token: ..."}
    assert all(b"SECRET" not in file.read_bytes() for file in bench.folder.glob(f"{DATABASE_FILE}*"))


def test_what_is_no_token_stays_as_it_was():
    said = "job d0abcdefghij1234567x of 0f8fad5b-d9cb-469f-a165-70867728950e: https://quantum.cloud.ibm.com/x"
    assert safe_line(said) == said
    assert safe_line(KeyError()) == "KeyError"


def test_a_device_whose_calibration_does_not_come_is_one_line(bench):
    def no_route(self):
        raise ConnectionError("token=SECRET, no route")

    silent = type("Silent", (BackendV2,), dict.fromkeys(BackendV2.__abstractmethods__))
    silent.target, silent._default_options = property(no_route), classmethod(lambda cls: Options())
    client = SimpleNamespace(backend=lambda name: silent(name="ibm_standin"))
    message = "cannot read the calibration of ibm_standin: .*token=..., no route"
    with pytest.raises(SubmissionError, match=message) as caught:
        IBMService("ibm_standin", client=client).device()
    assert "SECRET" not in str(caught.value)


def test_jobs_carry_their_share_of_the_seconds_and_all_tags(bench):
    requests = []
    with bench.open() as ledger:
        client = bench.client()
        runner = bench.runner(ledger, client)
        accept = client.prepare
        runner.service._prepare = lambda mode, request: requests.append(request) or accept(mode, request)
        runner.submit()
    assert [request.max_seconds for request in requests] == [17, 17, 17, 8]
    assert requests[1].tags == ("qkd-qiskit", "qkd-test", "qkd-test-b1-a1")
    np.testing.assert_array_equal(np.concatenate([r.values for r in requests]), bench.inputs)


def test_hardware_gets_no_delays():
    from qkd_qiskit.hardware import transpile_verified
    from qkd_qiskit.vqcnn import VQCNNSpec

    circuit = transpile_verified(VQCNNSpec(3, plan="conv, edge"), "noisy_line").circuit
    bare = for_hardware(circuit)
    counts = dict(circuit.count_ops())
    assert counts.pop("delay") > 0
    assert dict(bare.count_ops()) == counts

"""Copies side by side: what each measures, that they are simulated apart exactly, what their counts say."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit_aer import AerSimulator

from qkd_qiskit.data import Samples
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import load_backend, place_copies
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime import Ledger, LocalService, ModelWorkload, PackingOptions, evaluate_submission
from qkd_qiskit.runtime.estimate import CLOSED_FORM, DRY_RUN
from qkd_qiskit.runtime.job_requests import job_request
from qkd_qiskit.runtime.mitigation import calibration_circuits, has_mitigation
from qkd_qiskit.runtime.packed_circuit import packed_counts, separated
from qkd_qiskit.runtime.packing import CopyRecord, Packing
from qkd_qiskit.runtime.readings import packing_of, read_samples
from qkd_qiskit.runtime.service import JobCounts, ServiceUncertain
from qkd_qiskit.runtime.submission_plan import SubmissionOptions, plan_submission, plan_workloads
from qkd_qiskit.services.packing import saved_line
from qkd_qiskit.simulation import PauliEvaluator, count_agreement
from qkd_qiskit.simulation.noise import with_idle_noise
from qkd_qiskit.vqcnn import VQCNNSpec, without_idle_qubits

SPEC = VQCNNSpec(3, plan="conv", kernels="two_cx", sharing="site", n_outcomes=4)
SMALL = VQCNNSpec(2, plan="conv", kernels="one_cx", n_outcomes=2)
PACKED = PackingOptions(floor=0.5)


@cache
def workload(spec=SPEC, seed=0, samples=20):
    rng = np.random.default_rng(seed)
    encoder = make_encoder("angle", spec.n_qubits, image_shape=(4, 4)).fit(rng.random((20, 16)))
    params = rng.normal(size=spec.n_weights + 1)
    classes = tuple(range(spec.n_outcomes))
    model = SavedModel(spec, params, classes, encoder, "noisy_line", True, 7)
    inputs = rng.normal(size=(samples, spec.n_features))
    return ModelWorkload(model, Samples(inputs, rng.integers(0, spec.n_outcomes, samples)), f"model{seed}")


@cache
def plan(samples=10, shots=200, works=None, local=True, **options):
    wanted = SubmissionOptions(samples, shots, **{"packing": PACKED} | options)
    return plan_workloads(works or (workload(),), load_backend("noisy_line"), wanted, local=local)


def probabilities(circuit, noise):
    """Exact probabilities of all classical bits, readout errors left out, from Aer on the used qubits."""
    measured = {
        circuit.find_bit(item.clbits[0]).index: circuit.find_bit(item.qubits[0]).index
        for item in circuit.data
        if item.operation.name == "measure"
    }
    bare = circuit.remove_final_measurements(inplace=False)
    bare.save_probabilities([measured[bit] for bit in sorted(measured)])
    found = AerSimulator(method="density_matrix", noise_model=noise).run(bare).result()
    return np.asarray(found.data()["probabilities"])


@given(samples=st.integers(1, 60), copies=st.integers(1, 15), models=st.integers(1, 3))
def test_every_sample_of_every_model_is_measured_in_as_few_rows_as_can_be(samples, copies, models):
    records = [CopyRecord(m, (), 0, 0.5, 1, 2) for m in range(models) for _ in range(copies)]
    packing = Packing(tuple(records), samples)
    assert packing.cells.shape == (packing.rows, copies * models)
    assert (packing.rows - 1) * copies < samples <= packing.rows * copies
    for model in range(models):
        own = packing.cells[:, model * copies : (model + 1) * copies]
        times = np.bincount(own.ravel(), minlength=samples)
        assert times.min() >= 1
        assert times.max() - times.min() <= 1
    assert Packing.from_dict(packing.to_dict()) == packing
    stops = [packing.columns(c).stop for c in range(len(records))]
    assert [packing.columns(c).start for c in range(len(records))] == [0, *stops[:-1]]


def test_each_copy_gets_its_own_samples_on_its_own_qubits():
    submission = plan().submission
    packing = packing_of(submission)
    work = workload()
    chosen = np.sort(np.random.default_rng(0).choice(20, size=10, replace=False))
    assert len(packing.copies) == 4
    assert submission.inputs.shape == (3, 4 * SPEC.n_features)
    for c, copy in enumerate(packing.copies):
        samples = chosen[packing.cells[:, c]]
        np.testing.assert_array_equal(submission.inputs[:, packing.columns(c)], work.samples.inputs[samples])
        np.testing.assert_array_equal(submission.labels[:, c], work.samples.labels[samples])
        used = {
            submission.circuit.find_bit(item.qubits[0]).index
            for item in submission.circuit.data
            if item.clbits and submission.circuit.find_bit(item.clbits[0]).registers[0][0].name == f"copy{c}"
        }
        assert used <= set(copy.qubits)
        assert len(used) == copy.bits == 2


def test_copies_simulated_apart_are_exactly_the_copies_together():
    """The joint density matrix of two copies under the device's noise, idle noise too, is their product."""
    device = load_backend("noisy_line")
    submission = plan(packing=PackingOptions(2, 1, 0.5)).submission
    request = job_request(submission, 0, 1)
    together = request.circuit.assign_parameters(
        dict(zip(request.circuit.parameters, request.values[0], strict=True))
    )
    small, active = without_idle_qubits(with_idle_noise(together, None))
    assert small.num_qubits == 6
    joint = probabilities(small, device.noise_model_for(active))
    parts = []
    for one, *_ in separated(request).values():
        alone = one.circuit.assign_parameters(dict(zip(one.circuit.parameters, one.values[0], strict=True)))
        narrow, own = without_idle_qubits(alone)
        assert narrow.num_qubits == 3
        parts.append(probabilities(narrow, device.noise_model_for(own)))
    np.testing.assert_allclose(joint, np.kron(parts[1], parts[0]), atol=1e-12)
    assert np.abs(parts[0] - parts[1]).max() > 1e-3
    assert "delay" in small.count_ops()


def test_local_counts_are_those_of_each_copys_own_circuit(tmp_path):
    device = load_backend("noisy_line")
    submission = plan(shots=20_000).submission
    service = LocalService(tmp_path, device)
    request = job_request(submission, 0, 3)
    found = service.counts(service.submit(request))
    assert found.counts.shape == (3, 4, 4)
    assert found.calibration.shape == (2, 4, 4)
    work, packing = workload(), packing_of(submission)
    copies = place_copies([(SPEC, 7)], device, floor=0.5)
    for c, copy in enumerate(copies):
        exact = PauliEvaluator(copy.transpiled, device.noise_model)
        expected = exact.probabilities(work.model.weights, submission.inputs[:, packing.columns(c)])
        assert count_agreement(found.counts[:, c], expected).agrees
        assert not count_agreement(found.counts[:, c], np.roll(expected, 1, axis=1)).agrees
    again = service.counts(service.submit(replace(request, calibrations=())))
    assert again.calibration.shape == (0, 4, 4)


def test_copies_on_a_device_are_read_together_and_without_delays():
    circuit = plan(local=False).submission.circuit
    names = [item.operation.name for item in circuit.data]
    assert "delay" not in names
    assert names.index("barrier") == len(names) - 9
    assert set(names[-8:]) == {"measure"}
    (barrier,) = (item for item in circuit.data if item.operation.name == "barrier")
    assert set(barrier.qubits) == {item.qubits[0] for item in circuit.data[-8:]}
    assert "barrier" not in plan().submission.circuit.count_ops()


def test_calibration_circuits_read_every_copy():
    circuit = plan().submission.circuit
    zeros, ones = calibration_circuits(circuit)
    assert dict(zeros.count_ops()) == {"measure": 8}
    assert dict(ones.count_ops()) == {"x": 8, "measure": 8}
    places = [
        [(one.find_bit(i.qubits[0]).index, one.find_bit(i.clbits[0]).index) for i in one.data if i.clbits]
        for one in (circuit, ones)
    ]
    assert sorted(places[0]) == sorted(places[1])


def test_counts_of_copies_with_unequal_bits_stand_side_by_side():
    """Registers may come in any order; what a circuit does not measure has no counts."""
    rows = {f"copy{c}": np.full((2, 2), c) for c in (10, 2, 0)} | {"copy1": np.full((2, 4), 1)}
    alone = {"copy2": np.array([5, 6])}
    counts, calibration = packed_counts(rows, [{name: found[0] for name, found in rows.items()}, alone])
    np.testing.assert_array_equal(counts[0], [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 0, 0], [10, 10, 0, 0]])
    np.testing.assert_array_equal(calibration[0], counts[0])
    np.testing.assert_array_equal(calibration[1], [[0, 0, 0, 0], [0, 0, 0, 0], [5, 6, 0, 0], [0, 0, 0, 0]])


class Filled:
    """A ledger with a packed submission whose rows are done or not."""

    def __init__(self, folder, submission, ranges):
        self.ledger = Ledger(folder)
        self.submission = submission
        self.ledger.add(submission, ranges)

    def finish(self, number, counts, calibration):
        batch = self.ledger.batches(self.submission.id)[number]
        self.ledger.intend(batch, 0.0)
        self.ledger.accepted(self.ledger.batches(self.submission.id)[number], f"job{number}")
        batch = self.ledger.batches(self.submission.id)[number]
        self.ledger.finished(batch, JobCounts(counts, calibration, None))


def test_copies_that_share_a_sample_are_weighted_by_their_success(tmp_path):
    """Two rows of four copies for six samples: samples 0 and 1 are measured twice."""
    made = plan(samples=6, shots=100, mitigate=False).submission
    packing = packing_of(made)
    esp = [copy.esp for copy in packing.copies]
    rng = np.random.default_rng(3)
    counts = rng.multinomial(100, [0.1, 0.2, 0.3, 0.4], size=(2, 4))
    filled = Filled(tmp_path, made, [(0, 1), (1, 2)])
    none = np.zeros((0, 4, 4), dtype=np.int64)
    with filled.ledger as ledger:
        filled.finish(0, counts[:1], none)
        first = read_samples(ledger, made)
        assert len(first.labels) == 4
        assert first.total == 6
        np.testing.assert_array_equal(first.counts, counts[0])
        filled.finish(1, counts[1:], none)
        both = read_samples(ledger, made)
    np.testing.assert_array_equal(both.counts[[4, 5]], counts[1, :2])
    np.testing.assert_array_equal(both.counts[0], counts[0, 0] + counts[1, 2])
    for sample, (one, other) in enumerate([(0, 2), (1, 3)]):
        wanted = (esp[one] * counts[0, one] + esp[other] * counts[1, other]) / (esp[one] + esp[other]) / 100
        np.testing.assert_allclose(both.probabilities["raw"][sample], wanted)
    chosen = np.sort(np.random.default_rng(0).choice(20, size=6, replace=False))
    np.testing.assert_array_equal(both.labels, workload().samples.labels[chosen])
    np.testing.assert_array_equal(both.inputs, workload().samples.inputs[chosen])


@pytest.mark.skipif(not has_mitigation(), reason="mthree is not installed")
def test_readout_is_undone_with_each_copys_own_errors(tmp_path):
    """Copy c misreads with probability 0.02 + 0.04 c; what it would have counted comes back."""
    made = plan(samples=4, shots=100).submission
    true = np.array([0.5, 0.3, 0.15, 0.05])
    flips = [0.02 + 0.04 * c for c in range(4)]
    confusion = [np.kron(m, m) for m in ([[1 - f, f], [f, 1 - f]] for f in flips)]
    scale = 10**7
    counts = np.array([[np.rint(m @ true * scale) for m in confusion]]).astype(np.int64)
    calibration = np.array([[np.rint(m[:, k] * scale) for m in confusion] for k in (0, 3)]).astype(np.int64)
    filled = Filled(tmp_path, made, [(0, 1)])
    with filled.ledger as ledger:
        filled.finish(0, counts, calibration)
        found = read_samples(ledger, made).probabilities
    np.testing.assert_allclose(found["mitigated"], np.tile(true, (4, 1)), atol=1e-4)
    assert np.abs(found["raw"] - true).max() > 0.05


def test_several_models_have_inputs_bits_and_outcomes_of_their_own(tmp_path):
    works = (workload(), workload(SMALL, seed=1))
    made = plan(samples=5, shots=20_000, works=works, packing=PackingOptions(floor=0.5))
    submission = made.submission
    packing = packing_of(submission)
    assert [copy.model for copy in packing.copies] == [0, 0, 1, 1]
    assert [copy.bits for copy in packing.copies] == [2, 2, 1, 1]
    assert submission.settings["packing"]["sources"] == ["model0", "model1"]
    device = load_backend("noisy_line")
    service = LocalService(tmp_path / "service", device)
    job = service.counts(service.submit(job_request(submission, 0, packing.rows)))
    filled = Filled(tmp_path, submission, made.ranges)
    with filled.ledger as ledger:
        filled.finish(0, job.counts, job.calibration)
        for number, work in enumerate(works):
            outcome = evaluate_submission(ledger, submission, work.model, number=number)
            assert outcome.counts.shape == (5, work.model.spec.n_outcomes)
            ideal = PauliEvaluator(work.model.spec).probabilities(
                work.model.weights, read_samples(ledger, submission, model=number).inputs
            )
            np.testing.assert_allclose(outcome.probabilities["ideal"], ideal)
            assert np.abs(outcome.probabilities["raw"] - ideal).max() < 0.25


def test_a_packed_plan_says_what_it_saves():
    estimate = plan(samples=10, shots=1000).estimate
    alone = plan(samples=10, shots=1000, packing=None).estimate
    assert (estimate.circuits, estimate.executions, estimate.copies) == (3 + 2, 5000, 4)
    assert estimate.executions_alone == alone.executions == 12_000
    assert estimate.seconds_alone == pytest.approx(alone.seconds)
    assert alone.executions_alone is None
    assert estimate.seconds < alone.seconds
    copies = packing_of(plan().submission).copies
    assert estimate.esp == min(copy.esp for copy in copies) < alone.esp == max(copy.esp for copy in copies)


def test_the_services_own_estimate_is_asked_for_both():
    """A service that charges a second a circuit."""
    work, asked = workload(), []

    def ask(request):
        asked.append(request)
        return float(len(request.values) + len(request.calibrations))

    options = SubmissionOptions(10, 1000, packing=PACKED)
    device = load_backend("noisy_line")
    found = plan_workloads([work], device, options, local=False, ask=ask).estimate
    assert (found.seconds, found.seconds_alone, found.source) == (5.0, 12.0, DRY_RUN)
    assert [len(request.circuit.cregs) for request in asked] == [4, 1]

    def silent(request):
        raise ServiceUncertain("not on this plan")

    def forgetful(request):
        return 5.0 if len(request.circuit.cregs) > 1 else silent(request)

    half = plan_workloads([work], device, options, local=False, ask=forgetful).estimate
    assert (half.seconds, half.seconds_alone, half.executions_alone) == (5.0, None, 12_000)
    assert saved_line(half) == "packed: 4 copies, 5000 executions instead of 12000"
    assert saved_line(found).endswith(", 5.0 quantum seconds instead of 12.0 (2.4 times fewer)")
    assert saved_line(plan(packing=None).estimate) is None

    rough = plan_workloads([work], device, options, local=False, ask=silent).estimate
    assert rough.source == f"{CLOSED_FORM}; no dry run: not on this plan"
    assert rough.seconds_alone > rough.seconds


@pytest.mark.parametrize("batch", [1, 4, 8, 10])
def test_a_batch_holds_no_more_samples_than_wanted(batch):
    made = plan(batch=batch)
    assert [start for start, _ in made.ranges] == [0, *(stop for _, stop in made.ranges[:-1])]
    assert made.ranges[-1][1] == 3
    assert max(stop - start for start, stop in made.ranges) <= max(1, batch // 4)
    assert all(one[1] == other[0] for one, other in pairwise(made.ranges))


def test_more_copies_than_samples_share_them():
    submission = plan(samples=3).submission
    assert packing_of(submission).cells.tolist() == [[0, 1, 2, 0]]


def test_several_models_need_packing():
    with pytest.raises(SubmissionError, match="expected one model without --pack, found 2"):
        plan(works=(workload(), workload(SMALL, seed=1)), packing=None)


def test_a_check_that_needs_several_jobs_is_refused():
    with pytest.raises(SubmissionError, match="packing check: expected samples that fit into one job"):
        plan(packing=replace(PACKED, check=True), batch=4)


def test_submissions_of_earlier_versions_are_known_again():
    """The fingerprint of an unpacked submission is what it was before there was packing."""
    import hashlib
    import json

    model = workload().model
    options = SubmissionOptions(10, 200)
    former = {name: value for name, value in asdict(options).items() if name in FORMER_OPTIONS}
    said = json.dumps([str(model.spec.index), "noisy_line", former], sort_keys=True)
    wanted = hashlib.sha256(said.encode() + model.params.tobytes()).hexdigest()
    made = plan_submission(model, workload().samples, load_backend("noisy_line"), options, local=True)
    assert made.submission.settings["fingerprint"] == wanted
    packed = {
        plan(packing=one).submission.settings["fingerprint"]
        for one in (None, PACKED, replace(PACKED, margin=2), replace(PACKED, copies=2))
    }
    assert len(packed) == 4
    assert wanted in packed


FORMER_OPTIONS = (
    "samples", "shots", "seed", "batch", "mitigate", "dynamical_decoupling", "twirling", "max_seconds",
)  # fmt: skip


def test_a_circuit_whose_copies_touch_is_cut_by_what_each_register_depends_on():
    """Two registers of one entangled pair: each part holds both qubits, and measures its own."""
    circuit = QuantumCircuit(
        QuantumRegister(3, "q"), ClassicalRegister(1, "copy0"), ClassicalRegister(1, "copy1")
    )
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.x(2)
    circuit.measure([0, 1], [0, 1])
    request = replace(
        job_request(plan().submission, 0, 1), circuit=circuit, values=np.empty((1, 0)), calibrations=()
    )
    for (one,), qubit in zip(separated(request).values(), (0, 1), strict=True):
        assert dict(one.circuit.count_ops()) == {"h": 1, "cx": 1, "measure": 1}
        assert one.circuit.find_bit(one.circuit.data[-1].qubits[0]).index == qubit
        assert [register.name for register in one.circuit.cregs] == ["meas"]

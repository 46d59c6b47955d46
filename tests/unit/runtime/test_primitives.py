"""What reaches the service, and what comes back, through the sampler of the installed Runtime.

The client and the device are the Runtime's own classes, down to the calls that would go out to the service.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService, RuntimeJobV2
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from qkd_qiskit.data import Samples
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime import primitives
from qkd_qiskit.runtime.estimate import CLOSED_FORM, DRY_RUN
from qkd_qiskit.runtime.ibm import IBMService
from qkd_qiskit.runtime.limits import executed_shots
from qkd_qiskit.runtime.mitigation import calibration_circuits
from qkd_qiskit.runtime.primitives import HAS_DRY_RUNS, prepare_sampler, read_counts
from qkd_qiskit.runtime.service import JobRequest, ServiceUncertain
from qkd_qiskit.runtime.submission_plan import SubmissionOptions, plan_submission
from qkd_qiskit.vqcnn import VQCNNSpec

# Old releases warn of a class that they use themselves.
pytestmark = pytest.mark.filterwarnings("ignore:The RuntimeOptions class:DeprecationWarning")
newest = pytest.mark.skipif(not HAS_DRY_RUNS, reason="an older Runtime is installed")
INSTANCE = "an instance"


class Api:
    """The calls that would go out, and answers to them."""

    def __init__(self, status="Completed", usage=None):
        self.requests = []
        self.status = status
        self.usage = usage

    def program_run(self, **request):
        # What cannot be sent would fail here.
        json.dumps(request["params"], default=str)
        self.requests.append(request)
        return {"id": "a job", "backend": request["backend_name"]}

    def backend_status(self, name):
        return {
            "backend_name": name,
            "backend_version": "1",
            "operational": True,
            "status_msg": "active",
            "pending_jobs": 0,
        }

    def cloud_usage(self):
        return {}

    def job_get(self, job_id, **_):
        return {"state": {"status": self.status}}

    def job_results(self, job_id):
        return simulated(self.requests[-1]["params"]) if self.status == "Completed" else "no shots"

    def job_metadata(self, job_id):
        return {"usage": self.usage or {}}


class Client(QiskitRuntimeService):
    """The Runtime's client without an account."""

    def __init__(self, api, devices=("ibm_manila", "mock_manila")):
        self._channel = "ibm_cloud"
        self._api_clients = {INSTANCE: api}
        self._active_api_client = api
        self._made = {name: self._device(name, api) for name in devices}

    def _device(self, name, api):
        fake = FakeManilaV2()
        device = IBMBackend(fake.configuration(), self, api, instance=INSTANCE)
        device.name = name
        device._properties, device._target = fake.properties(), fake.target
        return device

    def backend(self, name, **_):
        if name not in self._made:
            raise QiskitBackendNotFoundError(f"no {name}")
        return self._made[name]

    def job(self, job_id):
        api = self._active_api_client
        return RuntimeJobV2(None, api, job_id, api.requests[-1]["program_id"], self)


def simulated(params):
    """The answer of a service without noise to a request to the executor."""
    from ibm_quantum_schemas.common.tensor import CompressedTensorModel
    from ibm_quantum_schemas.executor import version_2_0 as schema
    from qiskit_ibm_runtime.fake_provider.executor.run_quantum_program import run_quantum_program
    from qiskit_ibm_runtime.options_models.simulator import SimulatorOptions
    from qiskit_ibm_runtime.quantum_program.converters.converters_2_0 import quantum_program_from_2_0

    model = schema.ParamsModel.model_validate(params)
    program, _ = quantum_program_from_2_0(model)
    for item in program.items:
        if hasattr(item, "samplex"):
            item.samplex.finalize()
    found = run_quantum_program(AerSimulator(), program, SimulatorOptions(seed_simulator=1))
    data = [
        {
            "results": {name: CompressedTensorModel.from_numpy(array) for name, array in item.items()},
            "metadata": {},
        }
        for item in found
    ]
    return schema.QuantumProgramResultModel(
        data=data,
        metadata={"chunk_timing": []},
        passthrough_data=model.quantum_program.passthrough_data,
        semantic_role=model.quantum_program.semantic_role,
    ).model_dump_json()


def request(**changes):
    """Three rows of a circuit that leaves qubit 3 in 1 and idle; the first row turns qubit 2 to 1."""
    angles = ParameterVector("x", 1)
    circuit = QuantumCircuit(QuantumRegister(5, "q"), ClassicalRegister(2, "meas"))
    circuit.x(3)
    circuit.sx(2)
    circuit.rz(angles[0], 2)
    circuit.sx(2)
    for _ in range(6):
        circuit.cx(1, 0)
    circuit.barrier()
    circuit.measure([2, 3], [0, 1])
    one = QuantumCircuit(QuantumRegister(5, "q"), ClassicalRegister(2, "meas"))
    one.measure([2, 3], [0, 1])
    values = np.array([[0.0], [np.pi], [np.pi]])
    plain = JobRequest(circuit, values, (one,), 50, ("all", "this"), 0)
    return replace(plain, **changes)


def sent_circuits(params):
    """Circuits of a request to the executor, and the program that they are in."""
    from ibm_quantum_schemas.executor import version_2_0 as schema

    program = schema.ParamsModel.model_validate(params).quantum_program
    return program.circuits.to_python(), program


@pytest.fixture
def wide():
    return request(max_seconds=9, dynamical_decoupling=True, twirling=True)


def test_tags_and_the_limit_are_in_the_request(wide):
    api = Api()
    assert IBMService("ibm_manila", client=Client(api)).submit(wide) == "a job"
    (sent,) = api.requests
    assert sent["job_tags"] == ["all", "this"]
    assert sent["max_execution_time"] == 9
    assert sent["backend_name"] == "ibm_manila"


@pytest.mark.skipif(HAS_DRY_RUNS, reason="the executor's sampler decouples and twirls before it sends")
def test_error_suppression_is_asked_of_the_service(wide):
    api = Api()
    client = Client(api)
    IBMService("ibm_manila", client=client).submit(wide)
    IBMService("ibm_manila", client=client).submit(request())
    full, plain = (sent["params"]["options"] for sent in api.requests)
    assert full["dynamical_decoupling"] == {"enable": True, "sequence_type": "XpXm"}
    assert full["twirling"] == {"enable_gates": True, "enable_measure": True}
    assert not {"dynamical_decoupling", "twirling"} & plain.keys()


@newest
@pytest.mark.parametrize(
    ("decoupling", "twirling"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_error_suppression_is_in_the_circuits_that_are_sent(decoupling, twirling):
    api = Api()
    wanted = request(dynamical_decoupling=decoupling, twirling=twirling)
    IBMService("ibm_manila", client=Client(api)).submit(wanted)
    (circuit, _), program = sent_circuits(api.requests[0]["params"])
    # Two X pulses fill the pause of qubit 3, the second one between rotations that turn it around.
    pulses = [
        item for item in circuit.data if item.operation.name == "x" and item.qubits == (circuit.qubits[3],)
    ]
    assert len(pulses) == (0 if twirling else 1) + (2 if decoupling else 0)
    assert ("delay" in circuit.count_ops()) is decoupling
    # Twirling turns the six cx into boxes between rotations that are drawn for each randomization.
    kinds = [item.item_type for item in program.items]
    assert kinds == ["samplex" if twirling else "circuit"] * 2
    assert (circuit.num_parameters > 1) is twirling
    assert program.shots == (64 if twirling else 50)


def test_counts_keep_their_rows_and_bits():
    send = prepare_sampler(AerSimulator(), request(), local=True)
    rows, others = read_counts(send().result())
    # Qubit 3 is bit 1; sx rz(0) sx is an X on bit 0, sx rz(pi) sx is the identity.
    np.testing.assert_array_equal(rows, [[0, 0, 0, 50], [0, 0, 50, 0], [0, 0, 50, 0]])
    np.testing.assert_array_equal(others, [[50, 0, 0, 0]])


@newest
@pytest.mark.parametrize("suppressed", [False, True])
def test_counts_of_the_service_keep_their_rows_and_bits(suppressed):
    api = Api(usage={"qpu_charge_time_seconds": 2, "status": "complete"})
    service = IBMService("ibm_manila", client=Client(api))
    found = service.counts(service.submit(request(dynamical_decoupling=suppressed, twirling=suppressed)))
    shots = executed_shots(50, twirling=suppressed)
    np.testing.assert_array_equal(found.counts, [[0, 0, 0, shots], [0, 0, shots, 0], [0, 0, shots, 0]])
    np.testing.assert_array_equal(found.calibration, [[shots, 0, 0, 0]])
    assert found.seconds == 2


def packed_request(**changes):
    """Two copies of different widths: copy 0 holds 01 on qubits 0 and 1, copy 1 an angle on qubit 3."""
    angles = ParameterVector("inputs", 1)
    registers = [ClassicalRegister(2, "copy0"), ClassicalRegister(1, "copy1")]
    circuit = QuantumCircuit(QuantumRegister(5, "q"), *registers)
    circuit.x(0)
    circuit.sx(3)
    circuit.rz(angles[0], 3)
    circuit.sx(3)
    circuit.barrier([0, 1, 3])
    circuit.measure([0, 1, 3], [0, 1, 2])
    alone = QuantumCircuit(QuantumRegister(5, "q"), registers[1])
    alone.measure(3, 0)
    extras = (*calibration_circuits(circuit), alone)
    plain = JobRequest(circuit, np.array([[0.0], [np.pi]]), extras, 50, ("all", "this"), 0)
    return replace(plain, **changes)


@newest
@pytest.mark.parametrize("suppressed", [False, True])
def test_counts_of_the_service_keep_their_copies(suppressed):
    api = Api(usage={})
    service = IBMService("ibm_manila", client=Client(api))
    wanted = packed_request(dynamical_decoupling=suppressed, twirling=suppressed)
    found = service.counts(service.submit(wanted))
    shots = executed_shots(50, twirling=suppressed)
    np.testing.assert_array_equal(found.counts[:, 0], [[0, shots, 0, 0]] * 2)
    np.testing.assert_array_equal(found.counts[:, 1], [[0, shots, 0, 0], [shots, 0, 0, 0]])
    zeros, ones, alone = found.calibration
    np.testing.assert_array_equal(zeros, [[shots, 0, 0, 0], [shots, 0, 0, 0]])
    np.testing.assert_array_equal(ones, [[0, 0, 0, shots], [0, shots, 0, 0]])
    np.testing.assert_array_equal(alone, [[0, 0, 0, 0], [shots, 0, 0, 0]])


@newest
@given(shots=st.integers(1, 100_000), twirling=st.booleans())
def test_executed_shots_are_those_of_the_runtime(shots, twirling):
    from qiskit_ibm_runtime.executor.calculate_twirling_shots import calculate_twirling_shots

    number, each = calculate_twirling_shots(shots, "auto", "auto")
    assert executed_shots(shots, twirling=twirling) == (number * each if twirling else shots)


def test_local_seeds_are_obeyed():
    drawn = request(values=np.full((3, 1), np.pi / 2), shots=5000)

    def counts(seed):
        send = prepare_sampler(AerSimulator(), replace(drawn, seed=seed), local=True)
        return read_counts(send().result())[0].tolist()

    first = {seed: counts(seed) for seed in (0, 1, 2)}
    assert {seed: counts(seed) for seed in first} == first
    assert first[0] != first[1] != first[2] != first[0]


@pytest.mark.parametrize("offered", [None, "unsettled", "settled"])
def test_the_executors_sampler_is_taken_once_it_is_settled(offered, monkeypatch):
    class Unsettled:
        def run(self, pubs, *, shots=None):
            raise AssertionError

    class Settled:
        def run(self, pubs, *, shots=None, dry_run=False):
            raise AssertionError

    from qiskit_ibm_runtime import SamplerV2

    kinds = {"unsettled": Unsettled, "settled": Settled}
    module = SimpleNamespace(Sampler=kinds[offered]) if offered else None
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime.executor_sampler", module)
    assert primitives._sampler_class() is (Settled if offered == "settled" else SamplerV2)


@newest
def test_an_estimate_is_the_charge_of_a_dry_run_that_no_submission_owns(wide):
    api = Api(usage={"qpu_charge_time_seconds": 3.5, "status": "complete"})
    assert IBMService("ibm_manila", client=Client(api)).estimate(wide) == 3.5
    (sent,) = api.requests
    assert sent["backend_name"] == "mock_manila"
    assert not {"all", "this"} & set(sent["job_tags"])
    assert sent["max_execution_time"] is None


PENDING = {"qpu_charge_time_seconds": 1, "status": "pending"}


@newest
@pytest.mark.parametrize(
    ("api", "devices", "said"),
    [
        (Api(), ["ibm_manila"], "backend 'mock_manila' was not found"),
        (Api(status="Failed"), ["ibm_manila", "mock_manila"], "it ended as ERROR"),
        (Api(usage=PENDING), ["ibm_manila", "mock_manila"], "no usage"),
    ],
)
def test_a_dry_run_without_an_answer_says_why(api, devices, said, monkeypatch):
    slept = []
    monkeypatch.setattr("qkd_qiskit.runtime.ibm.time.sleep", slept.append)
    with pytest.raises(ServiceUncertain, match=said):
        IBMService("ibm_manila", client=Client(api, devices)).estimate(request())
    assert len(slept) == (10 if said == "no usage" else 0)


def test_a_runtime_without_dry_runs_says_so(monkeypatch):
    monkeypatch.setattr("qkd_qiskit.runtime.ibm.HAS_DRY_RUNS", False)
    with pytest.raises(ServiceUncertain, match="the installed qiskit-ibm-runtime has none"):
        IBMService("ibm_manila", client=Client(Api())).estimate(request())


@pytest.mark.parametrize(
    ("usage", "seconds"),
    [
        ({}, None),
        ({"quantum_seconds": 2}, 2.0),
        ({"qpu_charge_time_seconds": 3, "status": "complete"}, 3.0),
        ({"qpu_charge_time_seconds": 3, "quantum_seconds": 2, "status": "complete"}, 3.0),
        (PENDING, None),
    ],
)
def test_the_charge_is_read_by_its_old_and_its_new_name(usage, seconds):
    result = prepare_sampler(AerSimulator(), request(), local=True)().result()
    job = SimpleNamespace(result=lambda: result, metrics=lambda: {"usage": usage})
    client = SimpleNamespace(backend=lambda name: None, job=lambda job_id: job)
    assert IBMService("x", client=client).counts("a job").seconds == seconds


def planned(*, ask=None, local=False, **options):
    """A plan of three jobs, of 3, 3 and 4 samples."""
    rng = np.random.default_rng(0)
    spec = VQCNNSpec(3, plan="conv", kernels="one_cx", n_outcomes=2)
    encoder = make_encoder("angle", 3, image_shape=(4, 4)).fit(rng.random((20, 16)))
    model = SavedModel(spec, rng.normal(size=spec.n_weights + 1), (0, 1), encoder, "noisy_line", True, 7)
    samples = Samples(rng.normal(size=(12, spec.n_features)), np.zeros(12, dtype=np.int64))
    wanted = SubmissionOptions(10, 1000, batch=4, **options)
    return plan_submission(model, samples, load_backend("noisy_line"), wanted, local=local, ask=ask)


def test_the_services_estimate_takes_the_place_of_the_closed_form():
    asked = []

    def ask(job):
        asked.append(job)
        return 7.0

    plan = planned(ask=ask, max_seconds=21)
    assert (plan.estimate.seconds, plan.estimate.source) == (21.0, DRY_RUN)
    assert plan.submission.settings["estimate"]["source"] == DRY_RUN
    # The largest job stands for all.
    (job,) = asked
    assert len(job.values) == 4
    assert len(job.calibrations) == 2
    with pytest.raises(SubmissionError, match="estimate of 21 quantum seconds exceeds --max-seconds 20"):
        planned(ask=ask, max_seconds=20)


def test_the_closed_form_stands_where_the_service_has_no_estimate():
    def refuses(job):
        raise ServiceUncertain("not on this plan")

    alone, refused = planned().estimate, planned(ask=refuses).estimate
    assert alone.source == CLOSED_FORM
    assert refused == replace(alone, source=f"{CLOSED_FORM}; no dry run: not on this plan")


def test_twirling_on_a_device_rounds_the_executions_up():
    plain, twirled, local = planned(), planned(twirling=True), planned(twirling=True, local=True)
    assert plain.estimate.executions == local.estimate.executions == 16 * 1000
    # 16 randomizations of 64 shots.
    assert twirled.estimate.executions == 16 * 1024
    each = (plain.estimate.seconds - 6) / plain.estimate.executions
    assert twirled.estimate.seconds == pytest.approx(6 + 16 * 1024 * each)

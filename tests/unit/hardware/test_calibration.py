"""Calibrations with holes and impossible values: refused in one line, or taken for worse than the known."""

from dataclasses import dataclass, field
from math import exp, inf, nan

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from qiskit.circuit import Delay, Measure, Parameter, Reset
from qiskit.circuit.library import CZGate, HGate, IGate, RXGate, RYGate, RZGate, RZZGate, SXGate, TGate, XGate
from qiskit.circuit.library import iSwapGate as ISwapGate
from qiskit.providers import BackendV2, Options
from qiskit.quantum_info import average_gate_fidelity
from qiskit.transpiler import InstructionProperties, QubitProperties, Target
from qiskit_aer.noise import thermal_relaxation_error

from qkd_qiskit import PauliEvaluator, estimate_gate_budget
from qkd_qiskit.errors import HardwareError, QKDError
from qkd_qiskit.hardware import device_from_backend, predict, transpile_verified
from qkd_qiskit.hardware.calibration import ASSUMED_ERROR, ASSUMED_READOUT_ERROR
from qkd_qiskit.hardware.coherence import coherence_limit, shortest_lifetime
from qkd_qiskit.hardware.lifetimes import listed
from qkd_qiskit.hardware.readout import readout_properties
from qkd_qiskit.hardware.targets import duration_of, error_of, placed_gates
from qkd_qiskit.vqcnn import VQCNNSpec

PULSE, PAIR = (3e-4, 36e-9), (5e-3, 68e-9)
OPERATIONS = {
    "rz": (RZGate(Parameter("a")), 0.0, 0.0),
    "sx": (SXGate(), *PULSE),
    "x": (XGate(), *PULSE),
    "rx": (RXGate(Parameter("a")), *PULSE),
    "ry": (RYGate(Parameter("a")), *PULSE),
    "h": (HGate(), *PULSE),
    "t": (TGate(), *PULSE),
    "id": (IGate(), *PULSE),
    "cz": (CZGate(), *PAIR),
    "rzz": (RZZGate(Parameter("a")), *PAIR),
    "iswap": (ISwapGate(), *PAIR),
    "measure": (Measure(), 0.01, 1e-6),
    "reset": (Reset(), None, 1e-6),
    "delay": (Delay(Parameter("t")), None, None),
}
USUAL = ("rz", "sx", "x", "cz", "measure", "delay")
SPEC = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="one_cx", n_outcomes=2)


class PlainBackend(BackendV2):
    """A target that runs nothing."""

    max_circuits = None

    def __init__(self, target):
        super().__init__(name="line")
        self._target = target

    @property
    def target(self):
        return self._target

    @classmethod
    def _default_options(cls):
        return Options()

    def run(self, run_input, **options):
        raise NotImplementedError


@dataclass
class Line:
    """A calibrated line or ring of qubits; tests change its figures before they make a device of it."""

    n: int = 5
    ring: bool = False
    names: tuple[str, ...] = USUAL
    changed: dict = field(default_factory=dict)
    lives: list | None = field(default_factory=lambda: [[1e-4, 8e-5] for _ in range(9)])
    dt: float | None = 1e-9

    def places(self, name):
        if OPERATIONS[name][0].num_qubits == 1:
            return [(q,) for q in range(self.n)]
        pairs = [(q, (q + 1) % self.n) for q in range(self.n - (not self.ring))]
        return [place for a, b in pairs for place in ((a, b), (b, a))]

    def change(self, name, kind, value, *places):
        """Change `error` or `duration` of an operation, on some places or everywhere."""
        self.changed |= dict.fromkeys(((name, kind, place) for place in places or self.places(name)), value)
        return self

    def device(self, **options):
        lives = self.lives and [QubitProperties(t1=t1, t2=t2) for t1, t2 in self.lives[: self.n]]
        target = Target(num_qubits=self.n, dt=self.dt, qubit_properties=lives)
        for name in self.names:
            gate, error, duration = OPERATIONS[name]
            placed = {
                place: InstructionProperties(
                    error=self.changed.get((name, "error", place), error),
                    duration=self.changed.get((name, "duration", place), duration),
                )
                for place in self.places(name)
            }
            target.add_instruction(gate, placed)
        return device_from_backend(PlainBackend(target), **options)


def esp(device):
    """Transpile, and return the expected success probability."""
    report = transpile_verified(SPEC, device, seed=1).report
    assert 0 <= report.counted.esp <= 1
    assert set(device.caveats) <= set(report.notes)
    return report.counted.esp


def simulate(device):
    """Evaluate a circuit under the device's noise."""
    found = transpile_verified(SPEC, device, seed=1)
    evaluator = PauliEvaluator(found, device.noise_model)
    probabilities = evaluator.probabilities(np.zeros(SPEC.n_weights), np.zeros((1, SPEC.n_features)))
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1)


def attempt(make):
    """Return what a call makes, and None; or None, and why it is refused."""
    try:
        return make(), None
    except QKDError as error:
        return None, str(error)


WHOLE = esp(Line().device())
WHOLE_RING = esp(Line(ring=True).device())


def test_a_whole_calibration_is_taken_as_it_is():
    device = Line().device()
    assert device.assumptions == ()
    assert error_of(device.target, "cz", (1, 2)) == PAIR[0]
    assert duration_of(device.target, "sx", (0,)) == PULSE[1]
    assert device.target.qubit_properties[3].t2 == 8e-5


@pytest.mark.parametrize(("kind", "unknown"), [("error", None), ("error", nan), ("duration", None)])
@pytest.mark.parametrize("name", ["rz", "sx", "x", "cz", "measure"])
@pytest.mark.parametrize("everywhere", [True, False])
def test_what_is_unknown_is_never_better_and_is_said(kind, unknown, name, everywhere):
    line = Line()
    device = line.change(name, kind, unknown, *([] if everywhere else line.places(name)[2:4])).device()
    assert esp(device) <= WHOLE
    assert any(f"{kind} of {name} is unknown on qubits " in said for said in device.assumptions)
    known = {"error": error_of, "duration": duration_of}[kind]
    values = [known(device.target, name, place) for place in line.places(name)]
    assert all(np.isfinite(values))
    if not everywhere:
        worst = max(values[:2] + values[4:])
        assert min(values[2:4]) > worst or (name in ("rz", "x") and min(values[2:4]) == worst)


@pytest.mark.parametrize("unknown", [None, nan])
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("qubits", [(2,), (0, 1, 2, 3, 4)])
def test_unknown_lifetimes_are_short_and_said(unknown, which, qubits):
    line = Line()
    for qubit in qubits:
        for kind in which:
            line.lives[qubit][kind] = unknown
    device = line.device()
    assert esp(device) <= WHOLE
    assert any("is unknown on" in said or "are unknown on" in said for said in device.assumptions)
    for found, told in zip(device.target.qubit_properties, line.lives, strict=False):
        assert 0 < found.t1 <= 1e-4
        assert 0 < found.t2 <= min(8e-5, 2 * found.t1)
        for value, figure in zip((found.t1, found.t2), told, strict=True):
            assert figure is unknown or value in (figure, 2 * found.t1)


def test_no_properties_of_qubits():
    line = Line(lives=None)
    device = line.device()
    assert esp(device) <= WHOLE
    assert device.assumptions == (
        "T1 and T2 are unknown on all qubits: the shortest that the gate errors allow are assumed.",
    )
    # Relaxation alone then makes the error of the best gate, and no gate's error is below it.
    lives = [(each.t1, each.t2) for each in device.target.qubit_properties]
    limits = [coherence_limit(lives[:1], PULSE[1]) / PULSE[0], coherence_limit(lives[:2], PAIR[1]) / PAIR[0]]
    assert max(limits) == pytest.approx(1)


def test_without_any_error_there_is_no_idle_noise_and_it_is_said():
    line = Line(lives=None)
    for name in ("sx", "x", "cz"):
        line.change(name, "error", 0.0)
    device = line.device()
    assert device.assumptions == (
        "T1 and T2 are unknown, and no gate error bounds them: there is no idle noise.",
    )
    assert esp(device) == pytest.approx(0.99)


def test_an_unknown_edge_is_not_chosen_before_a_known_one():
    assert 0 not in predict(SPEC, Line().change("cz", "error", None, (0, 1), (1, 0)).device()).chain
    assert 4 not in predict(SPEC, Line().change("cz", "error", nan, (3, 4), (4, 3)).device()).chain
    assert 0 not in predict(SPEC, Line().change("sx", "error", None, (0,)).device()).chain


def test_unknown_errors_stay_below_those_of_broken_gates():
    line = Line().change("cz", "error", None, (2, 3), (3, 2)).change("cz", "error", 0.88, (0, 1))
    device = line.change("measure", "error", 0.44, (1,)).change("measure", "error", None, (2,)).device()
    assert 0.88 < error_of(device.target, "cz", (2, 3)) < 0.9
    assert 0.44 < error_of(device.target, "measure", (2,)) < 0.45


def test_where_nothing_of_a_kind_is_known_something_bad_is_assumed():
    line = Line(names=("rz", "sx", "cz", "measure"), lives=None, dt=None)
    for name in line.names:
        line.change(name, "error", None).change(name, "duration", None)
    device = line.device()
    assert error_of(device.target, "cz", (0, 1)) > ASSUMED_ERROR[2]
    assert error_of(device.target, "sx", (0,)) > ASSUMED_ERROR[1]
    assert error_of(device.target, "measure", (0,)) > ASSUMED_READOUT_ERROR
    assert error_of(device.target, "rz", (0,)) == 0
    assert esp(device) < WHOLE


IMPOSSIBLE = [
    ("error", -0.1, "expected an error of 0 to 1, found -0.1"),
    ("error", 1.5, "expected an error of 0 to 1, found 1.5"),
    ("error", inf, "expected an error of 0 to 1, found inf"),
    ("duration", -1e-9, "expected a duration of at least 0 s, found -1e-09"),
    ("duration", inf, "expected a duration of at least 0 s, found inf"),
]


@pytest.mark.parametrize(("kind", "value", "message"), IMPOSSIBLE)
@pytest.mark.parametrize(
    ("name", "place", "where"),
    [
        ("cz", (2, 1), "cz on qubits 2-1"),
        ("sx", (3,), "sx on qubit 3"),
        ("measure", (0,), "measure on qubit 0"),
    ],
)
def test_impossible_figures_are_refused(name, place, where, kind, value, message):
    with pytest.raises(HardwareError, match=f"^device line: .*{where}: {message}$") as caught:
        Line().change(name, kind, value, place).device()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0.0, -1e-4, inf])
@pytest.mark.parametrize(("kind", "name"), [(0, "T1"), (1, "T2")])
def test_impossible_lifetimes_are_refused(kind, name, value):
    line = Line()
    line.lives[3][kind] = value
    message = f"^device line: qubit 3: expected a {name} above 0 s, and finite, found {value:g}$"
    with pytest.raises(HardwareError, match=message):
        line.device()


@pytest.mark.parametrize("dt", [0.0, -1e-9, inf, nan])
def test_impossible_clocks_are_refused(dt):
    with pytest.raises(
        HardwareError, match=f"^device line: expected a clock dt of more than 0 s, found {dt}$"
    ):
        Line(dt=dt).device()


def test_t2_above_twice_t1_is_cut_and_said():
    line = Line()
    line.lives[1] = [2e-5, 9e-5]
    device = line.device()
    assert device.target.qubit_properties[1].t2 == 4e-5
    assert "T2 is above 2 T1 on qubit 1: it counts as 2 T1." in device.assumptions


@pytest.mark.parametrize("value", [nan, 1.0, None, -3.0])
@pytest.mark.parametrize("name", ["id", "reset"])
@pytest.mark.parametrize("kind", ["error", "duration"])
def test_operations_that_no_circuit_uses_do_not_matter(name, kind, value):
    device = Line(names=(*USUAL, "id", "reset")).change(name, kind, value).device()
    assert device.usable_qubits == (0, 1, 2, 3, 4)
    assert device.assumptions == ()
    assert repr(list(placed_gates(device.target))) == repr(list(placed_gates(Line().device().target)))


def test_gates_below_the_coherence_limit_count_as_much_as_it():
    line = Line(lives=[[2e-5, 2e-5]] * 5).change("cz", "duration", 500e-9)
    device = line.device()
    relaxation = thermal_relaxation_error(2e-5, 2e-5, 500e-9)
    limit = 1 - average_gate_fidelity(relaxation.tensor(relaxation))
    assert limit == pytest.approx(0.029, abs=5e-4)
    assert error_of(device.target, "cz", (0, 1)) == pytest.approx(limit, rel=1e-8)
    noise = device.noise_model_for([0, 1])._local_quantum_errors["cz"][(0, 1)]
    assert 1 - average_gate_fidelity(noise) == pytest.approx(error_of(device.target, "cz", (0, 1)), rel=1e-8)
    assert any(
        "coherence limit counts instead, at most 0.0294 for 0.005" in said for said in device.assumptions
    )


@pytest.mark.parametrize("n_qubits", [1, 2])
@pytest.mark.parametrize("seconds", [1e-8, 3e-7, 2e-5])
def test_the_shortest_lifetime_makes_the_error(n_qubits, seconds):
    error = coherence_limit([(3e-5, 3e-5)] * n_qubits, seconds)
    relaxation = thermal_relaxation_error(3e-5, 3e-5, seconds)
    whole = relaxation if n_qubits == 1 else relaxation.tensor(relaxation)
    assert error == pytest.approx(1 - average_gate_fidelity(whole), rel=1e-9)
    assert shortest_lifetime(error, seconds, n_qubits) == pytest.approx(3e-5, rel=1e-6)


@pytest.mark.parametrize(("error", "seconds"), [(0.0, 1e-7), (1e-3, 0.0), (0.9, 1e-7)])
def test_some_errors_bound_no_lifetime(error, seconds):
    assert shortest_lifetime(error, seconds, 1) is None


def test_idle_times_pass_without_a_delay_among_the_operations():
    device = Line(names=tuple(name for name in USUAL if name != "delay")).device()
    assert any(said.startswith("There is no delay among the operations") for said in device.assumptions)
    found = transpile_verified(SPEC, device, seed=1)
    assert "delay" in found.circuit.count_ops()
    assert found.report.counted.esp == WHOLE


def test_idle_time_is_charged_without_a_clock():
    assert esp(Line(dt=None).device()) == pytest.approx(WHOLE, rel=1e-9)


def test_durations_off_the_clock_are_rounded_up():
    device = Line().change("cz", "duration", 67.6e-9).device()
    assert duration_of(device.target, "cz", (0, 1)) == pytest.approx(68e-9)
    assert "Durations are rounded up to the clock of 1e-09 s." in device.assumptions
    assert esp(device) == WHOLE


def test_one_of_several_two_qubit_gates_is_chosen():
    device = Line(names=(*USUAL, "rzz")).device()
    assert device.two_qubit_gate == "cz"
    assert "rzz" not in device.target.operation_names
    assert device.assumptions == ("Circuits use cz, and leave the native two-qubit gate rzz aside.",)
    spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="CRX01 RY0 CRZ10", n_outcomes=2)
    report = transpile_verified(spec, device, seed=1).report
    assert report.exact
    assert report.counted.two_qubit == report.predicted.two_qubit == 4 * len(spec.blocks)


def test_a_gate_with_an_angle_is_used_where_there_is_no_other():
    assert Line(names=("rz", "sx", "rzz", "measure", "delay")).device().two_qubit_gate == "rzz"


@pytest.mark.parametrize("basis", [("rx", "rz"), ("rx", "ry"), ("rx", "ry", "rz"), ("rz", "sx")])
def test_bases_that_circuits_can_use(basis):
    device = Line(names=(*basis, "cz", "measure", "delay")).device()
    assert esp(device) > 0.5


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("rz", "cz", "measure"), "expected one-qubit gates rz and sx, or rx with ry or rz, found rz"),
        (("ry", "rz", "cz", "measure"), "expected one-qubit gates rz and sx, .*, found ry, rz"),
        (("h", "t", "cz", "measure"), "expected one-qubit gates rz and sx, .*, found h, t"),
        (("cz", "measure"), "expected one-qubit gates rz and sx, .*, found none"),
        (("rz", "sx", "measure"), "expected two-qubit gates on given qubits, found none"),
        (("rz", "sx", "cz"), "expected a measurement, found none"),
        (("rz", "sx", "iswap", "measure"), "expected a native two-qubit gate among cz, .*, found iswap"),
    ],
)
def test_devices_that_lack_what_circuits_need(names, message):
    with pytest.raises(HardwareError, match=f"^device line: {message}$"):
        Line(names=names).device()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("measure", 0.5, "5 of 5 measure"), ("cz", 1.0, "4 of 4 cz"), ("sx", 0.95, "5 of 5 sx")],
)
def test_where_nothing_works_the_device_says_so(name, value, message):
    expected = f"^device line: expected two coupled qubits that work, found none: broken are {message}$"
    with pytest.raises(HardwareError, match=expected):
        Line().change(name, "error", value).device()


def test_qubits_without_a_gate_that_circuits_need_are_not_used():
    line = Line()
    line.places = lambda name: [p for p in Line.places(line, name) if name != "sx" or p != (0,)]
    assert line.device().usable_qubits == (1, 2, 3, 4)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_few_working_qubits_of_many(encoding):
    """The transpiler's own search for a layout panics on such devices."""
    line = Line(n=20).change("measure", "error", 1.0, *((q,) for q in range(6, 20)))
    line.lives = [[1e-4, 8e-5]] * 20
    spec = VQCNNSpec(4, encoding=encoding, plan="conv, tree, conv", kernels="two_cx", n_outcomes=2)
    found = transpile_verified(spec, line.device(), seed=1)
    assert set(found.active_qubits) <= set(range(6))
    assert found.circuit.num_qubits == 20
    assert found.report.deviation < 1e-9


def test_both_assignment_errors_are_kept_where_both_are_known():
    device = Line().device()
    target = device.target
    target.update_instruction_properties("measure", (0,), readout_properties(1e-6, (0.02, 0.04)))
    target.update_instruction_properties("measure", (1,), readout_properties(1e-6, (nan, 0.04)))
    again = device_from_backend(PlainBackend(target))
    assert error_of(again.target, "measure", (0,)) == pytest.approx(0.03)
    confusion = again.noise_model_for([0])._local_readout_errors[(0,)].probabilities
    np.testing.assert_allclose(confusion, [[0.98, 0.02], [0.04, 0.96]])
    assert 0.01 < error_of(again.target, "measure", (1,)) < 0.1
    target.update_instruction_properties("measure", (2,), readout_properties(1e-6, (-0.1, 0.04)))
    with pytest.raises(HardwareError, match="measure on qubit 2: expected an error of 0 to 1, found -0.1"):
        device_from_backend(PlainBackend(target))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([(3,)], "qubit 3"),
        ([(1, 2)], "qubits 1-2"),
        ([(1, 2), (2, 1), (4, 3)], "qubits 1-2, 4-3"),
        ([(q,) for q in range(8)], "qubits 0, 1, 2, 3, 4, 5, and 2 more"),
    ],
)
def test_places_in_words(places, words):
    assert listed(places) == words


UNKNOWN = st.sampled_from([None, nan])
WRONG = st.sampled_from([-0.1, 1.5, inf, 0.0, 1.0, 0.5])
DAMAGE = st.one_of(
    st.tuples(
        st.sampled_from(["rz", "sx", "x", "cz", "measure", "id", "reset"]),
        st.sampled_from(["error", "duration"]),
        st.one_of(UNKNOWN, WRONG),
        st.one_of(st.none(), st.integers(0, 7)),
    ),
    st.tuples(
        st.just("lives"),
        st.sampled_from([(0,), (1,), (0, 1)]),
        st.one_of(UNKNOWN, st.sampled_from([0.0, -1e-4, inf, 1e-6, 1e-3])),
        st.one_of(st.none(), st.integers(0, 4)),
    ),
    st.tuples(st.just("drop"), st.sampled_from(USUAL), st.none(), st.none()),
)
LABELS = np.arange(24) % 2
INPUTS = np.random.default_rng(0).normal(size=(24, 8)) + LABELS[:, None]


@settings(max_examples=15, deadline=None)
@given(damages=st.lists(DAMAGE, min_size=1, max_size=4), ring=st.booleans())
@example(damages=[("drop", "delay", None, None), ("lives", (0, 1), None, None)], ring=False)
@example(damages=[("cz", "error", None, None), ("cz", "duration", nan, None)], ring=True)
@example(damages=[("measure", "error", 0.5, None)], ring=False)
def test_damaged_devices_are_refused_in_one_line_or_work_and_are_never_better(damages, ring):
    line = Line(ring=ring, names=(*USUAL, "id", "reset"))
    only_worse = True
    for name, kind, value, where in damages:
        if name == "lives":
            for qubit in range(5) if where is None else (where,):
                for which in kind:
                    line.lives[qubit][which] = value
            only_worse &= value != 1e-3
        elif name == "drop":
            line.names = tuple(each for each in line.names if each != kind)
            only_worse &= kind != "x"
        else:
            places = line.places(name)
            line.change(name, kind, value, *(places if where is None else [places[where % len(places)]]))
            # A longer gate shortens waits, less error is no damage, and two sx may take the place of an x.
            only_worse &= value is None or value != value or (kind == "error" and value != 0 and name != "x")
    device, reason = attempt(line.device)
    found, reason = (None, reason) if device is None else attempt(lambda: esp(device))
    if found is None:
        assert reason.startswith("device line: ")
        assert "\n" not in reason
        return
    simulate(device)
    assert not only_worse or found <= (WHOLE_RING if ring else WHOLE) * (1 + 1e-9)
    data = {"n_qubits": 4, "kernel": "one_cx"}
    budget, reason = attempt(lambda: estimate_gate_budget(INPUTS, LABELS, backend=device, **data))
    assert "\n" not in (reason or "")
    assert budget is None or 0 <= budget.predicted.esp <= 1


def test_relaxation_of_idle_time_is_what_it_was():
    """By hand, for one qubit that waits: the spec's idle time enters as 1/2 + exp(-t/T1)/6 + exp(-t/T2)/3."""
    device = Line().device()
    found = transpile_verified(SPEC, device, seed=1)
    product = 1.0
    for inst in found.circuit.data:
        place = tuple(found.circuit.find_bit(q).index for q in inst.qubits)
        if inst.operation.name == "delay":
            wait = inst.operation.duration * 1e-9
            product *= 0.5 + exp(-wait / 1e-4) / 6 + exp(-wait / 8e-5) / 3
        else:
            product *= 1 - OPERATIONS[inst.operation.name][1]
        assert place
    assert found.report.counted.esp == pytest.approx(product, rel=1e-12)

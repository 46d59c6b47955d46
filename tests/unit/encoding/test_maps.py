"""Encodings that entangle, options in names, and circuits of one's own."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector
from qiskit.circuit.library import zz_feature_map
from qiskit.quantum_info import Operator

from qkd_qiskit import CircuitEncoding, VQCNNSpec
from qkd_qiskit.config import ModelSettings, load_experiment
from qkd_qiskit.encoding import (
    ENCODINGS,
    encoding_coded,
    encoding_named,
    introduce,
    make_encoder,
    registered_name,
)
from qkd_qiskit.encoding.hardware_efficient import HardwareEfficientEncoding
from qkd_qiskit.encoding.options import Option, option_number, options_from
from qkd_qiskit.encoding.principal_angles import PrincipalAngles
from qkd_qiskit.encoding.zz import ZZEncoding
from qkd_qiskit.errors import DataError, VQCNNError

CONFIGURED = [
    name
    for plain, encoding in ENCODINGS.items()
    for name in (
        plain,
        *(
            f"{plain}({key}={value})"
            for key, option in encoding.options.items()
            for value in sorted({option.low, min(option.low + 2, option.high), option.high})
        ),
    )
]


@pytest.mark.parametrize("n_qubits", [1, 2, 5])
@pytest.mark.parametrize("name", CONFIGURED)
def test_closed_forms_are_the_circuits_counts(name, n_qubits):
    encoding = encoding_named(name)
    circuit = encoding.circuit(n_qubits)
    assert dict(encoding.gate_counts(n_qubits)) == dict(circuit.count_ops())
    pairs = [
        tuple(circuit.find_bit(qubit).index for qubit in item.qubits)
        for item in circuit.data
        if len(item.qubits) == 2
    ]
    assert list(encoding.pairs(n_qubits)) == pairs
    if encoding.executable:
        # Every input is used, some perhaps only behind the first blocks.
        again = QuantumCircuit(n_qubits)
        encoding.append_again(again, ParameterVector("x", encoding.n_features(n_qubits)), range(n_qubits))
        used = {p.index for p in (*circuit.parameters, *again.parameters)}
        assert used == set(range(encoding.n_features(n_qubits)))


@pytest.mark.parametrize("reps", [1, 3])
def test_zz_is_qiskits_map_on_the_chain(reps):
    ours = encoding_named(f"zz(reps={reps})").circuit(4)
    theirs = zz_feature_map(4, reps=reps, entanglement="linear")
    values = np.random.default_rng(0).uniform(-2, 2, 4)
    bound = [c.assign_parameters(dict(zip(c.parameters, values, strict=True))) for c in (ours, theirs)]
    assert Operator(bound[0]).equiv(Operator(bound[1]))


def test_one_layer_is_the_angle_encoding():
    one, angle = (encoding_named(name).circuit(3) for name in ("hardware_efficient(layers=1)", "angle"))
    values = np.random.default_rng(0).uniform(-2, 2, 6)
    bound = [c.assign_parameters(dict(zip(c.parameters, values, strict=True))) for c in (one, angle)]
    assert Operator(bound[0]).equiv(Operator(bound[1]))
    table = np.random.default_rng(1).normal(size=(30, 9))
    inputs = make_encoder("angle", 3).fit(table).transform(table) * (0.5 / 0.75)
    found = make_encoder("hardware_efficient(layers=1)", 3).fit(table).transform(table)
    unclipped = np.abs(inputs) < 1
    np.testing.assert_allclose(found[unclipped], inputs[unclipped], atol=1e-12)


@pytest.mark.parametrize("name", ["zz", "hardware_efficient(layers=3)"])
def test_encoders_are_fitted_and_restored(name):
    table = np.random.default_rng(0).normal(size=(40, 30)) * np.linspace(3, 0.5, 30) + 7
    encoding = encoding_named(name)
    encoder = make_encoder(name, 4).fit(table)
    inputs = encoder.transform(table)
    assert inputs.shape == (40, encoding.n_features(4))
    centre = np.pi if name == "zz" else 0.0
    np.testing.assert_allclose(inputs.mean(axis=0), centre, atol=0.05)
    arrays = encoder.arrays()
    assert encoding.array_fault(4, {key: value.shape for key, value in arrays.items()}) is None
    np.testing.assert_array_equal(encoding.restore_encoder(4, arrays).transform(table), inputs)
    assert "shape (30, " in encoding.array_fault(4, {"mean": (30,), "directions": (30, 3)})
    with pytest.raises(DataError, match="cannot be restored, array directions is missing"):
        encoding.restore_encoder(4, {"mean": arrays["mean"]})


def test_leading_components_come_first_and_in_the_middle():
    table = np.random.default_rng(0).normal(size=(60, 12)) * np.linspace(3, 0.5, 12)
    columns = make_encoder("hardware_efficient", 3).fit(table).transform(table)
    spread = columns.std(axis=0)
    # Columns: layer, qubit, angle. The middle qubit's first angle of the first layer is the strongest.
    assert np.argmax(spread) == 2
    assert spread[:6].min() > spread[6:].max()


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("zz", "zz"), ("zz(reps=2)", "zz"), (" zz ( reps = 3 )", "zz(reps=3)"), ("zz()", "zz")],
)
def test_names_have_one_form(name, canonical):
    assert registered_name(name) == encoding_named(name).name == canonical
    assert ModelSettings(encoding=name).encoding == canonical
    spec = VQCNNSpec(3, name, plan="conv")
    assert spec.encoding == canonical
    assert VQCNNSpec.from_index(spec.index) == spec


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("zz(layers=2)", "encoding zz: expected options among reps, found 'layers'"),
        ("angle(reps=2)", "encoding angle: expected options none, found 'reps'"),
        ("zz(reps=0)", "encoding zz: expected reps from 1 to 8, found 0"),
        ("zz(reps=99999)", "encoding zz: expected reps from 1 to 8, found 99999"),
        ("zz(reps=1, reps=2)", "options such as reps=1, each once, found 'reps=2'"),
        ("zz(reps)", "options such as reps=1, each once, found 'reps'"),
        ("zz(reps=1", "expected a name such as angle or zz"),
    ],
)
def test_what_is_no_name_is_refused(name, reason):
    with pytest.raises(DataError, match=reason):
        encoding_named(name)
    with pytest.raises(VQCNNError, match=reason):
        VQCNNSpec(4, name)
    with pytest.raises(ValueError, match=reason.split("(")[0][:20]):
        ModelSettings(encoding=name)


def test_settings_take_options_and_name_encodings_of_ones_own_that_others_cannot_run():
    changed = load_experiment("quickstart", overrides=["model.encoding=zz(reps=1)"])
    assert changed.model.encoding == "zz(reps=1)"
    own = CircuitEncoding(zz_feature_map(2, reps=1), "lost")
    assert ModelSettings(encoding=own.name).encoding == own.name
    name = own.name
    del own
    # Read where nobody has the circuit: the settings are, what needs it is not.
    assert ModelSettings(encoding=name).encoding == name
    with pytest.raises(DataError, match="unknown encoding 'lost@"):
        make_encoder(name, 2)
    with pytest.raises(ValueError, match="expected angle or amplitude"):
        ModelSettings(encoding="lost@12")


OPTIONS = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
)


@given(OPTIONS, st.data())
def test_option_numbers_are_one_to_one(drawn, data):
    options = {
        name: Option(default=low + min(above, width), low=low, high=low + width, meaning="")
        for name, (low, width, above) in drawn.items()
    }
    values = {name: data.draw(st.integers(o.low, o.high)) for name, o in options.items()}
    number = option_number(options, values)
    assert options_from(options, number) == values
    assert option_number(options, {}) == 0
    count = np.prod([o.radix for o in options.values()])
    assert 0 <= number < count
    assert options_from(options, int(count)) is None


def test_codes_are_fixed_and_each_others_none():
    assert {e.name: e.code for e in ENCODINGS.values()}.items() >= {"zz": 8, "hardware_efficient": 10}.items()
    codes = [encoding_named(name).code for name in CONFIGURED]
    assert len(set(codes)) == len({registered_name(name) for name in CONFIGURED})
    for name in CONFIGURED:
        assert encoding_coded(encoding_named(name).code).name == registered_name(name)
    assert encoding_coded(8 + 2**16 * 8) is None


def test_an_own_circuit_has_a_name_and_an_index_of_its_content():
    first, again = (CircuitEncoding(zz_feature_map(3, reps=1), "mine") for _ in range(2))
    assert first.name == again.name
    assert first.name.startswith("mine@")
    spec = VQCNNSpec(3, first, plan="conv")
    assert VQCNNSpec(3, again, plan="conv") == spec
    assert VQCNNSpec.from_index(spec.index) == spec
    x = ParameterVector("x", 2)
    one, other = QuantumCircuit(2), QuantumCircuit(2)
    one.ry(2 * x[0], 0)
    one.rz(x[1], 1)
    other.ry(2 * x[0], 0)
    other.rz(x[1], 0)
    assert CircuitEncoding(one).name != CircuitEncoding(other).name
    assert CircuitEncoding(one, scale=0.5).name != CircuitEncoding(one).name
    assert CircuitEncoding(one).circuit(2).count_ops() == {"ry": 1, "rz": 1}


def test_equal_circuits_written_differently_have_one_digest():
    x, y = ParameterVector("x", 2), ParameterVector("angles", 2)
    one, two = QuantumCircuit(2), QuantumCircuit(2)
    one.ry(2 * x[0], 0)
    one.rz(x[0] * x[1], 1)
    two.ry(y[0] + y[0], 0)
    two.barrier()
    two.rz(y[1] * y[0], 1)
    assert CircuitEncoding(one).name == CircuitEncoding(two).name


def test_specs_of_own_circuits_travel_to_other_processes():
    spec = VQCNNSpec(3, CircuitEncoding(zz_feature_map(3, reps=1), "mine"), plan="conv")
    script = (
        "import pickle, sys; spec = pickle.load(sys.stdin.buffer); "
        "from qkd_qiskit import VQCNNSpec; "
        "again = VQCNNSpec.from_index(spec.index); "
        "print(again == spec, VQCNNSpec(3, spec.encoding, plan='conv') == spec, spec.n_features)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(spec), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == ["True", "True", "3"]


def test_an_unknown_own_circuit_is_refused():
    index = VQCNNSpec(3, CircuitEncoding(zz_feature_map(3, reps=1), "gone"), plan="conv").index
    script = f"from qkd_qiskit import VQCNNSpec; VQCNNSpec.from_index({index})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert b"expected a circuit of one's own that this process has made, found the digest" in done.stderr


def measured():
    circuit = QuantumCircuit(2, 1)
    circuit.ry(Parameter("a"), 0)
    circuit.measure(0, 0)
    return circuit


def resetting():
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.reset(1)
    return circuit


def conditional():
    circuit = QuantumCircuit(2)
    circuit.add_register(ClassicalRegister(1))
    circuit.ry(Parameter("a"), 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    return circuit


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: CircuitEncoding("zz"), "expected a QuantumCircuit, found 'zz' of type str"),
        (lambda: CircuitEncoding(QuantumCircuit(2)), "encoding own: expected a circuit with parameters"),
        (lambda: CircuitEncoding(measured()), "expected gates alone, found 'measure'"),
        (lambda: CircuitEncoding(resetting()), "expected gates alone, found 'reset'"),
        (lambda: CircuitEncoding(conditional()), "expected gates alone, found 'if_else'"),
        (lambda: CircuitEncoding(zz_feature_map(2), "two words"), "expected a word of at most 40 letters"),
        (lambda: CircuitEncoding(zz_feature_map(2), scale=0.0), "expected a positive scale, found 0.0"),
        (lambda: CircuitEncoding(zz_feature_map(2), reach=-1.0), "expected a positive reach, found -1.0"),
        (lambda: PrincipalAngles(2, 0, scale=1.0), "expected a positive number of angles, found 0"),
        (
            lambda: PrincipalAngles(2, 2, scale=1.0).transform(np.ones((2, 2))),
            "call fit with public features",
        ),
    ],
)
def test_what_is_no_encoding_circuit_is_refused(make, reason):
    with pytest.raises(DataError, match=reason):
        make()


def test_models_must_have_the_circuits_width():
    with pytest.raises(VQCNNError, match="expected a model of 3 qubits, the circuit's width, found 4"):
        VQCNNSpec(4, CircuitEncoding(zz_feature_map(3)))


def test_names_and_codes_of_own_encodings_may_not_be_taken():
    class Taken(ZZEncoding):
        name, code = "taken", 8

    class Misnamed(ZZEncoding):
        name, code = "zz", 40_000

    for kind in (Taken, Misnamed):
        with pytest.raises(DataError, match="expected a name and a code of its own, found zz with code 8"):
            introduce(kind())
        with pytest.raises(VQCNNError, match="expected a name and a code of its own"):
            VQCNNSpec(4, kind())
    assert introduce(HardwareEfficientEncoding()).name == "hardware_efficient"
    with pytest.raises(VQCNNError, match="expected a name or an Encoding, found 3 of type int"):
        VQCNNSpec(4, 3)


def test_ideal_states_come_from_encodings_without_gates_alone():
    with pytest.raises(DataError, match="zz encoding: expected ideal states as inputs"):
        ENCODINGS["zz"].states(np.zeros((1, 4)))
    assert VQCNNSpec(3, "amplitude", plan="conv").takes_states
    assert VQCNNSpec(3, "zz", plan="conv").executable

"""Stored circuits: what another version has written, what is damaged, and that counts do not need them."""

from __future__ import annotations

import sqlite3

import pytest
import qiskit
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qpy

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime.circuit_file import read_circuits, write_circuits
from qkd_qiskit.store.database import DATABASE_FILE

CIRCUIT = QuantumCircuit(2, 1)
CIRCUIT.h(0)
CIRCUIT.measure(0, 0)
DATA = write_circuits([CIRCUIT, QuantumCircuit(1)])
INSTALLED = f"installed is Qiskit {qiskit.__version__}.* {qpy.QPY_VERSION}"
BOTH = rf"QPY version {qpy.QPY_VERSION + 1} of Qiskit 9\.8\.7.*{INSTALLED}"


def newer(data, version=qpy.QPY_VERSION + 1):
    """The same bytes as a later Qiskit would begin them."""
    return data[:6] + bytes([version, 9, 8, 7]) + data[10:]


def test_circuits_come_back_as_they_were():
    assert read_circuits(DATA, where="here") == (CIRCUIT, QuantumCircuit(1))


def test_files_without_a_seal_are_read():
    assert read_circuits(DATA[:-39], where="here") == (CIRCUIT, QuantumCircuit(1))


def test_a_later_version_is_named_beside_the_installed_one():
    with pytest.raises(SubmissionError, match=f"here: cannot read the stored circuit: it is {BOTH}"):
        read_circuits(newer(DATA), where="here")


def test_a_later_qiskit_with_the_same_format_is_read_in_silence():
    assert read_circuits(newer(DATA[:-39], qpy.QPY_VERSION), where="here")[0] == CIRCUIT


def test_what_qiskit_cannot_read_names_both_versions():
    with pytest.raises(
        SubmissionError, match=r"stored circuit, QPY version 0 of Qiskit 9\.8\.7 \(installed is"
    ):
        read_circuits(newer(DATA[:-39], 0), where="here")


@given(st.integers(10, len(DATA) - 1), st.integers(1, 255))
def test_damage_is_seen_before_it_is_read(place, change):
    damaged = bytearray(DATA)
    damaged[place] ^= change
    # A damaged seal is none: then the circuit itself is whole.
    if place >= len(DATA) - 39 and place < len(DATA) - 32:
        assert read_circuits(bytes(damaged), where="here")[0] == CIRCUIT
        return
    with pytest.raises(SubmissionError, match="here: the stored circuit, QPY version .* is damaged"):
        read_circuits(bytes(damaged), where="here")


@pytest.mark.parametrize("data", [b"", b"QISKIT", b"something else altogether"])
def test_other_bytes_are_no_circuit(data):
    with pytest.raises(
        SubmissionError, match=f"here: expected a stored circuit .QPY., found {len(data)} other"
    ):
        read_circuits(data, where="here")


def change_stored(bench, change):
    connection = sqlite3.connect(bench.folder / DATABASE_FILE)
    ((data,),) = connection.execute("SELECT circuits FROM submission").fetchall()
    connection.execute("UPDATE submission SET circuits = ?", (change(data),))
    connection.commit()
    connection.close()


def test_jobs_are_collected_where_their_circuit_cannot_be_read(bench):
    with bench.open() as ledger:
        bench.runner(ledger, bench.client()).submit()
    change_stored(bench, newer)
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client())
        assert runner.collect()
    bench.check()


def test_a_circuit_that_cannot_be_read_is_not_sent_and_nothing_is_in_doubt(bench):
    with bench.open():
        pass
    change_stored(bench, newer)
    with bench.open() as ledger:
        runner = bench.runner(ledger, bench.client())
        with pytest.raises(SubmissionError, match=f"submission qkd-test: cannot read .*{BOTH}"):
            runner.submit()
        assert {batch.state for batch in ledger.batches("qkd-test")} == {"planned"}
        assert runner.cancel() == 4
    assert bench.client().tags() == []


def test_one_damaged_submission_does_not_hide_the_others(bench):
    with bench.open() as ledger:
        other = ledger.submissions()[0]
    connection = sqlite3.connect(bench.folder / DATABASE_FILE)
    connection.execute(
        "INSERT INTO submission SELECT 'qkd-damaged', created, backend, settings, circuits, X'00', labels "
        "FROM submission"
    )
    connection.commit()
    connection.close()
    with bench.open() as ledger:
        assert [one.id for one in ledger.submissions()] == [other.id]
        (line,) = ledger.damaged()
        assert line.startswith("submission qkd-damaged: what is stored of it is damaged: ")

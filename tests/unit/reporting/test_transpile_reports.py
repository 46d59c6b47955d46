"""The committed reports are those of today's code, devices, experiments and pinned packages.

One-qubit counts belong to a version of Qiskit, calibrations to one of the Runtime. So counts are compared in
full where the versions are those of the reports, and elsewhere in what every version must give: equal
two-qubit counts; one-qubit counts, depth and ESP where they were predicted.
"""

import re
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from qkd_qiskit.errors import HardwareError, ReportingError
from qkd_qiskit.hardware import list_backends, load_backend, predict
from qkd_qiskit.reporting import transpile_reports as reports
from qkd_qiskit.reporting.transpile_pages import device_page, overview_page
from qkd_qiskit.reporting.transpile_schema import DeviceReport
from qkd_qiskit.vqcnn import VQCNNSpec

FOLDER = Path(__file__).parents[3] / "transpile_reports"
CONSTRAINTS = FOLDER.parent / "constraints.txt"
STALE = "stale: regenerate with `qkd-qiskit transpile --reports transpile_reports`"


def committed(name):
    return DeviceReport.model_validate_json((FOLDER / f"{name}.json").read_text("utf-8"))


def pinned():
    pins = (line.split("==") for line in CONSTRAINTS.read_text("utf-8").splitlines() if "==" in line)
    return {name: number.split()[0] for name, number in pins if name in reports.PACKAGES}


def check_counts(again, row):
    """Compare a row that was counted again, with fewer seeds or as many, with the committed one."""
    assert again.refused == row.refused, STALE
    if row.refused is not None:
        return
    assert again.proved_equivalent
    assert again.holds
    predicted, counted = again.predicted, again.counted
    if row.exact:
        assert again.two_qubit_by_seed == row.two_qubit_by_seed[: len(again.seeds)], STALE
        assert set(again.two_qubit_by_seed) == {predicted.two_qubit}
    assert predicted.one_qubit.low <= counted.one_qubit <= predicted.one_qubit.high
    assert counted.two_qubit_depth == pytest.approx(predicted.two_qubit_depth, rel=0.1)
    assert counted.esp == pytest.approx(predicted.esp, rel=0.1)
    if SAME_VERSIONS:
        assert counted == row.counted, STALE
        assert again.chain == row.chain, STALE


def changed(row, key, value):
    """A row with another value, or with other figures in one of its parts."""
    value = getattr(row, key).model_copy(update=value) if isinstance(value, dict) else value
    return row.model_copy(update={key: value})


SAME_VERSIONS = committed("noisy_line").versions == reports.package_versions()


def test_the_reports_were_made_with_the_pinned_versions():
    assert pinned().keys() == set(reports.PACKAGES)
    for name in list_backends():
        assert committed(name).versions == pinned(), STALE


def test_the_inputs_are_those_of_the_committed_reports():
    assert {committed(name).inputs for name in list_backends()} == {reports.report_inputs()}, STALE


def test_there_is_one_report_a_device_and_nothing_else():
    expected = {f"{name}.{kind}" for name in list_backends() for kind in ("json", "md")} | {"README.md"}
    assert {path.name for path in FOLDER.iterdir()} == expected, STALE


def test_the_structures_are_those_of_the_experiments():
    structures = reports.reported_structures()
    expected = [(str(s.spec.index), s.used_by) for s in structures]
    for name in list_backends():
        found = [(row.model_index, row.used_by) for row in committed(name).rows]
        assert found == expected, STALE


@pytest.mark.parametrize("name", list_backends())
def test_predictions_are_todays(name):
    report = committed(name)
    if not SAME_VERSIONS and load_backend(name).calibration_date != report.calibration_date:
        pytest.skip(f"the installed qiskit-ibm-runtime has another calibration of {name}")
    device = load_backend(name)
    for row in report.rows:
        spec = VQCNNSpec.from_index(int(row.model_index))
        if row.refused is not None:
            with pytest.raises(HardwareError, match=re.escape(row.refused)):
                predict(spec, device)
        else:
            assert reports.gate_figures(predict(spec, device).counts) == row.predicted, STALE


@pytest.mark.parametrize("name", list_backends())
def test_a_sample_is_counted_again(name):
    """One structure a device, another one on each, with one seed."""
    structures = reports.reported_structures()
    number = 3 * list_backends().index(name) % len(structures)
    row = committed(name).rows[number]
    assert row.refused is not None or row.counted.two_qubit == row.two_qubit_by_seed[0]
    check_counts(reports.report_row(structures[number], name, seeds=row.seeds[:1]), row)


@pytest.mark.long
@pytest.mark.parametrize("name", list_backends())
def test_everything_is_counted_again(name):
    for structure, row in zip(reports.reported_structures(), committed(name).rows, strict=True):
        again = reports.report_row(structure, name)
        check_counts(again, row)
        if SAME_VERSIONS:
            assert again == row, STALE


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("two_qubit_by_seed", (77, 76, 76)),
        ("proved_equivalent", False),
        ("refused", "too wide"),
        ("counted", {"one_qubit": 99999}),
        ("counted", {"two_qubit_depth": 99999}),
        ("counted", {"esp": 0.01}),
    ],
)
def test_counts_that_no_version_may_give_are_noticed(key, value, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SAME_VERSIONS", False)
    row = committed("noisy_line").rows[0]
    check_counts(row, row)
    wrong = changed(row, key, value)
    with pytest.raises(AssertionError):
        check_counts(wrong, row)


@pytest.mark.parametrize("same", [True, False])
def test_one_qubit_counts_within_their_range_may_differ_on_other_versions_alone(same, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SAME_VERSIONS", same)
    row = committed("noisy_line").rows[0]
    other = changed(row, "counted", {"one_qubit": row.counted.one_qubit + 1})
    with pytest.raises(AssertionError, match="stale") if same else nullcontext():
        check_counts(other, row)


@pytest.mark.parametrize("name", list_backends())
def test_files_and_pages_are_those_of_the_reports(name):
    assert (FOLDER / f"{name}.json").read_text("utf-8") == committed(name).to_json(), STALE
    assert (FOLDER / f"{name}.md").read_text("utf-8") == device_page(committed(name)), STALE
    overview = overview_page([committed(each) for each in list_backends()])
    assert (FOLDER / "README.md").read_text("utf-8") == overview, STALE


def test_exact_predictions_hold_in_every_committed_row():
    rows = [row for name in list_backends() for row in committed(name).counted]
    assert len(rows) > 5 * len(list_backends())
    for row in rows:
        if row.exact:
            assert set(row.two_qubit_by_seed) == {row.predicted.two_qubit}
        assert abs(row.relative_error.two_qubit_depth) <= 0.1
        assert abs(row.relative_error.esp) <= 0.1
        assert row.proved_equivalent


def test_structures_that_do_not_fit_are_named():
    row = reports.report_row(reports.Structure(VQCNNSpec(20), ("a test",)), "ion_trap", seeds=(0,))
    assert "expected a spec of at most 12 qubits" in row.refused
    report = committed("ion_trap").model_copy(update={"rows": (row,)})
    assert "does not fit" in device_page(report)


def test_writing_removes_what_is_no_longer_known(tmp_path, monkeypatch):
    spec = VQCNNSpec(2, kernels="one_cx")
    monkeypatch.setattr(reports, "reported_structures", lambda: (reports.Structure(spec, ("a test",)),))
    monkeypatch.setattr(reports, "list_backends", lambda: ("noisy_line",))
    for name in ("gone.md", "gone.json", "kept.txt"):
        (tmp_path / name).write_text("")
    written = reports.write_transpile_reports(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "README.md",
        "kept.txt",
        "noisy_line.json",
        "noisy_line.md",
    }
    assert (tmp_path / "noisy_line.json").read_text("utf-8") == written[0].to_json()


def test_an_unwritable_folder_is_named(tmp_path, monkeypatch):
    spec = VQCNNSpec(2, kernels="one_cx")
    monkeypatch.setattr(reports, "reported_structures", lambda: (reports.Structure(spec, ("a test",)),))
    monkeypatch.setattr(reports, "list_backends", lambda: ("noisy_line",))
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*file"):
        reports.write_transpile_reports(tmp_path / "file")

"""Small forms of the shipped sweeps over federations."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit import run_experiment
from qkd_qiskit.cli import main
from qkd_qiskit.config import load_experiment
from qkd_qiskit.hardware import descriptor_folder
from qkd_qiskit.sweep import SweepOptions, SweepSettings, load_sweep, run_sweep
from qkd_qiskit.sweep.measurements.liars import LiarsMeasurement
from qkd_qiskit.sweep.plot import draw_sweep
from qkd_qiskit.vqcnn import VQCNNSpec, default_plan, native_two_qubit

TINY = str(Path(__file__).with_name("tiny.toml"))
DOCS = Path(__file__).parents[2] / "docs"


def small(name, **changes):
    return load_sweep(name, {"experiment": TINY, "seeds": {"first": 3, "count": 1}} | changes)


def test_margins_are_those_of_the_experiment():
    rows = {row["model"]: row for row in run_sweep(small("margins")).rows()}
    results = run_experiment(TINY).results
    assert set(rows) == {*results["models"], "minutes"}
    for name, model in results["models"].items():
        assert rows[name]["each seed"] == f"{100 * model['accuracy']:.1f}"
        if model["accuracy_ideal"] is not None:
            assert rows[name]["without noise"] == f"{100 * model['accuracy_ideal']:.1f}"
    for name, compared in results["comparisons"].items():
        margin = rows[name.removeprefix("global_minus_")]["global minus this"]
        assert margin.startswith(f"{100 * compared['difference']:.1f} (")


def test_variants_of_the_ablation_share_their_clients(tmp_path):
    options = SweepOptions(folder=tmp_path, variants=("hard labels only", "plain mean", "no copies at all"))
    found = run_sweep(small("ablation"), options)
    assert [row["variant"] for row in found.rows()] == [
        "as shipped",
        "no copies at all",
        "hard labels only",
        "plain mean",
    ]
    assert len(list((tmp_path / "clients").iterdir())) == 2
    apart = run_sweep(small("ablation"), SweepOptions(variants=("plain mean",)))
    assert apart.rows() == [found.rows()[0], found.rows()[3]]


def test_bad_clients_are_left_out():
    options = SweepOptions(variants=("NaN",))
    honest, spoilt = run_sweep(small("robustness"), options).rows()
    assert honest["left out"] == "-"
    assert honest["global minus honest"] == "0.0 (0.0 to 0.0)"
    assert spoilt["left out"] == "all, two classes"


def test_liars_lie_and_the_rules_are_compared(tmp_path, monkeypatch):
    # Of three clients four cannot be silent.
    against = [{"model": "global", "variant": variant} for variant in ("honest", "2 silent")]
    sweep = small("attacks", differences=against)
    begun = run_sweep(sweep, SweepOptions(folder=tmp_path, variants=("1 copy",)))
    measured, measure = [], LiarsMeasurement.measure
    monkeypatch.setattr(
        LiarsMeasurement,
        "measure",
        lambda self, cell, folder: measured.append(cell.variant.name) or measure(self, cell, folder),
    )
    options = SweepOptions(folder=tmp_path, variants=("1 copy", "2 mislead, every second"))
    found = run_sweep(sweep, options)
    # What was measured before is taken from the folder.
    assert measured == ["2 mislead, every second"]
    assert found.rows()[:3] == begun.rows()
    rows = {row["variant"]: row for row in found.rows()}
    assert rows["honest"]["left out"] == "-"
    assert rows["honest"]["global minus honest"] == "0.0 (0.0 to 0.0)"
    assert rows["2 silent"]["left out"] == "all, one class"
    for row in rows.values():
        assert all(0 <= float(row[rule]) <= 100 for rule in ("chosen", "confusion", "product", "mean"))
        silence = re.fullmatch(r"(-?\d+\.\d) \((-?\d+\.\d) to (-?\d+\.\d)\)", row["global minus 2 silent"])
        value, low, high = map(float, silence.groups())
        assert low <= value <= high


def test_the_sweep_of_attacks_compares_each_number_of_liars_with_their_silence():
    sweep = load_sweep("attacks")
    names = {variant.name for variant in sweep.all_variants()}
    silent = {f"{count} silent" for count in {name.split()[0] for name in names} - {"honest"}}
    assert silent <= names
    assert {difference.variant for difference in sweep.differences} == {"honest"} | silent


def test_the_map_tells_gates_noise_and_shots_of_one_model(tmp_path):
    device = tmp_path / "short.toml"
    line = (descriptor_folder() / "noisy_line.toml").read_text("utf-8")
    device.write_text(line.replace("n_qubits = 16", "n_qubits = 5").replace("noisy_line", "short"), "utf-8")
    grid = {"model.encoding": ["angle"], "model.n_qubits": [4, 6], "measurement.depth": [1, 2]}
    sweep = small("hardware-map", grid=grid, set=[f"server.backend={device}"])
    found = run_sweep(sweep, SweepOptions(folder=tmp_path / "records"))
    flat, deep, *wide = found.rows()
    classes = load_experiment(TINY).data.classes
    for row, depth in ((flat, 1), (deep, 2)):
        plan = default_plan(4, len(classes), depth=depth)
        spec = VQCNNSpec(4, plan=plan, kernels=load_experiment(TINY).model.kernel, n_outcomes=len(classes))
        assert row["two qubit gates"] == str(native_two_qubit(spec))
        assert row["blocks"] == str(len(spec.blocks))
    assert float(deep["ESP"]) < float(flat["ESP"])
    for record in found.records[:2]:
        shares = {name: marks.count("1") / len(marks) for name, marks in record.right.items()}
        assert {"exact", "100 shots", "10000 shots", "logistic_regression", "rbf_svm"} <= set(shares)
        # With this many shots hardly an answer differs from that of the exact probabilities.
        assert abs(shares["10000 shots"] - shares["exact"]) < 0.1
        assert len(record.ideal["exact"]) == len(record.right["exact"])
    assert all("short" in row["refused"] for row in wide)
    axes = draw_sweep(found).axes[0]
    assert axes.get_title() == "angle"
    assert {"4 qubits", "exact", "100 shots", "10000 shots"} <= set(axes.get_legend_handles_labels()[1])


def test_each_attack_on_privacy_has_areas_of_all_clients():
    found = run_sweep(small("privacy"))
    assert [row["attack on"] for row in found.rows()] == ["outputs", "own model", "FedAvg parameters"]
    for record in found.records:
        assert len(record.values["area"]) == 3
        assert all(0 <= area <= 1 for area in record.values["area"])
    assert found.rows()[1]["bytes seen a client"] == "0"


def test_a_calibrated_attack_may_ask_more_than_once():
    options = SweepOptions(variants=("outputs, calibrated", "a server that chooses settings"))
    once, thrice = run_sweep(small("membership"), options).records
    for record in (once, thrice):
        assert len(record.values["area"]) == len(record.values["caught_at_0.1_percent"]) == 3
        for low, high in zip(
            record.values["caught_at_0.1_percent"], record.values["caught_at_1_percent"], strict=True
        ):
            assert 0 <= low <= high <= 1
    assert thrice.values["bytes"][0] > 1.4 * once.values["bytes"][0]


def test_gradients_tell_images_and_outputs_do_not():
    sweep = small("inversion", set=["noise.enabled=false"])
    options = SweepOptions(variants=("gradient of 1 image", "outputs"))
    gradients, outputs = run_sweep(sweep, options).records
    assert np.mean(gradients.values["recovered"]) > 0.5
    assert np.mean(gradients.values["error"]) < 0.5 < np.mean(outputs.values["error"])
    assert max(outputs.values["recovered"]) < 0.5


def test_too_much_noise_is_refused_in_words(tmp_path):
    sweep = small("noise", grid={"measurement.strength": [0.0, 40.0]})
    assert main(["sweep", "gradients", "--set", "measurement.draws=2", "--output", str(tmp_path)]) == 0
    quiet, loud = run_sweep(sweep).rows()
    assert {"global", "teacher_ensemble", "centralized", "16 shots"} <= set(quiet)
    assert "no gate budget" in loud["refused"]


def test_the_example_of_the_documentation_is_a_sweep():
    text = (DOCS / "distillation.md").read_text("utf-8")
    sweep = SweepSettings.model_validate(tomllib.loads(text.split("```toml\n")[1].split("```")[0]))
    assert len(sweep.all_variants()) == 3


def test_the_command_drift(tmp_path):
    arguments = ["drift", "--backend", "noisy_line", "--spread", "0.2", "--samples", "16", "--seeds", "1"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    assert (tmp_path / "drift.json").exists()
    assert (tmp_path / "drift.png").exists()


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--variant", "none"], ["--set", "measurement.x=1"]])
def test_bad_input_to_the_command(wrong, tmp_path, capsys):
    assert main(["sweep", "margins", "--output", str(tmp_path), *wrong]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1

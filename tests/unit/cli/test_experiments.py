from __future__ import annotations

import csv
import json
import re
import tomllib

import numpy as np
import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.config import ExperimentSettings, load_experiment, settings_reference, shipped_experiments
from qkd_qiskit.config.loading import shipped_files
from qkd_qiskit.config.reference import setting_keys
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import ConfigError, HardwareError, did_you_mean
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.hardware.descriptor import descriptor_folder


def flat(value, before=""):
    """Keys of nested tables, the places of lists as N."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{before}.{key}" if before else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from flat(inner, f"{before}.N")
    else:
        yield before


def test_all_shipped_experiments_are_listed_and_shown_as_files_to_start_from(tmp_path, capsys):
    path = tmp_path / "list.json"
    assert main(["experiments", "list", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())
    assert [row["name"] for row in rows] == list(shipped_experiments())
    for row in rows:
        capsys.readouterr()
        assert main(["experiments", "show", row["name"]]) == 0
        shown = capsys.readouterr().out
        own = tmp_path / "own.toml"
        own.write_text(shown)
        assert load_experiment(str(own)) == load_experiment(row["name"])
        assert len(tomllib.loads(shown)["clients"]) == row["clients"]


def test_an_unknown_experiment_names_those_that_are_there(capsys):
    assert main(["experiments", "show", "quickstrat"]) == 2
    said = capsys.readouterr().err
    assert "expected one of binary" in said
    assert "did you mean 'quickstart'?" in said


def test_the_reference_holds_every_setting_with_its_default(tmp_path):
    path = tmp_path / "settings.json"
    assert main(["settings", "--json", str(path)]) == 0
    rows = {row["key"]: row for row in json.loads(path.read_text())}
    written = load_experiment("quickstart").model_dump(mode="json")
    assert set(flat(written)) <= set(rows)
    defaults = ExperimentSettings.model_validate(
        {"name": "d", "clients": [{"name": "a", "backend": "ibm_torino", "samples": 5}]}
    ).model_dump(mode="json")
    for key in ("seed", "training.refine", "training.structure.price", "data.augment.rotation"):
        value = defaults
        for part in key.split("."):
            value = value[part]
        assert json.loads(rows[key]["default"]) == value
    assert rows["training.refine"]["kind"] == "whole number, at least 0"
    assert (rows["clients.N.samples"]["default"], rows["clients.N.samples"]["required"]) == ("", True)
    assert not rows["data.path"]["required"]
    assert rows["data.missing"]["kind"] == '"drop" or "median"'
    assert rows["data.classes"]["kind"] == "list of whole number or text"


def test_the_reference_speaks_of_values_and_says_what_each_means():
    for setting in settings_reference():
        assert not re.search(r"[\[\]<>()]|None|0x", setting.kind), setting
        assert len(setting.description) > 3, setting


def test_a_part_of_the_reference_and_wrong_keys(capsys):
    inside = [setting.key for setting in settings_reference("clients.0")]
    assert inside == [key for key in setting_keys(ExperimentSettings) if key.startswith("clients.N.")]
    with pytest.raises(ConfigError, match=r"unknown setting 'trainng'; did you mean 'training'\?"):
        settings_reference("trainng")
    assert did_you_mean("zzz", ["seed"]) == ""
    assert main(["run", "quickstart", "--set", "training.refin=3"]) == 2
    assert "unknown key training.refin; did you mean 'training.refine'?" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--clients", "3", "--dirichlet", "0.5", "--qubits", "4"]])
def test_a_new_experiment_fits_data_and_devices_of_ones_own(tmp_path, capsys, options):
    rng = np.random.default_rng(0)
    table, out = tmp_path / "table.csv", tmp_path / "mine.toml"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"f{k}" for k in range(10)), "kind"])
        for row in rng.normal(size=(400, 10)):
            writer.writerow([*row.round(4), rng.choice(["oak", "elm", "ash"])])
    command = ["init", str(table), "--labels", "kind", "--output", str(out), *options]
    assert main([*command, "--backend", "ibm_torino", "--backend", "ibm_fez"]) == 0
    settings = load_experiment(str(out))
    n_clients = 3 if options else 2
    assert [client.backend for client in settings.clients] == ["ibm_torino", "ibm_fez", "ibm_torino"][
        :n_clients
    ]
    if not options:
        settings = load_experiment(str(out), overrides=["model.n_qubits=5"])
    data = prepare_data(settings)
    assert data.classes == ("ash", "elm", "oak")
    assert len(data.clients) == n_clients
    assert (
        sum(c.samples for c in settings.clients)
        + sum(
            (
                settings.data.test,
                settings.data.public_train,
                settings.data.public_calibration,
                settings.data.public_validation,
            )
        )
        == 400
    )
    capsys.readouterr()
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["init", "nowhere.csv", "--output", "OUT/e.toml"], "unknown dataset 'nowhere.csv'"),
        (["init", "nowhere.csv", "--labels", "a", "--output", "OUT/e.toml"], "unknown dataset 'nowhere.csv'"),
        (["init", "digits", "--output", "OUT/e.txt"], "expected a .toml file"),
        (["init", "digits", "--output", "OUT/e.toml", "--backend", "ibm_nowhere"], "ibm_nowhere"),
        (
            ["init", "digits", "--output", "OUT/e.toml", "--clients", "900"],
            "for 900 clients",
        ),
        (["settings", "nothing"], "unknown setting 'nothing'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, reason):
    assert main([part.replace("OUT", str(tmp_path)) for part in arguments]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_init_fits_the_width_to_the_smallest_device(tmp_path, capsys):
    small, path = tmp_path / "small.toml", tmp_path / "e.toml"
    noisy_line = (descriptor_folder() / "noisy_line.toml").read_text()
    small.write_text(re.sub(r"n_qubits = \d+", "n_qubits = 3", noisy_line).replace("noisy_line", "small"))
    command = ["init", "digits", "--output", str(path), "--backend", str(small)]
    assert main([*command, "--qubits", "4"]) == 2
    assert "qubits: expected at most 3, as the devices have, found 4" in capsys.readouterr().err
    assert main(command) == 0
    assert load_experiment(str(path)).model.n_qubits == 3
    with pytest.raises(HardwareError, match=r"server\.backend: expected a device with 4 healthy"):
        run_experiment(load_experiment(str(path), overrides=["model.n_qubits=4"]))


def test_all_shipped_sweeps_are_listed(tmp_path, capsys):
    path = tmp_path / "list.json"
    assert main(["sweep", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())
    assert [row["name"] for row in rows] == list(shipped_files("sweeps"))
    assert all(row["title"] and row["seeds"] > 0 for row in rows)
    assert "Shipped sweeps" in capsys.readouterr().out

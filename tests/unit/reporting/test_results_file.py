from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import REQUIRED_MODELS
from qkd_qiskit.reporting import check_results, read_results, write_json, write_results

Document = dict[str, Any]


def test_round_trip_keeps_every_value(results: Document, tmp_path: Path) -> None:
    path = write_results(check_results(results), tmp_path / "deep" / "results.json")
    assert read_results(path).dump() == results


def test_equal_results_give_equal_bytes_whatever_the_order_of_keys(results: Document, tmp_path: Path) -> None:
    shuffled = dict(reversed(results.items()))
    first = write_results(check_results(results), tmp_path / "a.json").read_bytes()
    second = write_results(check_results(shuffled), tmp_path / "b.json").read_bytes()
    assert first == second
    assert list(json.loads(first))[:3] == ["schema", "experiment", "seed"]


def test_numpy_values_and_tuples_are_written_as_plain_numbers(results: Document, tmp_path: Path) -> None:
    results["models"]["global"]["accuracy"] = np.float64(0.5)
    results["models"]["global"]["interval"] = (np.float32(0.25), 1)
    results["clients"][0]["samples"] = np.int64(600)
    results["clients"][0]["classes"] = np.array([0, 1, 2])
    read = read_results(write_results(check_results(results), tmp_path / "r.json")).dump()
    assert read["models"]["global"]["interval"] == [0.25, 1.0]
    assert read["clients"][0]["classes"] == [0, 1, 2]


def test_further_keys_are_kept(results: Document, tmp_path: Path) -> None:
    results["settings"] = {"alpha": 0.5}
    results["clients"][0]["gates"]["estimated"]["duration"] = 1e-6
    results["models"]["another"] = dict(results["models"]["mlp"])
    assert read_results(write_results(check_results(results), tmp_path / "r.json")).dump() == results


def test_what_a_server_cannot_measure_is_null_with_a_reason(results: Document, tmp_path: Path) -> None:
    results["models"]["fedavg"] = None
    with pytest.raises(ReportingError, match="models: fedavg is null, and absent does not say why"):
        check_results(results)
    results["absent"]["fedavg"] = "no samples"
    results["communication"]["fedavg"] = None
    client = results["clients"][0]
    client |= dict.fromkeys(("backend", "samples", "budget", "model_index", "gates", "accuracy", "seconds"))
    checked = check_results(results)
    assert "fedavg" not in checked.measured
    assert read_results(write_results(check_results(results), tmp_path / "r.json")).dump() == results


def test_model_index_stays_exact(results: Document, tmp_path: Path) -> None:
    results["clients"][0]["model_index"] = str(2**200 + 1)
    read = read_results(write_results(check_results(results), tmp_path / "r.json")).dump()
    assert int(read["clients"][0]["model_index"]) == 2**200 + 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 2, "schema: expected 1, found 2"),
        (("seed",), -1, "seed: .*found -1"),
        (("seed",), "7", "seed: .*found '7'"),
        (("data", "test"), 0, "data.test: .*found 0"),
        (("clients",), [], "clients: "),
        (("clients", 0, "model_index"), "-3", "clients.0.model_index: .*found '-3'"),
        (("clients", 1, "model_index"), 3, "clients.1.model_index: .*found 3"),
        (("clients", 0, "samples"), 1.5, "clients.0.samples: .*found 1.5"),
        (("models", "global", "accuracy"), 1.01, "models.global.accuracy: .*found 1.01"),
        (("models", "mlp", "interval"), [0.9, 0.8], r"models.mlp: .*\(low, high\), found \(0.9, 0.8\)"),
        (("models", "mlp", "interval"), [0.9], "models.mlp.interval"),
        (("communication", "fedavg", "up"), -1, "communication.fedavg.up"),
        (("timings",), {"data": 1.0}, "timings lacks total"),
    ],
)
def test_wrong_values_are_named(results: Document, path: tuple[Any, ...], value: Any, message: str) -> None:
    node: Any = results
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    with pytest.raises(ReportingError, match=message) as caught:
        check_results(results)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["schema", "seed", "clients", "models", "communication", "timings"])
def test_missing_keys_are_named(results: Document, key: str) -> None:
    del results[key]
    with pytest.raises(ReportingError, match=f"results: {key}: expected a value, found none$"):
        check_results(results)


@pytest.mark.parametrize("name", REQUIRED_MODELS)
def test_every_model_of_the_schema_is_required(results: Document, name: str) -> None:
    del results["models"][name]
    with pytest.raises(ReportingError, match=f"models lacks {name}"):
        check_results(results)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("-inf")])
def test_numbers_must_be_finite(results: Document, value: float) -> None:
    results["timings"]["global"] = value
    with pytest.raises(ReportingError, match=r"results.timings.global: expected a finite number"):
        check_results(results)


def test_values_without_json_form_are_named(results: Document) -> None:
    results["versions"]["numpy"] = {1, 2}
    with pytest.raises(ReportingError, match=r"results.versions.numpy: .*JSON can hold, found set"):
        check_results(results)


def test_unreadable_files_give_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReportingError, match="cannot read .*missing.json: No such file"):
        read_results(tmp_path / "missing.json")
    for content, message in (
        (b"{", "is not JSON"),
        (b"\xff", "cannot read .*broken.json: not UTF-8 text"),
        (b"[" * 9999, "is not JSON: it is nested too deeply"),
        (b"[" * 99 + b"]" * 99, "at most 64 levels"),
        (b'{"seed": Infinity}', "finite numbers, found Infinity"),
        (b'{"seed": 1e999}', "finite numbers, found 1e999"),
        (b"9" * 5000, "at most 300 digits"),
        (b"[]", "expected a JSON object"),
    ):
        broken = tmp_path / "broken.json"
        broken.write_bytes(content)
        with pytest.raises(ReportingError, match=message):
            read_results(broken)


def test_an_unwritable_place_is_named(results: Document, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*file"):
        write_results(check_results(results), tmp_path / "file" / "results.json")


def test_numbers_that_json_cannot_hold_leave_the_old_file(results: Document, tmp_path: Path) -> None:
    path = write_results(check_results(results), tmp_path / "results.json")
    before = path.read_bytes()
    endless = check_results(results).model_copy(update={"timings": {"total": float("inf")}})
    with pytest.raises(ReportingError, match=r"timings\.total: expected a finite number, found inf"):
        write_results(endless, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(content=_JSON)
def test_any_json_comes_back_equal(content: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    assert json.loads(write_json(content, path).read_text("utf-8")) == content

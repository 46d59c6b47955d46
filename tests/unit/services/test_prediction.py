"""Predictions of files and DataFrames read the columns that the model was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2

from qkd_qiskit.data.kept_samples import DIGESTS_FILE
from qkd_qiskit.data.table_options import FeatureColumns
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import DataError, ModelError
from qkd_qiskit.models import MODEL_FILE, SETTINGS_FILE, SavedModel, load_model
from qkd_qiskit.services import predict_file
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

NAMES = ("length", "width", "height", "depth")
VALUES = np.random.default_rng(0).normal(size=(30, 4))
FRAME = pd.DataFrame(VALUES, columns=list(NAMES))


def make_run(folder: Path, columns: FeatureColumns | None) -> SavedModel:
    spec = VQCNNSpec(2, plan="conv", kernels="two_cx")
    params = np.random.default_rng(1).normal(size=spec.n_weights + 1)
    encoder = make_encoder("angle", 2).fit(VALUES)
    model = SavedModel(spec, params, ("ant", "bee"), encoder, "noisy_line", False, 3, columns)
    (folder / MODEL_FILE).write_bytes(model.to_bytes())
    return model


def test_columns_are_found_by_name_in_files_and_frames(tmp_path: Path) -> None:
    make_run(tmp_path, FeatureColumns(4, NAMES))
    expected = predict_file(tmp_path, FRAME).probabilities
    moved = FRAME.assign(kind="ant", more=1.0)[["kind", *NAMES[::-1], "more"]]
    moved.to_csv(tmp_path / "t.csv")
    for source in (moved, tmp_path / "t.csv"):
        np.testing.assert_array_equal(predict_file(tmp_path, source).probabilities, expected)
    found = predict_file(tmp_path, tmp_path / "t.csv", labels="kind")
    assert found.accuracy == pytest.approx(float((np.array(found.predicted) == "ant").mean()))
    with pytest.raises(DataError, match="expected one column 'depth'"):
        predict_file(tmp_path, FRAME.drop(columns="depth"))


def test_a_model_finds_the_columns_of_a_frame_by_name(tmp_path: Path) -> None:
    model = make_run(tmp_path, FeatureColumns(4, NAMES))
    evaluator = PauliEvaluator(model.spec)
    expected = model.predict_proba(evaluator, VALUES)
    moved = FRAME.assign(kind="ant")[["kind", *NAMES[::-1]]]
    np.testing.assert_array_equal(load_model(tmp_path).predict_proba(evaluator, moved), expected)
    with pytest.raises(DataError, match="expected one column 'depth'"):
        model.predict_proba(evaluator, FRAME.drop(columns="depth"))
    assert repr(model) == (
        "SavedModel(2 qubits, 1 blocks, angle encoding, classes ('ant', 'bee'), backend='noisy_line')"
    )


def test_the_run_s_own_file_is_recognized(tmp_path: Path) -> None:
    make_run(tmp_path, FeatureColumns(4, NAMES))
    for name in ("own.csv", "other.csv"):
        FRAME.to_csv(tmp_path / name, index=False)
    (tmp_path / DIGESTS_FILE).write_text(json.dumps({"path": str((tmp_path / "own.csv").resolve())}))
    assert predict_file(tmp_path, tmp_path / "own.csv").own
    assert not predict_file(tmp_path, tmp_path / "other.csv").own
    (tmp_path / DIGESTS_FILE).write_text("{}")
    with pytest.raises(DataError, match="expected digests of samples"):
        predict_file(tmp_path, tmp_path / "own.csv")


def test_missing_values_are_those_of_training(tmp_path: Path) -> None:
    medians = np.array([1.0, 2.0, 3.0, 4.0])
    make_run(tmp_path, FeatureColumns(4, NAMES, medians))
    gaps = FRAME.copy()
    gaps.loc[3, "width"] = np.nan
    expected = predict_file(tmp_path, gaps.fillna({"width": 2.0})).probabilities
    np.testing.assert_array_equal(predict_file(tmp_path, gaps).probabilities, expected)


def test_the_run_s_settings_say_how_tables_are_meant(tmp_path: Path) -> None:
    make_run(tmp_path, None)
    (tmp_path / "t.csv").write_text("0,1,2,3\n" + "1,0,3,2\n" * 3)
    with pytest.raises(DataError, match="data.headings = true or false"):
        predict_file(tmp_path, tmp_path / "t.csv")
    client = '{"name": "a", "backend": "noisy_line", "samples": 10}'
    settings = f'{{"name": "x", "clients": [{client}], "data": {{"headings": false}}}}'
    (tmp_path / SETTINGS_FILE).write_text(settings)
    assert len(predict_file(tmp_path, tmp_path / "t.csv").probabilities) == 4


def test_a_backend_gives_the_noise(tmp_path: Path) -> None:
    make_run(tmp_path, FeatureColumns(4, NAMES))
    found = predict_file(tmp_path, FRAME, backend=FakeGuadalupeV2())
    assert found.noise == "fake_guadalupe"
    by_name = predict_file(tmp_path, FRAME, backend="ibm_guadalupe")
    np.testing.assert_array_equal(found.probabilities, by_name.probabilities)


@pytest.mark.parametrize("columns", [None, FeatureColumns(4), FeatureColumns(4, NAMES, VALUES[0])])
def test_models_keep_their_columns(columns: FeatureColumns | None, tmp_path: Path) -> None:
    make_run(tmp_path, columns)
    found = load_model(tmp_path).columns
    if columns is None:
        assert found is None
    else:
        assert (found.count, found.names) == (columns.count, columns.names)
        assert (found.medians is None) == (columns.medians is None)
        np.testing.assert_array_equal(found.medians, columns.medians)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"columns": np.array(5)}, "expected 5 names of columns, found 4"),
        ({"columns": np.array([4])}, "expected a number of columns"),
        ({"columns": np.array(4.5)}, "expected a number of columns"),
        ({"medians": np.zeros(5)}, "expected 4 medians of columns, found shape"),
        ({"medians": np.full(4, np.nan)}, "expected finite medians"),
    ],
)
def test_damaged_columns_are_refused(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    make_run(tmp_path, FeatureColumns(4, NAMES, VALUES[0]))
    with np.load(tmp_path / MODEL_FILE) as arrays:
        content = dict(arrays)
    np.savez(tmp_path / MODEL_FILE, **content | changed)
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)

"""A data set without images runs with every shipped experiment: nothing is copied, and that is said."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qkd_qiskit.config import AugmentSettings, load_experiment, shipped_experiments
from qkd_qiskit.data import augmentation_for, prepare_data


@pytest.fixture(scope="module", params=[20, 3])
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    labels = np.arange(6000) % 10
    features = rng.normal(size=(6000, request.param)) + labels[:, None]
    path = tmp_path_factory.mktemp("plain") / "table.csv"
    pd.DataFrame(features.round(3)).assign(label=labels).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", shipped_experiments())
def test_plain_features_take_part_in_every_shipped_experiment(
    name: str, table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_experiment(name, overrides=[f"data.path={table}"])
    with caplog.at_level(logging.WARNING):
        data = prepare_data(settings)
    assert len(data.clients[0]) == data.sizes[0]
    asked = augmentation_for(settings.data.augment, None) != settings.data.augment
    assert ("data.augment: copies and blends are of images" in caplog.text) == asked
    assert data.originals.n_inputs(settings.data.augment) == len(data.public.samples)


def test_images_keep_their_copies() -> None:
    settings = AugmentSettings(copies=3, mixup=2)
    assert augmentation_for(settings, (8, 8)) == settings
    assert augmentation_for(settings, None) == AugmentSettings()

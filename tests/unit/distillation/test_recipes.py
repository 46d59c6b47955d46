"""Recipes: what is tried, in which order, and which rows each of them learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.data import Origins
from qkd_qiskit.distillation import Recipe, recipes

COPIED = Origins.of_copies(3, 2) + Origins.of_copies(4, 2, start=3)


def _blends(origins):
    blend = Origins(np.array([0, 5]), np.array([4, 1]), np.array([0.7, 0.6]))
    return origins + blend


@pytest.mark.parametrize("loss", ["kl", "mse"])
@pytest.mark.parametrize("pool", [False, True])
def test_the_settings_come_first_and_nothing_is_tried_twice(loss, pool):
    settings = DistillationSettings(soft_loss=loss, alpha=0.2, temperature=2.0, pool_copies=pool)
    found = list(recipes(settings, COPIED).values())
    assert found[0] == Recipe(loss, 0.2, 2.0, pool)
    assert len(set(found)) == len(found) > 3
    assert {recipe.soft_loss for recipe in found} == {"kl", "mse"}
    assert any(recipe.trust < 1 and recipe.alpha > 0.2 for recipe in found)


def test_without_copies_nothing_is_tried_that_is_about_copies():
    found = recipes(DistillationSettings(), Origins.of_copies(5, 0)).values()
    assert all(recipe.copies and not recipe.pool for recipe in found)
    assert len(found) == len(recipes(DistillationSettings(), COPIED)) - 2


def test_a_fixed_recipe_stands_alone():
    settings = DistillationSettings(recipe="fixed", alpha=0.7)
    assert list(recipes(settings, COPIED).values()) == [Recipe("kl", 0.7)]


def test_originals_alone_leave_out_copies_and_blends():
    origins = _blends(COPIED)
    np.testing.assert_array_equal(Recipe("kl", 0.1, copies=False).rows(origins), [0, 1, 2, 9, 10, 11, 12])
    np.testing.assert_array_equal(Recipe("kl", 0.1).rows(origins), np.arange(23))


@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 3))
def test_every_original_is_learnt_once(examples, listed, copies):
    origins = Origins.of_copies(examples, copies) + Origins.of_copies(listed, copies, start=examples)
    rows = Recipe("mse", 0.0, copies=False).rows(origins)
    np.testing.assert_array_equal(np.sort(origins.first[rows]), np.arange(examples + listed))
    # Originals stand before their copies.
    assert all((origins.first[:row] != origins.first[row]).all() for row in rows)

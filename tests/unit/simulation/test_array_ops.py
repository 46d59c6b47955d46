import sys

import numpy as np
import pytest

from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.simulation.array_ops import ArrayOps, Pool, array_ops
from qkd_qiskit.vqcnn import VQCNNSpec


@pytest.mark.parametrize("device", [None, "cpu", "numpy"])
def test_numpy_is_the_default(device):
    assert type(array_ops(device, float)) is ArrayOps


@pytest.mark.parametrize("device", ["tpu", "", "cuda1"])
def test_unknown_devices_are_refused_with_those_that_exist(device):
    with pytest.raises(
        SimulationError, match=f"expected a device such as 'cpu', 'cuda', .* found {device!r}"
    ):
        PauliEvaluator(VQCNNSpec(2, plan="conv"), device=device)


@pytest.mark.parametrize("library", ["torch", "cupy", "jax"])
def test_a_missing_library_is_named_with_its_extra(monkeypatch, library):
    for name in (f"array_api_compat.{library}", library, "jax.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SimulationError, match=f"the device '{library}' needs the extra 'gpu'"):
        array_ops(library, float)


def test_without_a_gpu_each_library_s_reason_is_told(monkeypatch):
    for name in ("array_api_compat.cupy", "array_api_compat.torch", "jax"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        SimulationError, match=r"expected a GPU for device 'cuda', found none \(cupy: .*torch"
    ):
        array_ops("cuda", float)


def test_the_pool_gives_an_array_again_only_when_it_came_back():
    pool = Pool()
    first = pool.take(10, float)
    assert pool.take(10, float) is not first
    pool.give(first)
    assert pool.take(20, float) is first


def test_the_pool_is_bounded_and_lets_go_what_was_not_asked_for_the_longest():
    unit = 2**12
    pool = Pool(limit=3 * unit * 8)
    old, new, large = pool.take(unit, float), pool.take(2 * unit, float), pool.take(4 * unit, float)
    pool.give(old)
    pool.give(new)
    assert pool.n_bytes == 3 * unit * 8
    pool.give(large)  # exceeds the limit alone
    assert pool.n_bytes == 3 * unit * 8
    assert pool.take(unit, float) is old
    pool.give(old)  # now the other size waits the longest
    pool.give(np.empty(unit))
    assert pool.n_bytes == 2 * unit * 8
    assert pool.take(2 * unit, float) is not new


def test_evaluators_share_one_pool_for_each_precision():
    first, second = array_ops(None, np.float64), array_ops("cpu", np.float64)
    array = first.outer(np.ones((1, 2, 3)), np.ones((1, 5, 3)))
    flat = array.base
    first.close()
    assert second.outer(np.ones((1, 2, 3)), np.ones((1, 5, 3))).base is flat
    assert array_ops(None, np.float32).outer(np.ones((1, 2, 3)), np.ones((1, 5, 3))).base is not flat

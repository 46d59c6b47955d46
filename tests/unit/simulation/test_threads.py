"""BLAS has one thread while the engine computes, and as many as before afterwards."""

import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from qkd_qiskit.simulation import one_blas_thread, threads

# In a process of its own: the tests' processes are held to one thread from their start.
PROGRAM = """
import numpy as np
from threadpoolctl import threadpool_info
from qkd_qiskit import PauliEvaluator, VQCNNSpec

def count():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

def loss(found):
    print("inside", count())
    return found.sum(axis=(1, 2)), np.ones_like(found)

spec = VQCNNSpec(n_qubits=2, plan="conv")
print("before", count())
PauliEvaluator(spec).loss_and_gradient(np.zeros(spec.n_weights), np.zeros((3, 4)), loss)
print("after", count())
"""


def test_a_training_step_has_one_blas_thread():
    limits = {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=os.environ | limits
    )
    assert found.stdout.splitlines() == ["before 2", "inside 1", "after 2"]


@pytest.fixture
def limit(monkeypatch):
    """What BLAS is limited to, in place of the library."""

    class Library:
        threads = 2

        def limit(self, limits):
            self.threads = limits
            return self

        def restore_original_limits(self):
            self.threads = 2

    library = Library()
    monkeypatch.setattr(threads, "_blas", lambda: library)
    return lambda: library.threads


def test_the_last_of_several_threads_takes_the_limit_back(limit):
    inside, leave = threading.Barrier(2), threading.Event()

    def other():
        with one_blas_thread():
            inside.wait(10)
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        inside.wait(10)
    assert limit() == 1
    leave.set()
    thread.join()
    assert limit() == 2


def test_the_limit_ends_with_the_outer_call_and_with_an_error(limit):
    with suppress(KeyError), one_blas_thread():
        with one_blas_thread():
            assert limit() == 1
        assert limit() == 1
        raise KeyError
    assert limit() == 2

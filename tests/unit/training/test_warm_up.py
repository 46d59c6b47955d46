"""The two steps of a training share out its steps; none is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.training import noiseless_steps, split_training
from qkd_qiskit.training.optimizers import OPTIMIZERS


@given(
    st.sampled_from(sorted(OPTIMIZERS)),
    st.integers(0, 50),
    st.integers(0, 9),
    st.integers(0, 80),
    st.floats(0, 1),
)
def test_every_step_is_taken_once(method, iterations, sweeps, refine, share):
    whole = TrainingSettings(
        method=method, iterations=iterations, sweeps=sweeps, refine=refine, warm_share=share
    )
    before, after = split_training(whole)
    assert before.refine + after.refine == refine
    if refine:
        # The swarm belongs to the first step as a whole.
        assert (before.iterations, before.sweeps, before.particles) == (iterations, sweeps, whole.particles)
        assert (after.iterations, after.sweeps) == (0, 0)
        assert before.refine == noiseless_steps(whole, refine)
    else:
        assert before.sweeps + after.sweeps == sweeps
        if method == "global":
            assert before.iterations + after.iterations == iterations
        else:
            assert before.iterations == after.iterations == iterations


@pytest.mark.parametrize(("share", "first"), [(0.0, 0), (0.5, 5), (0.75, 8), (1.0, 10)])
def test_the_share_is_that_of_the_first_step(share, first):
    before, after = split_training(TrainingSettings(refine=10, warm_share=share))
    assert (before.refine, after.refine) == (first, 10 - first)

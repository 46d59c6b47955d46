import logging
import logging.config
import subprocess
import sys

import numpy as np
import pytest

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training import Box, ParticleSwarm, SwarmCoefficients, run_swarm


def _swarm(rng, particles=20, dims=3, **kind):
    periodic = kind.pop("periodic", np.ones(dims, dtype=bool))
    box = Box(np.full(dims, -np.pi), np.full(dims, np.pi), periodic)
    start = rng.uniform(-np.pi, np.pi, (particles, dims))
    return ParticleSwarm(start, box, SwarmCoefficients(**kind), rng=rng)


def _ripple(x):
    return (1 - np.cos(x - 3.0)).sum(axis=-1)


@pytest.mark.parametrize("topology", ["star", "ring"])
def test_finds_a_minimum_across_the_end_of_the_circle(topology):
    result = run_swarm(
        _swarm(np.random.default_rng(0), topology=topology), _ripple, iterations=150, patience=150
    )
    assert result.value < 1e-3
    np.testing.assert_allclose(np.cos(result.params - 3.0), 1, atol=1e-3)


@pytest.mark.parametrize("topology", ["star", "ring"])
def test_positions_stay_in_the_box(topology):
    rng = np.random.default_rng(1)
    swarm = _swarm(rng, dims=4, periodic=np.array([True, True, False, False]), topology=topology)
    for _ in range(30):
        x = swarm.ask()
        assert (np.abs(x) <= np.pi).all()
        swarm.tell(rng.standard_normal(len(x)))


def test_best_never_gets_worse_and_belongs_to_its_position():
    swarm = _swarm(np.random.default_rng(2))
    result = run_swarm(swarm, _ripple, iterations=25, patience=25)
    assert list(result.history) == sorted(result.history, reverse=True)
    np.testing.assert_allclose(_ripple(result.params), result.value)
    assert len(result.history) == 26


def test_zero_iterations_evaluate_the_starts():
    calls = []
    result = run_swarm(
        _swarm(np.random.default_rng(3)), lambda x: calls.append(x) or _ripple(x), iterations=0, patience=1
    )
    assert len(calls) == 1
    assert result.value == _ripple(calls[0]).min()


def test_patience_stops_a_swarm_that_is_stuck():
    result = run_swarm(_swarm(np.random.default_rng(4)), lambda x: np.ones(len(x)), iterations=50, patience=3)
    assert len(result.history) == 4


def test_one_seed_gives_one_result_and_leaves_the_global_state():
    np.random.seed(123)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    runs = []
    for seed in (5, 5, 6):
        runs.append(run_swarm(_swarm(np.random.default_rng(seed)), _ripple, iterations=10, patience=10))
        np.random.seed(123)  # noqa: NPY002
    np.testing.assert_array_equal(runs[0].params, runs[1].params)
    assert (runs[0].params != runs[2].params).any()
    run_swarm(_swarm(np.random.default_rng(5)), _ripple, iterations=3, patience=10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_nan_costs_count_as_infinite():
    def values(x):
        cost = _ripple(x)
        cost[::2] = np.nan
        return cost

    result = run_swarm(_swarm(np.random.default_rng(7)), values, iterations=5, patience=5)
    assert np.isfinite(result.value)


def test_no_finite_start_is_an_error():
    with pytest.raises(TrainingError, match="finite loss at some starting point"):
        run_swarm(
            _swarm(np.random.default_rng(8)), lambda x: np.full(len(x), np.nan), iterations=5, patience=5
        )


def test_bad_starts_and_wrong_order_are_errors():
    rng = np.random.default_rng(9)
    with pytest.raises(TrainingError, match="at least 2 particles"):
        _swarm(rng, particles=1)
    with pytest.raises(TrainingError, match="inside bounds"):
        ParticleSwarm(np.full((2, 1), 5.0), Box(-np.ones(1), np.ones(1), np.zeros(1, bool)), rng=rng)
    with pytest.raises(TrainingError, match=r"20 costs after ask\(\)"):
        _swarm(rng).tell(np.zeros(20))
    swarm = _swarm(rng)
    swarm.ask()
    with pytest.raises(TrainingError, match=r"found shape \(3,\)"):
        swarm.tell(np.zeros(3))


def test_no_log_file_and_no_logging_configuration(tmp_path):
    code = (
        "import logging, numpy as np\n"
        "from qkd_qiskit.training import Box, SwarmCoefficients, ParticleSwarm, run_swarm\n"
        "import sys; assert 'pyswarms' not in sys.modules\n"
        "rng = np.random.default_rng(0)\n"
        "for t in ('star', 'ring'):\n"
        "    box = Box(-np.ones(2), np.ones(2), np.ones(2, bool))\n"
        "    s = ParticleSwarm(rng.uniform(-1, 1, (4, 2)), box, SwarmCoefficients(topology=t), rng=rng)\n"
        "    run_swarm(s, lambda x: (x**2).sum(-1), iterations=3, patience=3)\n"
        "assert 'pyswarms' in sys.modules\n"
        "assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_logging_configuration_still_works_afterwards():
    original = logging.config.dictConfig
    _swarm(np.random.default_rng(0))
    assert logging.config.dictConfig is original


def _noisy(rng):
    return lambda x: _ripple(x) + 0.8 * rng.standard_normal(len(x))


def test_bests_of_scattering_costs_are_evaluated_again():
    # With one cost, the lowest of many draws is far too low; with more, it comes close to the true cost.
    errors = {}
    for again in (False, True):
        swarm = _swarm(np.random.default_rng(0))
        noise = _noisy(np.random.default_rng(1))
        result = run_swarm(swarm, noise, iterations=60, patience=60, reevaluate=again)
        errors[again] = _ripple(result.params[None])[0] - result.value
    assert abs(errors[True]) < 0.5 * abs(errors[False])


def test_a_best_that_is_told_again_gets_the_mean():
    swarm = _swarm(np.random.default_rng(0), particles=2)
    swarm.ask()
    swarm.tell(np.array([1.0, 5.0]))
    swarm.tell_bests(np.array([3.0, 5.0]))
    swarm.tell_bests(np.array([8.0, 5.0]))
    assert swarm.best_cost == pytest.approx((1 + 3 + 8) / 3)
    with pytest.raises(TrainingError, match="expected 2 costs of the bests"):
        swarm.tell_bests(np.zeros(3))


def test_a_reason_to_stop_ends_the_search():
    moves = []
    result = run_swarm(
        _swarm(np.random.default_rng(0)),
        lambda x: moves.append(1) or _ripple(x),
        iterations=50,
        patience=50,
        stop=lambda: len(moves) >= 4,
    )
    assert len(result.history) == 4

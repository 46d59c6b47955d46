"""Training in two steps: without noise first, then under noise from there.

The last phase that a training has is shared between the two; the phases before it come first, without noise.
"""

from __future__ import annotations

from qkd_qiskit.config import TrainingSettings


def noiseless_steps(settings: TrainingSettings, steps: int) -> int:
    """Return how many of the last phase's steps are taken without noise."""
    return round(settings.warm_share * steps)


def split_training(settings: TrainingSettings) -> tuple[TrainingSettings, TrainingSettings]:
    """Return the settings of swarm and L-BFGS without noise, and of what follows under noise.

    Where L-BFGS follows the swarm, its iterations are shared out, and what follows has no swarm; else the
    moves of the global swarm are, or the sweeps of the cooperative one. The second training begins from the
    result of the first as its `initial`.
    """
    if settings.refine > 0:
        first = noiseless_steps(settings, settings.refine)
        still = {"particles": 2, "iterations": 0, "sweeps": 0}
        return (
            settings.model_copy(update={"refine": first}),
            settings.model_copy(update={**still, "refine": settings.refine - first}),
        )
    moves, sweeps = settings.iterations, settings.sweeps
    before = {"iterations": noiseless_steps(settings, moves), "sweeps": noiseless_steps(settings, sweeps)}
    after = {"iterations": moves - before["iterations"], "sweeps": sweeps - before["sweeps"]}
    if settings.method != "global":
        # Sub-swarms are as long as ever; there are fewer sweeps of them.
        before["iterations"] = after["iterations"] = moves
    return settings.model_copy(update=before), settings.model_copy(update=after)

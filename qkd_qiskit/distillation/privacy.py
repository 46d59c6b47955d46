"""Noise on a client's outputs, and what it guarantees.

What is protected is a client's whole data set: whatever its samples are, each row of its outputs is a point
of the probability simplex, and two such points are at most sqrt(2) apart. So M rows differ by at most
sqrt(2 M) between any two data sets, and Gaussian noise of deviation s on every number makes the answer
(epsilon, delta)-differentially private at

    delta(epsilon) = Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu),   mu = sqrt(2 M) / s

(Balle and Wang, arXiv:1805.06530, Theorem 8). Clipping, scaling and rounding come after the noise and cost
nothing. Training is not looked into: no smaller distance is known for one sample more or less, since the
outputs of a trained model may all change with it. What the rows beside the outputs tell, the classes that a
client holds and its model index, is not protected. Rounds and experiments add their rows up.

Shots count only where no outcome is certain: of a circuit's own probabilities some may be zero, and then one
shot can tell two data sets apart. A client that answers each shot with a uniform outcome with probability
`floor` has randomized it, whatever the circuit: the ratio of two probabilities of an outcome is at most
1 + k (1 - floor) / floor for k outcomes, and shots add up as `shots_epsilon` says.
"""

from __future__ import annotations

import hashlib
from math import exp, inf, log, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import OutputPrivacySettings
from qkd_qiskit.distillation.outputs import normalized
from qkd_qiskit.errors import DistillationError

DELTA = 1e-5
"""The delta at which an answer's epsilon is told."""
_DIAMETER = sqrt(2.0)
_TOLERANCE = 1e-9


def output_epsilon(noise: float, rows: int, delta: float = DELTA) -> float:
    """Return the least epsilon at which noisy outputs are (epsilon, delta)-differentially private.

    Args:
        noise: Standard deviation of the Gaussian noise on each number; 0 protects nothing.
        rows: Rows of outputs that were answered in all, copies and rounds included.
        delta: In (0, 1).

    Raises:
        DistillationError: If a number is out of range.
    """
    if not (noise >= 0 and rows >= 0 and 0 < delta < 1):
        raise DistillationError(
            f"privacy: expected noise and rows of 0 or more and delta in (0, 1), "
            f"found {noise}, {rows} and {delta}"
        )
    if rows == 0:
        return 0.0
    if noise == 0:
        return inf
    mu = _DIAMETER * sqrt(rows) / noise

    def excess(epsilon: float) -> float:
        first = ndtr(mu / 2 - epsilon / mu)
        # The product of a huge and a tiny number, taken as the exponential of a sum.
        second = exp(min(0.0, epsilon + log_ndtr(-mu / 2 - epsilon / mu)))
        return float(first - second - delta)

    if excess(0.0) <= 0:
        return 0.0
    # At this epsilon the first term alone is below delta.
    most = mu * mu / 2 + mu * sqrt(2 * log(1 / delta)) + 1.0
    return float(brentq(excess, 0.0, most, xtol=_TOLERANCE * most))


def shots_epsilon(shots: int, floor: float, n_outcomes: int, rows: int, delta: float = DELTA) -> float:
    """Return an epsilon at which randomized shots are (epsilon, delta)-differentially private.

    Each shot is purely private, so it is concentrated too, and concentrations add up (Bun and Steinke,
    arXiv:1605.02635, Propositions 1.4 and 1.3); the plain sum of the shots' epsilons is taken where it is
    less.

    Args:
        shots: Shots of a row, 0 or more.
        floor: Chance that a shot's outcome is replaced by a uniform one, in [0, 1].
        n_outcomes: Number k of outcomes, 2 or more.
        rows: Rows that were answered in all.
        delta: In (0, 1).

    Raises:
        DistillationError: If a number is out of range.
    """
    if not (shots >= 0 and rows >= 0 and 0 <= floor <= 1 and n_outcomes >= 2 and 0 < delta < 1):
        raise DistillationError(
            "privacy: expected shots and rows of 0 or more, floor in [0, 1], 2 outcomes or more and delta in "
            f"(0, 1), found {shots}, {rows}, {floor}, {n_outcomes} and {delta}"
        )
    if floor == 0:
        return 0.0 if shots * rows == 0 else inf
    each = log(1 + n_outcomes * (1 - floor) / floor)
    concentration = shots * rows * each * each / 2
    return min(shots * rows * each, concentration + 2 * sqrt(concentration * log(1 / delta)))


def blurred_outputs(
    outputs: FloatArray, blur: OutputPrivacySettings, secret: str, question: str
) -> FloatArray:
    """Return outputs as a client lets them leave it: drawn with shots, with Gaussian noise, or both.

    What is drawn follows from the secret, the question and the outputs: who asks the same again gets the same
    answer, and learns nothing from it; any other answer has draws of its own.

    Args:
        outputs: Outcome probabilities [N, C].
        blur: Shots, their floor, and noise.
        secret: Known to the client alone, or the noise can be taken off.
        question: What is asked: another text is another question.

    Returns:
        Probabilities [N, C]; the outputs themselves where the settings want nothing.
    """
    seed = hashlib.sha256(f"{secret}\n{question}\n{outputs.shape}\n".encode() + outputs.tobytes()).digest()
    rng = np.random.default_rng(np.frombuffer(seed, dtype=np.uint32))
    shots, floor, uniform = blur.output_shots, blur.output_floor, 1.0 / outputs.shape[1]
    if shots:
        drawn = rng.multinomial(shots, normalized((1 - floor) * outputs + floor * uniform)) / shots
        # What is known of the replaced outcomes is taken out again.
        outputs = normalized(np.clip((drawn - floor * uniform) / (1 - floor), 0.0, 1.0))
    if blur.output_noise:
        noise = blur.output_noise * rng.standard_normal(outputs.shape)
        outputs = normalized(np.clip(outputs + noise, 0.0, 1.0))
    return outputs


def blur_epsilon(blur: OutputPrivacySettings, n_outcomes: int, rows: int, delta: float = DELTA) -> float:
    """Return an epsilon at which blurred outputs are (epsilon, delta)-differentially private.

    Shots and noise follow each other, so the better of both guarantees holds.

    Args:
        blur: Shots, their floor, and noise.
        n_outcomes: Outcomes of a row, 2 or more.
        rows: Rows that were answered in all.
        delta: In (0, 1).
    """
    noise = output_epsilon(blur.output_noise, rows, delta)
    if not blur.output_shots:
        return noise
    return min(noise, shots_epsilon(blur.output_shots, blur.output_floor, n_outcomes, rows, delta))

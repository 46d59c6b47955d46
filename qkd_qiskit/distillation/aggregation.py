"""From several clients' outcome probabilities to one distribution over all classes.

Clients hold different class sets. `lift` brings their outputs to the global class set; four rules combine
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import softmax, xlogy

from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training.losses import FloatArray, IntArray

Aggregation = Literal["mean", "coverage", "confidence", "product"]
AGGREGATIONS: tuple[Aggregation, ...] = ("mean", "coverage", "confidence", "product")

# Below the step of float16 near zero a probability tells nothing.
OUTPUT_FLOOR = 1e-6


def lift(outputs: FloatArray, held: IntArray, n_classes: int) -> FloatArray:
    """A client's outputs as a distribution over all classes.

    The mass of the reject outcome is spread evenly over the classes that the client does not hold. Without
    a reject outcome those classes get zero.

    Args:
        outputs: [N, k], or [N, k + 1] with the reject outcome last.
        held: Indices [k] of the client's classes in the global class set.
        n_classes: Number G of all classes.

    Returns:
        Probabilities [N, G], nonnegative; rows sum to one.

    Raises:
        DistillationError: If the number of columns fits neither k nor k + 1.
    """
    k = len(held)
    if outputs.shape[1] not in (k, k + 1):
        raise DistillationError(f"lift: expected {k} or {k + 1} columns, found {outputs.shape[1]}")
    lifted = np.zeros((len(outputs), n_classes))
    lifted[:, held] = outputs[:, :k]
    missing = np.setdiff1d(np.arange(n_classes), held)
    if outputs.shape[1] == k + 1 and len(missing):
        lifted[:, missing] = outputs[:, k:] / len(missing)
    return _normalized(lifted)


def aggregate(
    lifted: Sequence[FloatArray], held: Sequence[IntArray], rejects: Sequence[bool], rule: Aggregation
) -> FloatArray:
    """Combine lifted outputs of at least one client.

    - `mean`: plain average; classes that few clients hold lose.
    - `coverage`: each class averages over the clients that hold it; a class that nobody holds averages over
        all.
    - `confidence`: average weighted per sample by one minus the normalized entropy, so that a client that
      spreads its reject mass counts little.
    - `product`: product of experts; a client without reject outcome says nothing of classes that it does not
      hold: they get the geometric mean of its own.

    Args:
        lifted: One array [N, G] a client, as `lift` returns it.
        held: Indices of each client's classes.
        rejects: Whether each client has the reject outcome.
        rule: One of the four.

    Returns:
        Probabilities [N, G]; rows sum to one.

    Raises:
        DistillationError: If there is no client, or the rule is unknown.
    """
    if not lifted:
        raise DistillationError("aggregate: expected the outputs of at least one client, found none")
    stack = np.stack(lifted)
    n_classes = stack.shape[2]
    if rule == "mean":
        return _normalized(stack.mean(axis=0))
    if rule == "coverage":
        holders = np.stack([np.isin(np.arange(n_classes), h) for h in held])
        holders[:, ~holders.any(axis=0)] = True
        return _normalized(np.einsum("ing,ig->ng", stack, holders / holders.sum(axis=0)))
    if rule == "confidence":
        entropy = -xlogy(stack, stack).sum(axis=2) / np.log(max(n_classes, 2))
        weights = np.maximum(1.0 - entropy, OUTPUT_FLOOR)
        return _normalized(np.einsum("ing,in->ng", stack, weights / weights.sum(axis=0)))
    if rule == "product":
        logs = np.log(np.maximum(stack, OUTPUT_FLOOR))
        for log, classes, reject in zip(logs, held, rejects, strict=True):
            missing = np.setdiff1d(np.arange(n_classes), classes)
            if not reject and len(missing):
                log[:, missing] = log[:, classes].mean(axis=1, keepdims=True)
        return np.asarray(softmax(logs.sum(axis=0), axis=1))
    raise DistillationError(f"aggregation: expected one of {', '.join(AGGREGATIONS)}, found {rule!r}")


def _normalized(p: FloatArray) -> FloatArray:
    """Rows scaled to sum to one; a row of zeros becomes uniform."""
    total = p.sum(axis=1, keepdims=True)
    return np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])

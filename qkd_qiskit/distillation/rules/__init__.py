"""Aggregation rules: from several clients' probabilities to one distribution over all classes.

A further rule is a file beside these and a line in `RULES`; settings name it, and `auto` tries it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.rules.base import AggregationRule, Census
from qkd_qiskit.distillation.rules.confidence import Confidence
from qkd_qiskit.distillation.rules.coverage import Coverage
from qkd_qiskit.distillation.rules.mean import Mean
from qkd_qiskit.distillation.rules.product import Product
from qkd_qiskit.errors import DistillationError

RULES: dict[str, type[AggregationRule]] = {rule.name: rule for rule in (Mean, Coverage, Confidence, Product)}
"""All rules by name, in the order in which equally good ones are preferred."""

__all__ = ["RULES", "AggregationRule", "Census", "aggregate", "rule_named"]


def rule_named(name: str) -> type[AggregationRule]:
    """Return a rule.

    Args:
        name: One of `RULES`.

    Raises:
        DistillationError: If there is no such rule.
    """
    if name not in RULES:
        raise DistillationError(f"aggregation: expected one of {', '.join(RULES)}, found {name!r}")
    return RULES[name]


def aggregate(
    lifted: Sequence[FloatArray], held: Sequence[IntArray], rejects: Sequence[bool], rule: str
) -> FloatArray:
    """Combine lifted outputs of at least one client, all of them at hand.

    Args:
        lifted: One array [N, G] a client, as `lift` returns it.
        held: Indices of each client's classes.
        rejects: Whether each client has the reject outcome.
        rule: Name of one of `RULES`.

    Returns:
        Probabilities [N, G]; rows sum to one.

    Raises:
        DistillationError: If there is no client, or the rule is unknown.
    """
    if not lifted:
        raise DistillationError("aggregate: expected the outputs of at least one client, found none")
    census = Census(*lifted[0].shape)
    for outputs, classes in zip(lifted, held, strict=True):
        census.count(outputs, classes)
    running = rule_named(rule)(census)
    for outputs, classes, reject in zip(lifted, held, rejects, strict=True):
        running.add(outputs, classes, reject)
    return running.combined()

"""Aggregation rules: from several clients' probabilities to one distribution over all classes.

A further rule is a file beside these and a line in `RULES`; settings name it, and `auto` tries it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.rules.base import AggregationRule, Census, combine
from qkd_qiskit.distillation.rules.confidence import Confidence
from qkd_qiskit.distillation.rules.confusion import Confusion
from qkd_qiskit.distillation.rules.coverage import Coverage
from qkd_qiskit.distillation.rules.mean import Mean
from qkd_qiskit.distillation.rules.product import Product
from qkd_qiskit.errors import DistillationError

RULES: dict[str, type[AggregationRule]] = {
    rule.name: rule for rule in (Mean, Coverage, Confidence, Product, Confusion)
}
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
    lifted: Sequence[FloatArray],
    held: Sequence[IntArray],
    rejects: Sequence[bool],
    rule: str,
    *,
    own: FloatArray | None = None,
    labels: IntArray | None = None,
) -> FloatArray:
    """Combine lifted outputs of at least one client, all of them at hand.

    Args:
        lifted: One array [N, G] a client, as `lift` returns it.
        held: Indices of each client's classes.
        rejects: Whether each client has the reject outcome.
        rule: Name of one of `RULES`.
        own: Class probabilities [N, G] of the server's own model, for rules that take them into account.
        labels: Class of each sample that the server knows [N], -1 elsewhere; None where it knows none.

    Returns:
        Probabilities [N, G]; rows sum to one.

    Raises:
        DistillationError: If there is no client, or the rule is unknown.
    """
    if not lifted:
        raise DistillationError("aggregate: expected the outputs of at least one client, found none")
    return combine(rule_named(rule), lifted, held, rejects, own=own, labels=labels)

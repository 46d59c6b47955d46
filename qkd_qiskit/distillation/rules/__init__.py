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
from qkd_qiskit.distillation.rules.own import own_rule
from qkd_qiskit.distillation.rules.product import Product
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.own import OwnObjects

RULES: dict[str, type[AggregationRule]] = {
    rule.name: rule for rule in (Mean, Coverage, Confidence, Product, Confusion)
}
"""All rules by name, in the order in which equally good ones are preferred."""

OWN_RULES: OwnObjects[type[AggregationRule]] = OwnObjects("aggregation rules")

__all__ = [
    "OWN_RULES",
    "RULES",
    "AggregationRule",
    "Census",
    "aggregate",
    "known_rules",
    "own_rule",
    "rule_named",
]


def rule_named(name: str) -> type[AggregationRule]:
    """Return a rule.

    Args:
        name: One of `known_rules()`.

    Raises:
        DistillationError: If there is no such rule.
    """
    known = known_rules()
    if name not in known:
        raise DistillationError(f"aggregation: expected one of {', '.join(known)}, found {name!r}")
    return known[name]


def known_rules() -> dict[str, type[AggregationRule]]:
    """Return all rules by name: those of `RULES`, then those that a program has passed for this run."""
    return {**RULES, **OWN_RULES.all()}


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

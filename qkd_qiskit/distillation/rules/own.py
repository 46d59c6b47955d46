"""Aggregation rules that a program passes as objects: classes, or plain functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from qkd_qiskit.arguments import found
from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import normalized
from qkd_qiskit.distillation.rules.base import AggregationRule, Census
from qkd_qiskit.errors import DistillationError

Combine = Callable[[FloatArray], FloatArray]


class FunctionRule(AggregationRule):
    """Hands all clients' outputs to a function at once; memory grows with their number.

    Attributes:
        function: Takes outputs [clients, N, G], and returns nonnegative scores [N, G].
    """

    function: ClassVar[Combine]

    def __init__(self, census: Census) -> None:
        """Start with nobody."""
        super().__init__(census)
        self._outputs: list[FloatArray] = []

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Note a client's outputs; nothing is added up."""
        self._outputs.append(lifted)
        return np.zeros_like(lifted)

    def combined(self) -> FloatArray:
        """Return the function's scores of all clients [N, G], normalized.

        Raises:
            DistillationError: If the function returns something else.
        """
        outputs = np.stack(self._outputs)
        scores = np.asarray(type(self).function(outputs))
        wanted = outputs.shape[1:]
        if scores.shape != wanted or not (np.isfinite(scores).all() and (scores >= 0).all()):
            raise DistillationError(
                f"aggregation rule {self.name}: expected nonnegative finite scores {wanted}, found shape "
                f"{scores.shape}"
            )
        return normalized(scores.astype(np.float64))


def own_rule(rule: object, taken: Sequence[str]) -> type[AggregationRule]:
    """Return what a program passes as its aggregation rule as one.

    Args:
        rule: A subclass of `AggregationRule`, or a function from outputs [clients, N, G] to scores [N, G];
            its name is the rule's name.
        taken: Names that other rules have.

    Raises:
        DistillationError: If it is something else, has no name of its own, or lacks a method.
    """
    if isinstance(rule, type) and issubclass(rule, AggregationRule):
        made = rule
        if inspect.isabstract(rule):
            missing = ", ".join(sorted(rule.__abstractmethods__))
            raise DistillationError(f"aggregation rule {rule.__name__}: expected it to define {missing}")
    elif inspect.isroutine(rule):
        made = type(
            "OwnFunctionRule",
            (FunctionRule,),
            {"name": rule.__name__, "function": staticmethod(rule), "__module__": rule.__module__},
        )
    else:
        raise DistillationError(
            "aggregation: expected the name of a rule, a subclass of AggregationRule or a function, found "
            f"{found(rule)}"
        )
    name = getattr(made, "name", None)
    if not (isinstance(name, str) and name.isidentifier()) or name in taken:
        raise DistillationError(
            f"aggregation: expected a rule whose name is a word other than {', '.join(taken)}, found {name!r}"
        )
    return made

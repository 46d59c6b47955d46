"""Which block acts on which side: a search over all cuts through the circuit, by predicted time.

A cut is a set of blocks that holds, with each block, everything before it; they act on the samples. The
search starts from all blocks on either side and from the cuts along each bond of the chain, and moves the
border as long as the predicted time falls. On each side the block that leaves the smallest tensor goes first,
so that pooled qubits are traced out before the next ones come in.

Path finders for tensor networks search over pairs of tensors, which is a larger space; but they weigh neither
the sample index nor the speed of skinny products, and need seconds where this search takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from qkd_qiskit.simulation.contraction_plan import ContractionPlan, Network
from qkd_qiskit.simulation.cost_model import Workload, contraction_seconds
from qkd_qiskit.simulation.plan_layout import BlockOrder, lay_out

# Border moves start from this many of the best first cuts.
_STARTS = 3


@lru_cache(maxsize=256)
def plan_contraction(network: Network, workload: Workload, *, two_sided: bool = True) -> ContractionPlan:
    """Plan a contraction.

    Args:
        network: The circuit's network.
        workload: What the plan is for.
        two_sided: Whether blocks may act on the samples; if not, all act on the observables.
    """
    order = BlockOrder(network)
    costs: dict[int, float] = {}
    plans: dict[int, ContractionPlan] = {}

    def cost(cut: int) -> float:
        if cut not in costs:
            plans[cut] = lay_out(network, order, cut, workload)
            costs[cut] = contraction_seconds(plans[cut], workload)
        return costs[cut]

    if not two_sided:
        return lay_out(network, order, 0, workload)
    starts = sorted({0, order.all, *order.bond_cuts()}, key=lambda cut: (cost(cut), cut))
    ends = {_descend(start, order, cost) for start in starts[:_STARTS]}
    return plans[min(ends, key=lambda cut: (cost(cut), cut))]


def _descend(cut: int, order: BlockOrder, cost: Callable[[int], float]) -> int:
    """Move the border while the cost falls; return the last cut."""
    while True:
        best = min(order.neighbours(cut), key=lambda other: (cost(other), other), default=cut)
        if cost(best) >= cost(cut):
            return cut
        cut = best

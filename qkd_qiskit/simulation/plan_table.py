"""A contraction plan in words and figures."""

from __future__ import annotations

from qkd_qiskit.simulation.contraction_plan import ContractionPlan, ObservableStep, SampleStep
from qkd_qiskit.simulation.cost_model import (
    Workload,
    contraction_seconds,
    meeting_operations,
    observable_step_operations,
    sample_step_operations,
)


def plan_table(plan: ContractionPlan, workload: Workload, qubits: list[tuple[int, ...]]) -> str:
    """Return a plan as lines of text: what each step does, how large its tensor is, and what it costs.

    Args:
        plan: The plan.
        workload: What it is for; costs are those of one particle, forward.
        qubits: Qubits of each block of the compiled circuit.
    """
    n, strings = workload.n_samples, plan.n_strings
    itemsize = 4 if workload.single else 8
    lines = ["side         block  on       cluster          elements    operations         bytes"]
    total = meeting_operations(plan.meeting, strings, n)

    def line(side: str, step: SampleStep | ObservableStep, cluster: str, size: int, count: float) -> str:
        on = "-".join(map(str, qubits[step.block]))
        return (
            f"{side:<12} {step.block:>5}  {on:<7}  {cluster:<15} {size:>9}  {count:>12.3g}  "
            f"{itemsize * size:>12}"
        )

    for step in plan.sample_steps:
        count = sample_step_operations(step, n)
        total += count
        cluster = _named(plan.clusters[step.result])
        lines.append(line("samples", step, cluster, step.size * n, count))
    for back in plan.observable_steps:
        count = observable_step_operations(back, strings)
        total += count
        inside = (*(q for q in back.order if q not in qubits[back.block]), *qubits[back.block])
        lines.append(line("observables", back, _named(tuple(sorted(inside))), back.size * strings, count))
    meeting = plan.meeting
    joined = _named(tuple(q for number in meeting.joined for q in plan.clusters[number]))
    others = [_named(plan.clusters[number]) for number in meeting.reduced]
    count = meeting_operations(meeting, strings, n)
    lines.append(
        f"{'meeting':<12} {'':>5}  {'':<7}  {' x '.join([joined, *others]):<15} "
        f"{meeting.size * strings:>9}  {count:>12.3g}  {itemsize * meeting.size * strings:>12}"
    )
    predicted = contraction_seconds(plan, Workload(n, gradient=False, single=workload.single))
    lines.append(
        f"one particle, {n} samples, {strings} strings: {total:.3g} operations, "
        f"predicted {1e3 * predicted:.3g} ms on one core"
    )
    return "\n".join(lines)


def _named(qubits: tuple[int, ...]) -> str:
    """Return qubits as runs: `0-3,6`."""
    runs: list[list[int]] = []
    for qubit in sorted(qubits):
        if runs and qubit == runs[-1][1] + 1:
            runs[-1][1] = qubit
        else:
            runs.append([qubit, qubit])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)

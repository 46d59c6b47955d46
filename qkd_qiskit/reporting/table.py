"""Results as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qkd_qiskit.evaluation import COMPARED, model_title
from qkd_qiskit.evaluation.results import (
    ClientAccuracy,
    Gates,
    ModelResult,
    PersonalResult,
    Quantity,
    QuantityRange,
    Results,
)
from qkd_qiskit.versions import version_remarks


def model_order(results: Results) -> list[str]:
    """Return the names of all tested models: the known ones in their order, then the others as they come."""
    known = [model.name for model in COMPARED if model.name in results.measured]
    return [*known, *(name for name in results.measured if name not in known)]


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal; a dash for None."""
    return "-" if value is None else f"{100 * value:.1f} %"


def quantity(value: Quantity) -> str:
    """Return a count as text; a range as `low-high`, a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, QuantityRange):
        return f"{value.low:g}" if value.low == value.high else f"{value.low:g}-{value.high:g}"
    return f"{value:g}"


def signed_percent(value: Quantity) -> str:
    """Return a relative error as a percentage with its sign; a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, QuantityRange):
        value = value.mid
    return f"{100 * value:+.1f} %" if abs(value) >= 5e-4 else "0"


def noise_label(model: ModelResult) -> str:
    """Return under whose noise the accuracy was measured; of a classical model, whose labels it knows."""
    if isinstance(model.noise, str):
        return model.noise
    if model.labels is not None:
        return f"{model.labels} labels"
    return "yes" if model.noise else "none"


def interval_label(interval: tuple[float, float]) -> str:
    """Return a 95 % interval of a share in percent."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def comparison_title(name: str) -> str:
    """Return `global_minus_public_only` as `global minus public data only`."""
    return " minus ".join(model_title(part) for part in name.split("_minus_"))


def comparison_conclusion(interval: tuple[float, float]) -> str:
    """Return what the interval of a difference allows to say."""
    if interval[0] > 0:
        return "better"
    return "worse" if interval[1] < 0 else "undecided"


def models_table(results: Results) -> Table:
    """Return the models with accuracy under noise and without, 95 % interval, weights and two-qubit gates."""
    table = _table("Models on the test samples, accuracy in %")
    table.add_column("model", no_wrap=True)
    for heading in ("accu-\nracy", "95 %\ninterval", "no\nnoise", "weights", "2-qubit\ngates"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("noise of,\nor labels", overflow="fold")
    for name in model_order(results):
        model = results.measured[name]
        low, high = model.interval
        table.add_row(
            escape(model_title(name)),
            f"{100 * model.accuracy:.1f}",
            f"{100 * low:.1f}-{100 * high:.1f}",
            "-" if model.accuracy_ideal is None else f"{100 * model.accuracy_ideal:.1f}",
            quantity(model.weights),
            quantity(model.two_qubit_gates),
            escape(noise_label(model)),
            style="bold" if name == "global" else None,
        )
    return table


def clients_table(results: Results) -> Table:
    """Return the clients with device, data, budget, predicted and counted gates, accuracy and bytes."""
    table = _table("Clients, accuracy in %")
    table.add_column("client\ndevice", no_wrap=True)
    table.add_column("classes")
    table.add_column("samples", justify="right")
    table.add_column("blocks\nlimit")
    table.add_column("2-qubit\npredicted\n/ counted", no_wrap=True)
    table.add_column("ESP", justify="right")
    table.add_column("accu-\nracy", justify="right", no_wrap=True)
    table.add_column("bytes\nsent", justify="right", no_wrap=True)
    for client in results.clients:
        budget, gates, accuracy = client.budget, client.gates, client.accuracy
        counts = "-" if gates is None else _predicted_and_counted(gates)
        esp = None if gates is None else gates.transpiled.esp
        table.add_row(
            f"{escape(client.name)}\n[dim]{escape(client.backend or 'a device of its own')}[/dim]",
            escape(" ".join(str(label) for label in client.classes)) or "-",
            "-" if client.samples is None else str(client.samples),
            "-" if budget is None else f"{budget.blocks}\n[dim]{escape(budget.limited_by or '')}[/dim]",
            counts,
            "-" if esp is None else f"{esp:.2f}",
            "-" if accuracy is None else _before_and_after(accuracy, client.personal),
            str(client.bytes_sent),
        )
    return table


def _before_and_after(before: ClientAccuracy, personal: PersonalResult | None) -> str:
    """Return a client's accuracies on its own classes and on all; those after the way back behind."""
    own, everywhere = f"{100 * before.own_classes:.1f}", f"{100 * before.all_classes:.1f}"
    if personal is not None:
        own += f" > {100 * personal.accuracy.own_classes:.1f}"
        everywhere += f" > {100 * personal.accuracy.all_classes:.1f}"
    return f"{own} own\n{everywhere} all"


def _predicted_and_counted(gates: Gates) -> str:
    return f"{quantity(gates.estimated.two_qubit)} / {quantity(gates.transpiled.two_qubit)}"


def clients_alone(results: Results) -> str:
    """Return what the clients reach on all classes, each alone; nothing where nobody has measured it."""
    reached = [client.accuracy.all_classes for client in results.clients if client.accuracy is not None]
    if not reached or "best_client" not in results.measured:
        return ""
    low, high = (f"{100 * share:.1f}" for share in (min(reached), max(reached)))
    return (
        f"chosen client: the best on the public validation samples, not on the test samples; alone, clients "
        f"reach {low} to {high} % on all classes"
    )


def comparisons_table(results: Results) -> Table:
    """Return the paired differences with their intervals and what they allow to say."""
    table = _table("Paired differences, in points of accuracy")
    table.add_column("comparison")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("so it is")
    for name, comparison in results.comparisons.items():
        low, high = comparison.interval
        table.add_row(
            comparison_title(name),
            f"{100 * comparison.difference:+.1f}",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
            comparison_conclusion(comparison.interval),
        )
    return table


def rows_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a plain table: text to the left, numbers to the right.

    Args:
        title: Heading of the table.
        columns: Headings of the columns.
        rows: One sequence a row, as long as `columns`; None is shown as a dash.
    """
    table = _table(title)
    for place, heading in enumerate(columns):
        known = [row[place] for row in rows if row[place] is not None]
        numeric = bool(known) and all(isinstance(value, int | float | QuantityRange) for value in known)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def records_table(title: str, columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of some values of nested rows.

    Args:
        title: Heading of the table.
        columns: Heading of each column, and the key of its value; dots lead into dicts. A range
            (`low`, `mid`, `high`) is shown as such, and what a row lacks as a dash.
        rows: Dicts as JSON would hold them.
    """
    cells = [[_look_up(row, key) for _, key in columns] for row in rows]
    # A column without any value, such as the client of a bare structure, says nothing.
    kept = [
        place for place in range(len(columns)) if not rows or any(row[place] is not None for row in cells)
    ]
    return rows_table(
        title, [columns[place][0] for place in kept], [[row[place] for place in kept] for row in cells]
    )


def print_results(results: Results, console: Console | None = None) -> None:
    """Print all tables of a result, the bytes that travelled, and how its versions differ from others."""
    out = console or Console()
    out.print(clients_table(results))
    if results.partition is not None:
        out.print(results.partition.sentence, highlight=False, markup=False)
    for client in results.clients:
        if client.privacy is not None:
            out.print(f"client {client.name}: {client.privacy.sentence}", highlight=False, markup=False)
    out.print(models_table(results))
    alone = clients_alone(results)
    if alone:
        out.print(alone, highlight=False, markup=False)
    if results.comparisons:
        out.print(comparisons_table(results))
    for name, reason in results.absent.items():
        out.print(f"{model_title(name)}: not measured, {reason}", highlight=False, markup=False)
    for part in results.participation:
        if part.remark:
            out.print(f"client {part.client} {part.remark}", highlight=False, markup=False)
    if results.own:
        mine = "; ".join(record.phrase for record in results.own)
        out.print(f"of the user's own: {mine}", highlight=False, markup=False)
    if results.recipe is not None:
        out.print(results.recipe.sentence, highlight=False, markup=False)
    if results.refit is not None:
        out.print(results.refit.sentence, highlight=False, markup=False)
    for label, traffic in (
        ("distillation", results.communication.distillation),
        ("the way back", results.communication.way_back),
        ("FedAvg", results.communication.fedavg),
        *((model_title(name), sent) for name, sent in (results.communication.baselines or {}).items()),
    ):
        if traffic is None:
            continue
        out.print(
            f"{label}: {traffic.up} bytes up, {traffic.down} bytes down, "
            f"{traffic.rounds} round{'' if traffic.rounds == 1 else 's'}",
            highlight=False,
        )
    if results.communication.carried:
        out.print(results.communication.carried, highlight=False)
    for remark in version_remarks(results.versions):
        out.print(remark, highlight=False, markup=False)


def _table(title: str) -> Table:
    """Return an empty table that wastes no columns: all of a result fits into 80."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _look_up(row: Any, key: str) -> Any:
    for part in key.split("."):
        row = row.get(part) if isinstance(row, Mapping) else None
    if isinstance(row, Mapping) and {"low", "high"} <= row.keys():
        return QuantityRange(low=row["low"], mid=row.get("mid", row["low"]), high=row["high"])
    return row


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, QuantityRange):
        return quantity(value)
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))

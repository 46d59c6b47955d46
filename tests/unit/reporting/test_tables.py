from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from qkd_qiskit.evaluation.results import QuantityRange
from qkd_qiskit.reporting import (
    ReportExtras,
    check_results,
    clients_table,
    models_table,
    print_results,
    records_table,
    rows_table,
)
from qkd_qiskit.reporting.html import render_report
from qkd_qiskit.reporting.table import (
    comparison_conclusion,
    comparisons_table,
    percent,
    quantity,
    signed_percent,
)
from qkd_qiskit.versions import TESTED

Document = dict[str, Any]


def _text(what: Table, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_models_are_complete_and_fit_into_80_columns(results: Document) -> None:
    text = _text(models_table(check_results(results)))
    assert "…" not in text
    for piece in ("global", "92.1", "90.2-93.9", "93.4", "ibm_torino", "RBF SVM", "perceptron (MLP)"):
        assert piece in text


def test_clients_are_complete_and_fit_into_80_columns(results: Document) -> None:
    text = _text(clients_table(check_results(results)))
    assert "…" not in text
    for piece in ("north", "ibm_sherbrooke", "42 / 42", "96.0 own", "71.0 all", "3290", "device"):
        assert piece in text


def test_further_models_come_last(results: Document) -> None:
    results["models"]["my_model"] = results["models"].pop("mlp")
    results["models"]["mlp"] = results["models"]["my_model"]
    text = _text(models_table(check_results(results)))
    assert text.index("perceptron") < text.index("my model")


def test_ranges_are_shown_as_such(results: Document) -> None:
    results["clients"][0]["gates"]["estimated"]["two_qubit"] = {"low": 60, "mid": 63, "high": 66}
    assert "60-66 / 42" in _text(clients_table(check_results(results)), width=120)


def test_names_are_not_read_as_markup(results: Document) -> None:
    results["clients"][0]["name"] = "[bold]x[/]"
    assert "[bold]x[/]" in _text(clients_table(check_results(results)))


@pytest.mark.parametrize(
    ("interval", "conclusion"), [((0.01, 0.02), "better"), ((-0.2, -0.1), "worse"), ((0.0, 0.1), "undecided")]
)
def test_conclusions(results: Document, interval: tuple[float, float], conclusion: str) -> None:
    assert comparison_conclusion(interval) == conclusion
    results["comparisons"] = {"global_minus_fedavg": {"difference": 0.0, "interval": list(interval)}}
    text = _text(comparisons_table(check_results(results)))
    assert "global minus FedAvg" in text
    assert conclusion in text


def test_print_results_shows_all_tables_and_bytes(results: Document) -> None:
    console = Console(file=io.StringIO(), width=80)
    print_results(check_results(results), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for piece in ("Clients", "Models", "Paired", "11560 bytes up, 62720 bytes down, 1 round\n", "20 rounds"):
        assert piece in text


def test_print_results_marks_other_versions_than_the_tested_ones(results: Document) -> None:
    def printed(versions: dict[str, str]) -> str:
        console = Console(file=io.StringIO(), width=80)
        print_results(check_results(results | {"versions": versions}), console)
        assert isinstance(console.file, io.StringIO)
        return " ".join(console.file.getvalue().split())

    assert "this release is tested with" not in printed(TESTED)
    mark = f"Other versions than this release is tested with (in brackets): numpy 0.1 ({TESTED['numpy']})."
    assert mark in printed(TESTED | {"numpy": "0.1"})


def test_print_results_tells_of_clients_left_out_and_of_the_wire(results: Document) -> None:
    results["communication"]["wire"] = {
        "north": {"up": 20000, "down": 300, "requests": 4},
        "east": {"up": 5, "down": 600, "requests": 9},
    }
    results["participation"] = [
        {"client": "north", "standing": "used"},
        {"client": "east", "standing": "silent", "reason": "no answer within 60 s", "missed": [1, 2]},
        {"client": "south", "standing": "used", "stood_in": [2], "missed": [1], "ignored": 1},
    ]
    console = Console(file=io.StringIO(), width=80)
    print_results(check_results(results), console)
    assert isinstance(console.file, io.StringIO)
    text = " ".join(console.file.getvalue().split())
    assert "on the wire, calls of the transport included: 20005 bytes up, 900 bytes down" in text
    assert "client north" not in text
    assert "client east silent: no answer within 60 s; not used in round 1, 2" in text
    south = "not used in round 1; answered too late for round 2; 1 late or further answer ignored"
    assert f"client south {south}" in text
    classes = tuple(map(str, results["data"]["classes"]))
    page = render_report(
        check_results(results), ReportExtras(classes=classes, class_counts={}, confusion=None)
    )
    assert south in page
    assert "20005 bytes up" in page


def test_the_widest_device_and_model_stay_on_one_line(results: Document) -> None:
    results["models"]["classical_distillation"] = results["models"]["rbf_svm"] | {"weights": 123_456}
    results["models"]["best_client"]["noise"] = "ibm_sherbrooke"
    text = _text(models_table(check_results(results)))
    assert any(line.rstrip().endswith("ibm_sherbrooke") for line in text.splitlines())
    assert "classical distilled" in text


def test_results_without_comparisons_print_none(results: Document) -> None:
    del results["comparisons"]
    console = Console(file=io.StringIO(), width=80)
    print_results(check_results(results), console)
    assert isinstance(console.file, io.StringIO)
    assert "Paired" not in console.file.getvalue()


def test_numbers_as_text() -> None:
    assert (percent(None), percent(0.0), percent(1)) == ("-", "0.0 %", "100.0 %")
    assert (quantity(None), quantity(0), quantity(QuantityRange(low=1, mid=1, high=1))) == ("-", "0", "1")
    assert (signed_percent(None), signed_percent(0.0), signed_percent(-0.25)) == ("-", "0", "-25.0 %")
    assert signed_percent(QuantityRange(low=0, mid=0.5, high=1)) == "+50.0 %"


def test_rows_without_rows_still_have_headings() -> None:
    assert "one" in _text(rows_table("Empty", ["one", "two"], []))
    assert "one" in _text(records_table("Empty", [("one", "a")], []))


def test_records_look_into_nested_rows() -> None:
    rows = [
        {"name": "a", "gates": {"n": {"low": 2, "mid": 3, "high": 4}}, "gone": None},
        {"name": "[b]", "gates": None, "gone": None},
    ]
    columns = [("name", "name"), ("count", "gates.n"), ("nobody", "gone"), ("absent", "not.there")]
    text = _text(records_table("Rows", columns, rows))
    assert "2-4" in text
    assert "[b]" in text
    # A column without any value is left out.
    assert "nobody" not in text
    assert "absent" not in text

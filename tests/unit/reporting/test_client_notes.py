"""What tables say of clients: who was chosen by whom, whose labels a classical model knows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from qkd_qiskit.reporting import check_results, print_results
from qkd_qiskit.reporting.table import clients_alone


def printed(results) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_results(check_results(results), console)
    return console.file.getvalue()


def test_the_chosen_client_stands_beside_the_range_of_all(results):
    reached = [client["accuracy"]["all_classes"] for client in results["clients"]]
    text = " ".join(printed(results).split())
    assert "chosen client" in text
    assert "best client" not in text
    assert f"alone, clients reach {100 * min(reached):.1f} to {100 * max(reached):.1f} %" in text


def test_without_clients_here_there_is_no_range(results):
    for client in results["clients"]:
        client["accuracy"] = None
    assert clients_alone(check_results(results)) == ""


@pytest.mark.parametrize(("labels", "told"), [("all", "all labels"), ("public", "public labels")])
def test_classical_rows_say_whose_labels_they_know(results, labels, told):
    results["models"]["rbf_svm"]["labels"] = labels
    (row,) = [line for line in printed(results).splitlines() if line.strip().startswith("RBF SVM")]
    assert row.rstrip().endswith(told)
    assert max(map(len, printed(results).splitlines())) <= 80

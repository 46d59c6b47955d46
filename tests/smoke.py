"""Use an installed qkd_qiskit as a new user would, from an empty folder: `python smoke.py EXPERIMENT`.

It needs nothing but the installed package: no test tool, no checkout around it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import qkd_qiskit

PROGRAM = Path(sys.executable).with_name("qkd-qiskit")
SPEC = {"n_qubits": 4, "plan": "conv, edge, conv", "kernels": "su4", "n_outcomes": 3}
USAGE_ERRORS = (
    ["frobnicate"],
    ["run", "--seed", "x"],
    ["run", "--frobnicate"],
    ["run", "nowhere"],
    ["estimate", "--dataset", "nowhere.csv"],
    ["predict"],
    ["backends", "show", "nothing"],
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in the present folder."""
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)


def check(truth: bool, message: str) -> None:
    """End with a message unless something is true."""
    if not truth:
        raise SystemExit(f"smoke test: {message}")


def check_usage_errors() -> None:
    """Bad input is one line and status 2."""
    for arguments in USAGE_ERRORS:
        done = run(*arguments)
        lines = done.stderr.splitlines()
        one_line = len(lines) == 1 and lines[0].startswith("qkd-qiskit: error: ")
        check(
            done.returncode == 2 and one_line,
            f"{arguments}: expected status 2 and one line, found {done.returncode} and {done.stderr!r}",
        )


def check_package() -> None:
    """The root's names are there, and a structure comes out as it was estimated."""
    missing = [name for name in qkd_qiskit.__all__ if not hasattr(qkd_qiskit, name)]
    check(not missing, f"names that cannot be imported: {missing}")
    spec = qkd_qiskit.VQCNNSpec(**SPEC)
    report = qkd_qiskit.transpile_verified(spec, "ibm_torino", seed=1).report
    check(
        report.counted.two_qubit == report.predicted.two_qubit > 0,
        f"two-qubit gates: predicted {report.predicted.two_qubit}, counted {report.counted.two_qubit}",
    )


def check_run(experiment: str) -> None:
    """An experiment runs, and its results and report are there."""
    done = run("run", experiment, "--output", "runs/smoke")
    check(done.returncode == 0, f"run: status {done.returncode}: {done.stderr}")
    check("Traceback" not in done.stderr and "Warning" not in done.stderr, f"run: {done.stderr}")
    results = json.loads(Path("runs/smoke/results.json").read_text("utf-8"))
    accuracy = results["models"]["global"]["accuracy"]
    chance = 1 / len(results["data"]["classes"])
    check(accuracy > chance, f"accuracy {accuracy} of the global model is no better than chance, {chance}")
    check(Path("runs/smoke/report.html").stat().st_size > 0, "no report")
    print(f"global model: {100 * accuracy:.1f} % of {results['data']['test']} test samples")


def main() -> None:
    """Check everything; the first failure ends the program with status 1."""
    (experiment,) = sys.argv[1:]
    folder = Path(qkd_qiskit.__file__).resolve().parent
    check("site-packages" in folder.parts, f"expected an installed package, found {folder}")
    check(not any(Path.cwd().iterdir()), f"expected an empty folder, found files in {Path.cwd()}")
    check(run("--version").stdout.startswith("qkd-qiskit "), "no version")
    check_package()
    check_usage_errors()
    check_run(experiment)
    print("smoke test: passed")


if __name__ == "__main__":
    main()

"""The command line `qkd-qiskit`; heavy modules are imported inside the commands."""

from qkd_qiskit.cli.app import main

__all__ = ["main"]

"""`python -m qkd_qiskit` is `qkd-qiskit`."""

from qkd_qiskit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

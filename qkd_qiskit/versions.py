"""Versions that a run depends on: those that are installed, and those that the release is tested with."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

#: Packages whose version can change a number of `results.json`, as `constraints.txt` pins them.
TESTED = {
    "qiskit": "2.6.2",
    "qiskit-aer": "0.18.2",
    "qiskit-ibm-runtime": "0.51.0",
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "scikit-learn": "1.9.1",
    "pyswarms": "1.3.0",
    "mlxtend": "0.25.0",
}


def installed_versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of those of `TESTED`."""
    names = ("qkd-qiskit", *TESTED)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def blas_kernel() -> str:
    """Return NumPy's BLAS and the kind of processor that it computes for, on which the last digits depend.

    Its version follows from that of NumPy, whose wheels bring it.
    """
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    # Other packages load a BLAS of their own, which computes nothing here. NumPy's may be the system's.
    numpy_files = str(Path(np.__file__).resolve().parent)
    own = [pool for pool in pools if pool["filepath"].startswith(numpy_files)] or pools
    kernels = {f"{pool['internal_api']} {pool.get('architecture', '')}".strip() for pool in own}
    return ", ".join(sorted(kernels))


def version_remarks(versions: Mapping[str, str]) -> list[str]:
    """Return a line if a run's versions differ from the tested ones, and one if from the installed ones.

    Args:
        versions: Versions by name, as `results.json` holds them.

    Returns:
        At most two lines. What one side does not name is not compared.
    """
    remarks = []
    for what, others in (
        ("this release is tested with", TESTED),
        ("are installed here", installed_versions()),
    ):
        differing = [
            f"{name} {versions[name]} ({other})"
            for name, other in others.items()
            if versions.get(name, other) != other
        ]
        if differing:
            remarks.append(f"Other versions than {what} (in brackets): {', '.join(differing)}.")
    return remarks

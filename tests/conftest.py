"""Fixes what must be fixed before NumPy is first imported, lets no property depend on the clock, and skips
tests of shipped devices that the installed qiskit-ibm-runtime lacks."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Tests run in several processes; one BLAS thread each is faster, and its sums are reproducible.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# On a busy machine any example may take longer than Hypothesis allows by default, or be drawn slowly.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items):
    """Skip what has a device that the installed libraries lack as parameter or in the mark `needs_device`."""
    from qkd_qiskit.hardware import list_backends, unavailable

    reasons = {name: reason for name in list_backends() if (reason := unavailable(name))}
    for item in items if reasons else ():
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        needed = {name for mark in item.iter_markers("needs_device") for name in mark.args}
        for name in ({value for value in values if isinstance(value, str)} | needed) & reasons.keys():
            item.add_marker(pytest.mark.skip(reason=f"{name}: {reasons[name]}"))

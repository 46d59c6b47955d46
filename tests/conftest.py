"""Fixes what must be fixed before NumPy is first imported, and lets no property depend on the clock."""

import os

from hypothesis import HealthCheck, settings

# Tests run in several processes; one BLAS thread each is faster, and its sums are reproducible.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# On a busy machine any example may take longer than Hypothesis allows by default, or be drawn slowly.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

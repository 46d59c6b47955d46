"""Fixes what must be fixed before NumPy is first imported."""

import os

# Tests run in several processes; one BLAS thread each is faster, and its sums are reproducible.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

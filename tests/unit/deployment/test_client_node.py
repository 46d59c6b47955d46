"""What a client's node imports while it waits."""

from __future__ import annotations

import subprocess
import sys


def test_a_client_that_waits_for_its_server_imports_no_circuits():
    code = (
        "import sys, qkd_qiskit.deployment.client_node\n"
        "print([name for name in ('qiskit', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

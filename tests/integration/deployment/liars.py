"""A ClientApp that answers what a file says, or what an honest client would."""

import os
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp


class _Liar(ClientApp):
    def __call__(self, message, context):
        lie = os.environ["QKD_TEST_LIE"]
        if lie == "arrays":
            # The header of the array promises far more numbers than there are.
            head = np.lib.format.magic(1, 0) + (118).to_bytes(2, "little")
            head += (
                b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
            )
            array = Array(dtype="float64", shape=(10**12,), stype="numpy.ndarray", data=head + b"\0" * 80)
            return Message(RecordDict({"answer": ArrayRecord({"raw": array})}), reply_to=message)
        if lie == "huge":
            return Message(
                RecordDict({"answer": ConfigRecord({"raw": bytes(100_000_000)})}), reply_to=message
            )
        return Message(
            RecordDict({"answer": ConfigRecord({"raw": Path(lie).read_bytes()})}), reply_to=message
        )


if os.environ.get("QKD_TEST_LIE"):
    app = _Liar()
else:
    from qkd_qiskit.deployment.client_app import app as app

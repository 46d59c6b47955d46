"""From the counts of copies to those of samples: readout undone by copy, shared samples averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.mitigation import confusion_matrices, has_mitigation, mitigated
from qkd_qiskit.runtime.packing import CopyRecord, Packing
from qkd_qiskit.runtime.service import Counts


@dataclass(frozen=True, eq=False)
class SampleReadings:
    """What was counted of one model's samples.

    Attributes:
        labels: Class indices [n].
        inputs: Encoded samples [n, F].
        counts: Raw counts [n, 2^m], of all copies that measured a sample.
        probabilities: Outcome probabilities [n, 2^m]: `raw`, and `mitigated` where it was calibrated and the
            extra is installed. Copies that share a sample are weighted by their expected success probability:
            what is left of a signal is proportional to it, so that this average has the best signal to noise.
        numbers: Numbers of these samples in the submission [n].
        total: Samples of the submission, finished or not.
    """

    labels: NDArray[np.int64]
    inputs: NDArray[np.float64]
    counts: Counts
    probabilities: dict[str, FloatArray]
    numbers: IntArray
    total: int


def packing_of(submission: Submission) -> Packing:
    """Return which copy measures what; an unpacked submission is one copy."""
    stored = submission.settings.get("packing")
    if stored is not None:
        return Packing.from_dict(stored)
    n_samples, n_columns = submission.inputs.shape
    # How many bits it has is seen in its counts: its circuit may be one that cannot be read.
    only = CopyRecord(0, (), 0, 1.0, bits=0, inputs=n_columns)
    return Packing((only,), n_samples)


def read_samples(ledger: Ledger, submission: Submission, *, model: int = 0) -> SampleReadings:
    """Return the finished samples of a model of a submission, in the order of their numbers.

    Args:
        ledger: The open ledger.
        submission: One of its submissions.
        model: Number of the model among those that were packed.

    Raises:
        SubmissionError: If no batch is done yet.
    """
    packing = packing_of(submission)
    rows, counts, calibration = ledger.counts(submission.id)
    labels = submission.labels.reshape(len(submission.labels), -1)
    if submission.settings.get("packing") is None:
        counts, calibration = counts[:, None], calibration[:, :, None]
    kinds = ["raw"]
    if submission.settings["mitigate"] and has_mitigation():
        kinds.append("mitigated")
    copies = [number for number, copy in enumerate(packing.copies) if copy.model == model]
    packed = submission.settings.get("packing") is not None
    size = 2 ** packing.copies[copies[0]].bits if packed else counts.shape[-1]
    added = np.zeros((packing.samples, size), dtype=np.int64)
    weights = np.zeros(packing.samples)
    sums = {kind: np.zeros((packing.samples, size)) for kind in kinds}
    sample_labels = np.zeros(packing.samples, dtype=np.int64)
    sample_inputs = np.zeros((packing.samples, packing.copies[copies[0]].inputs))
    for number in copies:
        found = {"raw": counts[:, number, :size] / counts[:, number, :size].sum(axis=1, keepdims=True)}
        if "mitigated" in kinds:
            corrected = np.empty(found["raw"].shape)
            # Rows of one job share its calibration.
            for batch in ledger.batches(submission.id, "done"):
                own = (rows >= batch.start) & (rows < batch.stop)
                matrices = confusion_matrices(calibration[own][0, :2, number, :size])
                corrected[own] = mitigated(counts[own, number, :size], matrices)
            found["mitigated"] = corrected
        cells: IntArray = packing.cells[rows, number]
        esp = packing.copies[number].esp
        # A copy may meet a sample twice, where samples are few.
        np.add.at(added, cells, counts[:, number, :size])
        np.add.at(weights, cells, esp)
        for kind in kinds:
            np.add.at(sums[kind], cells, esp * found[kind])
        sample_labels[cells] = labels[rows, number]
        sample_inputs[cells] = submission.inputs[rows, packing.columns(number)]
    done = weights > 0
    return SampleReadings(
        labels=sample_labels[done],
        inputs=sample_inputs[done],
        counts=added[done],
        probabilities={kind: sums[kind][done] / weights[done, None] for kind in kinds},
        numbers=np.flatnonzero(done),
        total=packing.samples,
    )

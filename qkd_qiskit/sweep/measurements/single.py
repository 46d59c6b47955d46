"""One model on one device: its accuracy beside native gates, success probability and shots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from qkd_qiskit.baselines.base import together, train_supervised
from qkd_qiskit.data.prepared import originals
from qkd_qiskit.errors import HardwareError, VQCNNError
from qkd_qiskit.reporting.figures import BLUE, GREY, INK, ORANGE, new_figure
from qkd_qiskit.run import RunContext, Stage
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.draws import classical_answers
from qkd_qiskit.sweep.measurements.federations import open_run, right
from qkd_qiskit.sweep.measurements.noise import sampled
from qkd_qiskit.sweep.result import SweepResult
from qkd_qiskit.training import class_logits
from qkd_qiskit.vqcnn import VQCNNSpec, default_plan

_STAGE = Stage.named("single model")
_MARKERS = "osD^vPX"


class SingleModelMeasurement(Measurement):
    """Train the server's structure, at a depth, on all labelled samples together; test it with shots too.

    The experiment's model, server, training and data hold; its clients only say which samples there are.
    """

    depth: int = Field(1, ge=1, description="convolutions before each pooling and behind the last one")
    shots: tuple[int, ...] = Field((100, 1000, 10000), description="shots of a test sample")
    classical: bool = Field(True, description="whether classical models learn the same inputs")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare the answers with the test labels, or say why the device refuses the structure."""
        try:
            run, compiler = open_run(cell.experiment)
            compiled = self._compiled(run, compiler)
        except (HardwareError, VQCNNError) as error:
            return CellRecord(refused=str(error))
        samples, test = together(run.data), run.data.test
        model = train_supervised(run, compiled, _STAGE, samples)
        exact = compiled.noisy.probabilities(model.weights, test.inputs)
        answers = {"exact": class_logits(exact, model.params[-1], model.n_outcomes).argmax(axis=1)}
        for shots in self.shots:
            seen = sampled(exact, shots, rng=run.rng(Stage.named(f"{shots} shots")))
            answers[f"{shots} shots"] = class_logits(seen, model.params[-1], model.n_outcomes).argmax(axis=1)
        quiet = model.predict(compiled.ideal, test.inputs)
        transpiled = compiled.transpiled
        assert transpiled is not None  # a server always has a device
        counted = transpiled.report.counted
        return CellRecord(
            right={name: right(run, given) for name, given in answers.items()} | self._classical(run),
            ideal={"exact": right(run, quiet)},
            values={
                "blocks": (len(compiled.spec.blocks),),
                "weights": (compiled.spec.n_weights,),
                "two_qubit_gates": (counted.two_qubit,),
                "esp": (float(counted.esp),),
                "ideal": (float((quiet == test.labels).mean()),),
            },
        )

    def _compiled(self, run: RunContext, compiler: ModelCompiler) -> CompiledModel:
        model, n_classes = run.settings.model, len(run.data.classes)
        plan = default_plan(model.n_qubits, n_classes, depth=self.depth)
        spec = VQCNNSpec(model.n_qubits, model.encoding, plan, model.kernel, model.sharing, n_classes)
        return compiler.model(spec, run.settings.server.backend)

    def _classical(self, run: RunContext) -> dict[str, str]:
        """Return the marks of classical models: chosen on the originals, then fitted on copies too."""
        if not self.classical:
            return {}
        data, samples = run.data, together(run.data)
        groups = originals((*data.clients, data.public.labelled), (*data.sizes, len(data.split.public_train)))
        own = np.sort(np.unique(groups, return_index=True)[1])
        answers = classical_answers(samples, own, data.test.inputs, seed=run.settings.seed)
        return {name: right(run, found) for name, found in answers.items()}

    @classmethod
    def draw(cls, result: SweepResult) -> Figure:
        """Draw accuracy against native two-qubit gates, and against shots.

        A line is an encoding at a width; along it the depth grows. Full marks are under the device's noise,
        hollow ones without.
        """
        lines: dict[tuple[str, int], list[CellRecord]] = {}
        for cell, record in zip(result.cells, result.records, strict=True):
            if record.refused is None:
                model = cell.experiment.model
                lines.setdefault((model.encoding, model.n_qubits), []).append(record)
        encodings = list(dict.fromkeys(encoding for encoding, _ in lines))
        colours = dict(zip(encodings, (BLUE, ORANGE, INK, GREY, "#009E73", "#CC79A7"), strict=False))
        figure = new_figure(10, 4.4)
        left, right_axes = figure.subplots(1, 2, sharey=True)
        for (encoding, n_qubits), records in lines.items():
            gates = np.array([record.values["two_qubit_gates"][0] for record in records])
            order = np.argsort(gates, kind="stable")
            colour, marker = colours.get(encoding, INK), _MARKERS[(n_qubits // 2) % len(_MARKERS)]
            label = f"{encoding}, {n_qubits} qubits"
            noisy = np.array([_share(record.right["exact"]) for record in records])
            quiet = np.array([100 * record.values["ideal"][0] for record in records])
            left.plot(gates[order], noisy[order], color=colour, marker=marker, label=label)
            left.plot(gates[order], quiet[order], color=colour, marker=marker, mfc="white", ls=":", lw=1)
            deepest = records[int(order[-1])]
            names = [name for name in deepest.right if name.endswith(" shots")]
            shots = [int(name.split()[0]) for name in names]
            shares = [_share(deepest.right[name]) for name in names]
            right_axes.plot(shots, shares, color=colour, marker=marker, label=label)
        left.set_xlabel("native two-qubit gates (hollow: without noise)")
        left.set_ylabel("accuracy, %")
        right_axes.set_xlabel("shots of an image, deepest structure")
        right_axes.set_xscale("log")
        for axes in (left, right_axes):
            axes.grid(axis="y")
        left.legend(fontsize=7)
        return figure


def _share(marks: str) -> float:
    return 100 * marks.count("1") / max(len(marks), 1)

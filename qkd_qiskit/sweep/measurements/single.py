"""One model on one device: its accuracy beside native gates, success probability and shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
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
_SHOT_COLOURS = ("#CC79A7", ORANGE, BLUE, "#009E73")
"""Few shots first."""


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
        """Draw accuracy against native two-qubit gates, a panel an encoding and a colour a number of shots.

        Along a line the depth grows; its marks say the width. Classical models are level lines.
        """
        panels: dict[str, dict[int, list[CellRecord]]] = {}
        for cell, record in zip(result.cells, result.records, strict=True):
            if record.refused is None:
                model = cell.experiment.model
                panels.setdefault(model.encoding, {}).setdefault(model.n_qubits, []).append(record)
        n_columns = min(max(len(panels), 1), 3)
        n_rows = -(-max(len(panels), 1) // n_columns)
        figure = new_figure(max(3.6 * n_columns, 6.5), 3.6 * n_rows + 0.4)
        grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
        for axes, (encoding, widths) in zip(grid.flat, panels.items(), strict=False):
            _draw_encoding(axes, widths)
            axes.set_title(encoding, fontsize=10)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for number, axes in enumerate(grid.flat):
            if number % n_columns == 0:
                axes.set_ylabel("accuracy, %")
            if number + n_columns >= len(panels):
                axes.set_xlabel("native two-qubit gates")
                axes.xaxis.set_tick_params(labelbottom=True)
        handles: dict[str, Artist] = {}
        for axes in grid.flat:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        if handles:
            figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
        return figure


def _draw_encoding(axes: Axes, widths: Mapping[int, Sequence[CellRecord]]) -> None:
    """Draw all structures of one encoding, by width."""
    records = [record for group in widths.values() for record in group]
    names = sorted(
        {name for record in records for name in record.right if name.endswith(" shots")},
        key=lambda name: int(name.split()[0]),
    )
    for n_qubits, group in sorted(widths.items()):
        ordered = sorted(group, key=lambda record: record.values["two_qubit_gates"][0])
        gates = [record.values["two_qubit_gates"][0] for record in ordered]
        look: dict[str, Any] = {"marker": _MARKERS[(n_qubits // 2) % len(_MARKERS)], "ms": 5, "lw": 1.2}
        for name, colour in zip(names, _SHOT_COLOURS, strict=False):
            axes.plot(gates, [_share(record.right[name]) for record in ordered], color=colour, **look)
        axes.plot(gates, [_share(record.right["exact"]) for record in ordered], color=INK, **look)
        quiet = [100 * record.values["ideal"][0] for record in ordered]
        axes.plot(gates, quiet, color=INK, **look | {"ls": ":", "mfc": "white"})
        axes.plot([], [], color=GREY, ls="", label=f"{n_qubits} qubits", **look | {"lw": 0})
    axes.plot([], [], color=INK, ls=":", label="no noise, exact")
    axes.plot([], [], color=INK, label="exact")
    for name, colour in reversed(list(zip(names, _SHOT_COLOURS, strict=False))):
        axes.plot([], [], color=colour, label=name)
    for name, style in (("rbf_svm", "--"), ("logistic_regression", "-.")):
        shares = [_share(record.right[name]) for record in records if name in record.right]
        if shares:
            label = f"{name.replace('_', ' ').replace('rbf svm', 'RBF SVM')}, widest"
            axes.axhline(max(shares), color=GREY, ls=style, lw=1, label=label)
    axes.grid(axis="y")


def _share(marks: str) -> float:
    return 100 * marks.count("1") / max(len(marks), 1)

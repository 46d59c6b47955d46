# %% [markdown]
# # 5. Take the model out
#
# A trained model is a circuit, its weights, and three things that are easily forgotten: how raw values become the inputs `x`, which reading means which class, and the logit
# scale. Here it leaves the package, piece by piece, and gives the same answers everywhere. First a run of seconds, and its export:

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

from qkd_qiskit import Client, Experiment, Server, export_model, run_experiment
from qkd_qiskit.data import load_dataset

run = Path(tempfile.mkdtemp()) / "run"
digits = load_dataset("digits", classes=(3, 5, 8))
X, y = digits.features, digits.labels
experiment = Experiment(
    [Client("north", X[:60], y[:60], backend="ibm_guadalupe")],
    Server(X[60:260], y[60:260], test=(X[260:300], y[260:300]), backend="ibm_guadalupe"),
    model={"n_qubits": 4, "kernel": "one_cx"},
    training={"particles": 4, "iterations": 1, "refine": 40},
    distillation={"recipe": "fixed"},
    fedavg={"rounds": 1},
    federation={"workers": 1},
)
run_experiment(experiment, output=run)
for file in export_model(run, run / "export"):
    print(file.name, file.stat().st_size, "bytes")

# %% [markdown]
# The model card says what a user needs:

# %%
card = (run / "export" / "model_card.md").read_text("utf-8")
print(card[card.index("## Use") : card.index("## Accuracy")])

# %% [markdown]
# ## Raw values to `x`, with NumPy alone
#
# The formula on the card is all of it. The fitted arrays lie in `global_model.npz`, which needs no pickle and no package.

# %%
import numpy as np

raw = X[300:340]
with np.load(run / "global_model.npz") as arrays:
    mean, directions = arrays["encoder_mean"], arrays["encoder_directions"]
x = np.clip((raw - mean) @ directions, -np.pi / 2, np.pi / 2)
print(x.shape)

# %% [markdown]
# ## QPY and Qiskit alone
#
# Weights are bound in the file, inputs are free. Qiskit keeps parameters of a vector in their order, so a row of `x` is bound as it is.

# %%
from qiskit import qpy
from qiskit.primitives import StatevectorSampler

with (run / "export" / "global_model.qpy").open("rb") as file:
    (circuit,) = qpy.load(file)
sampler = StatevectorSampler(seed=np.random.default_rng(0))
counts = [
    entry.data.meas.get_counts() for entry in sampler.run([(circuit, row) for row in x], shots=2000).result()
]
print(counts[0])

# %% [markdown]
# ## Readings to classes, with the logit scale
#
# The shares of the classes' readings, to the power of the logit scale, made to sum to one. Readings of no class are left out.

# %%
import json

use = json.loads((run / "export" / "model_card.json").read_text("utf-8"))
scale, readings = use["logit_scale"], use["use"]["outcomes"]


def class_probabilities(shares):
    q = np.maximum(shares, 1e-9) ** scale
    return q / q.sum(axis=-1, keepdims=True)


shares = np.array([[row.get(bits, 0) / 2000 for bits in readings] for row in counts])
answers = {"QPY, 2000 shots": class_probabilities(shares)}
predicted = np.array(list(readings.values()))[answers["QPY, 2000 shots"].argmax(axis=1)]
print(f"{(predicted == y[300:340]).mean():.0%} of 40 new images right")

# %% [markdown]
# ## OpenQASM 3
#
# The same circuit as text, with `input float[64]` for the inputs, for whatever reads OpenQASM 3:

# %%
program = (run / "export" / "global_model.qasm").read_text("utf-8")
print("\n".join(program.splitlines()[:6]))

# %% [markdown]
# ## SamplerQNN, PennyLane, any sampler
#
# With the package at hand, the structure goes to qiskit-machine-learning as a `SamplerQNN` (weights stay trainable there), to PennyLane gate by gate, and to any `SamplerV2`. All take `x` and
# the weights, and give the probabilities of all readings.

# %%
from qkd_qiskit import PauliEvaluator, PennyLaneEvaluator, SamplerEvaluator, load_model, sampler_qnn

model = load_model(run)
few = x[:12]
routes = {
    "exact engine": PauliEvaluator(model.spec).probabilities(model.weights, few),
    "SamplerQNN": sampler_qnn(model.spec).forward(few, model.weights),
    "PennyLane": PennyLaneEvaluator(model.spec).probabilities(model.weights, few),
    "own sampler": SamplerEvaluator(model.spec, sampler=sampler, shots=2000).probabilities(
        model.weights, few
    ),
}
answers |= {
    name: class_probabilities(np.asarray(table)[:, : len(readings)]) for name, table in routes.items()
}
for name, table in answers.items():
    print(
        f"{name}: differs from the exact engine by at most {np.abs(table[:12] - answers['exact engine']).max():.3f}"
    )

# %% [markdown]
# The three images of these on which the model is least sure:

# %%
import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 3, figsize=(8.5, 2.8), sharey=True, layout="constrained")
unsure = answers["exact engine"].max(axis=1).argsort()[:3]
for number, axes in zip(unsure, panels, strict=True):
    for place, (name, table) in enumerate(answers.items()):
        axes.bar(
            np.arange(3) + 0.16 * (place - 2),
            table[number],
            0.16,
            label=name,
            color=plt.cm.cividis(place / 4),
        )
    axes.set_xticks(range(3), [f"a {label}" for label in readings.values()])
    axes.set_title(f"image {number}: a {y[300 + number]}")
panels[0].set_ylabel("probability")
_ = figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)

# %% [markdown]
# Exact routes agree to rounding; sampled ones scatter, more so where the logit scale is large. These are ideal gates; `export --backend NAME` writes the device's own circuit instead. More:
# [predictions and exports](../hardware.md#predictions-and-exports), [the cross-check](../crosscheck.md), [bring your own sampler](../guides/own-sampler.md).

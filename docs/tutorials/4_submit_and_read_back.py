# %% [markdown]
# # 4. Submit, and read back
#
# A finished run's global model goes to a device as jobs of bound circuits. What comes back are counts. Here the device is a shipped one, simulated with its noise
# by the local mode of Qiskit's Runtime; at IBM Quantum it is the same call with another name.
#
# First a run to submit, of seconds:

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

from qkd_qiskit import Client, Experiment, Server, run_experiment
from qkd_qiskit.data import load_dataset

run = Path(tempfile.mkdtemp()) / "run"
digits = load_dataset("digits", classes=(0, 1, 2))
X, y = digits.features, digits.labels
result = run_experiment(
    Experiment(
        [Client("north", X[:60], y[:60], backend="ibm_guadalupe")],
        Server(X[60:260], y[60:260], test=(X[260:360], y[260:360]), backend="ibm_guadalupe"),
        model={"n_qubits": 4, "kernel": "one_cx"},
        training={"particles": 4, "iterations": 1, "refine": 40},
        distillation={"recipe": "fixed"},
        fedavg={"rounds": 1},
        federation={"workers": 1},
    ),
    output=run,
)
print(
    f"{result.results['models']['global']['accuracy']:.0%} of the test images, exact probabilities under noise"
)

# %% [markdown]
# ## Submit
#
# `submit_model` transpiles the model, binds the samples, cuts them into jobs, and keeps a ledger in the run's folder: killed and called again, it goes on, and nothing is sent twice.
# A device that costs something is refused without `spend=True`; `SpendingLimit` keeps to a budget.

# %%
from qkd_qiskit import SubmissionOptions, submit_model

options = SubmissionOptions(samples=30, shots=400, mitigate=False)
(outcome,) = submit_model(run, "ibm_guadalupe", options)
for kind, (value, low, high) in outcome.accuracies.items():
    print(
        f"{kind}: {value:.0%} of {len(outcome.labels)} samples right (95 % interval {low:.0%} to {high:.0%})"
    )

# %% [markdown]
# ## Read the counts
#
# A row of `counts` is one sample, a column one reading of the measured qubits. Reading `00` is the first class, `01` the second, `10` the third. `11` stands for no class: training leaves it
# aside, and so do predictions. The right reading need not lead by much: the [logit scale](../glossary.md) makes a sure answer of a small lead.

# %%
for label, row in zip(outcome.labels[:4], outcome.counts[:4], strict=True):
    print(
        f"an image of a {outcome.classes[label]}:",
        dict(zip(("00", "01", "10", "11"), row.tolist(), strict=True)),
    )

# %%
import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 3, figsize=(8, 2.6), sharey=True, layout="constrained")
for number, axes in enumerate(panels):
    rows = outcome.labels == number
    for shift, (kind, colour) in enumerate((("raw", "#0072B2"), ("ideal", "#999999"))):
        shares = outcome.probabilities[kind][rows].mean(axis=0)
        axes.bar([k + 0.4 * shift for k in range(4)], shares, 0.4, color=colour, label=kind)
    axes.set_xticks([k + 0.2 for k in range(4)], ("00", "01", "10", "11"))
    axes.set_title(f"images of a {outcome.classes[number]}")
panels[0].set_ylabel("mean share of shots")
_ = panels[0].legend()

# %% [markdown]
# *raw* is what was counted, *ideal* what the exact engine says without noise. The difference is the device.
#
# ## Does the calibration explain the counts?
#
# The noise model predicted each sample's probabilities before the job ran. A chi-square test compares them with the counts, shots taken into account. On a simulated
# device it should find nothing; on a real one it says how far the machine is from its calibration.

# %%
told = outcome.noise.to_dict()
print({key: value for key, value in told.items() if isinstance(value, bool | int | float | str)})

# %% [markdown]
# The same from the command line: `qkd-qiskit submit RUN --backend ibm_guadalupe --samples 30 --shots 400`, then `qkd-qiskit jobs RUN`. All about limits,
# interruptions and mitigation: [running a model on a device](../hardware.md). Many copies at once: [packing](../packing.md).

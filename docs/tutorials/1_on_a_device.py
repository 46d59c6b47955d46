# %% [markdown]
# # 1. A VQCNN on a device in ten lines
#
# A *variational quantum convolutional neural network* slides one two-qubit circuit over a chain of qubits, drops qubits on the way, and measures
# what is left. Here is one on four qubits, put on a device with its noise, trained, and asked.
#
# All tutorials are plain Python files that run as they are. The site offers each as a notebook too, and
# `jupytext --to ipynb docs/tutorials/1_on_a_device.py` makes one of its file.

# %%
# %matplotlib inline
from sklearn.datasets import load_digits

from qkd_qiskit import VQCNNClassifier, VQCNNSpec, load_backend, transpile_verified

images, digits = load_digits(n_class=2, return_X_y=True)
device = load_backend("ibm_guadalupe")
spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="two_cx", sharing="site", n_outcomes=2)
transpiled = transpile_verified(spec, device, seed=1)
model = VQCNNClassifier(4, budget=spec, backend=device, refine=30, random_state=0)
model.fit(images[:100], digits[:100])
print(f"{model.score(images[100:], digits[100:]):.1%} right under the noise of {device.name}")

# %% [markdown]
# ## What was built
#
# On the left of each qubit stand two rotations by inputs `x`: the encoding. Behind the barrier come the blocks: a convolution layer, a pooling layer
# that joins the outer qubits with their neighbours and then leaves them, and a convolution of the two in the middle. One qubit is measured.

# %%
import matplotlib.pyplot as plt

from qkd_qiskit import build_circuit

picture = build_circuit(spec).draw("mpl", fold=30, scale=0.5)
plt.close(picture)  # else a notebook shows it twice
picture

# %% [markdown]
# ## What the device makes of it
#
# Two-qubit gates are what costs. Their number was predicted in closed form before the transpiler ran, and counted afterwards.

# %%
report = transpiled.report
print("two-qubit gates, predicted and counted:", report.predicted.two_qubit, report.counted.two_qubit)
print(f"probability that one execution meets no error: {report.counted.esp:.2f}")

# %% [markdown]
# ## How sure it is
#
# Each sample gets a probability for each class. Those in the middle are the ones that it may get wrong.

# %%
figure, axes = plt.subplots(figsize=(6, 2.6))
sure = model.predict_proba(images[100:])[:, 1]
for digit, colour in ((0, "#0072B2"), (1, "#D55E00")):
    axes.hist(
        sure[digits[100:] == digit],
        bins=20,
        range=(0, 1),
        color=colour,
        alpha=0.7,
        label=f"images of a {digit}",
    )
axes.set_xlabel("probability of a 1, under noise")
axes.set_ylabel("images")
_ = axes.legend()

# %% [markdown]
# Next: [many clients, each with its own data and device](2_clients_and_distillation.py). How large a circuit a device bears:
# [gate budget](../concepts/gate-budget.md).

# %% [markdown]
# # 3. Gates, noise and money: choosing a device
#
# Which device is the right one for a task? Not the one with the most qubits: the one that bears the gates that the data need, for what one is ready to pay.

# %%
# %matplotlib inline
from qkd_qiskit import VQCNNSpec, load_backend, transpile_verified
from qkd_qiskit.reporting.device_picture import draw_device

spec = VQCNNSpec(6, plan="conv, edge, conv, edge, conv", kernels="su4", sharing="site", n_outcomes=3)
devices = [load_backend(name) for name in ("ibm_torino", "ibm_guadalupe", "noisy_line")]
print(f"{'device':<15} predicted  counted   ESP")
for device in devices:
    report = transpile_verified(spec, device).report
    print(
        f"{device.name:<15} {report.predicted.two_qubit:>9} {report.counted.two_qubit:>8}  {report.counted.esp:.2f}"
    )

# %% [markdown]
# Predicted counts are a closed form, made before any transpiler runs. ESP is the probability that one execution meets no error: it is what noise leaves.
#
# ## Where the circuit goes
#
# Couplings are coloured by the error of their two-qubit gate. The chain is put where these errors are small.

# %%
draw_device(devices[1], spec)

# %% [markdown]
# ## What a budget is made of
#
# The estimator reads the data and the device. What it names as `limited_by` is what a better device, or more data, would help.

# %%
from sklearn.datasets import load_wine

from qkd_qiskit import estimate_gate_budget
from qkd_qiskit.encoding import make_encoder

raw, kinds = load_wine(return_X_y=True)
inputs = make_encoder("angle", 4).fit(raw).transform(raw)
for device in devices:
    budget = estimate_gate_budget(inputs, kinds, backend=device, n_qubits=4, kernel="two_cx")
    print(f"{device.name}: {budget.blocks} blocks, limited by {budget.limited_by}")

# %% [markdown]
# ## What accuracy costs
#
# Sizes are trained under the noise of every device and judged on held-out samples. What nothing else beats in accuracy, gates, seconds *and* price is
# the Pareto front; a device without a point on it is dominated. Prices are made up here: put in your own.

# %%
from qkd_qiskit.estimator import ExecutionCosts, build_size_ladder, pareto_front
from qkd_qiskit.reporting.pareto import draw_pareto, pareto_lines

ladder = build_size_ladder(4, kernel="two_cx", sharing="site", n_outcomes=3)
costs = ExecutionCosts(
    predictions=1000, shots=512, prices={"ibm_torino": 1.6, "ibm_guadalupe": 0.5}, price=0.1
)
front = pareto_front(inputs[::3], kinds[::3], ladder[:3], devices, costs, seed=0)
print("\n".join(pareto_lines(front)))

# %%
draw_pareto(front)

# %% [markdown]
# An accuracy on so few samples has a standard error of four points or so. Devices whose points lie closer than that are equally good: take the cheaper one, or measure with more samples.

# %% [markdown]
# The same for a file of your own, from the command line:
#
# ```sh
# qkd-qiskit estimate --dataset table.csv --backend ibm_torino --backend ibm_guadalupe --pareto front.png --price 1.6
# ```
#
# How the rule was fitted, and how well it does: [how many gates does a client get?](../gate-budget.md) What a device's file says:
# [device descriptors](../reference/devices.md).

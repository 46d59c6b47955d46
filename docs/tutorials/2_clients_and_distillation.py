# %% [markdown]
# # 2. Clients that differ, and distillation
#
# Three clients hold different digits and own different devices. None shows its images, and their circuits have different sizes: there are no
# parameters to average. They share what they *say about public images*, and a server learns from that.

# %%
# %matplotlib inline
from qkd_qiskit import Client, Experiment, Server, run_experiment
from qkd_qiskit.data import load_dataset

digits = load_dataset("digits", classes=(0, 1, 2, 3))
X, y = digits.features, digits.labels
first, second, third = slice(0, 120), slice(120, 240), slice(240, 360)


def only(part, *classes):
    held = [label in classes for label in y[part]]
    return X[part][held], y[part][held]


clients = [
    Client("north", *only(first, 0, 1), backend="ibm_torino"),
    Client("south", *only(second, 1, 2), backend="ibm_sherbrooke"),
    Client("west", *only(third, 2, 3), backend="noisy_line"),
]
server = Server(X[360:560], y[360:560], test=(X[560:], y[560:]), backend="ibm_torino")

# %% [markdown]
# An experiment is run as a whole: gate budgets, structures, trainings under each device's noise, messages, distillation, and all that it is compared with.
# These settings make it small.

# %%
experiment = Experiment(
    clients,
    server,
    data={"public_train": 20, "public_unlabelled": 120, "public_calibration": 20, "public_validation": 40},
    model={"n_qubits": 4, "kernel": "two_cx"},
    training={"particles": 4, "iterations": 1, "refine": 30},
    distillation={"recipe": "fixed"},
    fedavg={"rounds": 1},
    federation={"workers": 1},
)
result = run_experiment(experiment)
for client in result.results["clients"]:
    budget, accuracy = client["budget"], client["accuracy"]
    print(
        f"{client['name']}: classes {client['classes']}, {budget['blocks']} blocks (limit: {budget['limited_by']}), "
        f"{accuracy['own_classes']:.0%} on its own classes, {accuracy['all_classes']:.0%} on all"
    )

# %% [markdown]
# ## Who holds what
#
# A client says "none of mine" of the digits that it lacks. Which of the two it is, it can only guess.

# %%
result.plot("classes")

# %% [markdown]
# ## What the server made of it
#
# The *teacher ensemble* is what the clients say together; the *global* model has learnt it. *Public data only* is what the server could have done without them.
# Bars are 95 % intervals on these few test images.

# %%
result.plot("accuracies")

# %% [markdown]
# Which classes it mixes up:

# %%
result.plot("confusion")

# %% [markdown]
# ## Is it better, or just luck?
#
# Both models answered the same images, so their difference is paired. An interval that holds zero decides nothing.

# %%
for name, found in result.results["comparisons"].items():
    low, high = found["interval"]
    decided = "" if low > 0 or high < 0 else ", undecided"
    print(
        f"{name.replace('_', ' ')}: {100 * found['difference']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}){decided}"
    )

# %% [markdown]
# One seed, one split and a training of seconds: a picture of the method, no measurement. Those are in [distillation](../distillation.md) and
# [the benchmark](../benchmark.md). Why soft labels teach: [distillation, in one page](../concepts/distillation.md).

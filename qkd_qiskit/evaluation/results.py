"""The shape of `results.json`, schema 1: frozen, checked, open to further keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from qkd_qiskit.evaluation.compared import REQUIRED_MODELS
from qkd_qiskit.text import printable_text

Share = Annotated[float, Field(ge=0, le=1)]
Natural = Annotated[int, Field(ge=0)]
Text = Annotated[str, BeforeValidator(printable_text)]
"""A text that may come from outside: a file of results and a page can hold it, and a terminal show it."""
Label = int | Text


class ResultsModel(BaseModel):
    """Base of all records: frozen; unknown keys are kept, so that the schema can be extended."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), populate_by_name=True)


class QuantityRange(ResultsModel):
    """A range of a count or of an error, where a single number would claim too much."""

    low: float
    mid: float
    high: float


Quantity = int | float | QuantityRange | None


class GateCounts(ResultsModel):
    """Native gates of one circuit, or the relative error of a prediction of them."""

    two_qubit: Quantity
    one_qubit: Quantity
    two_qubit_depth: Quantity
    esp: float | None = Field(description="expected success probability, or its relative error")


class Gates(ResultsModel):
    """Gates of a client's circuit as predicted and as counted after transpiling."""

    estimated: GateCounts
    transpiled: GateCounts
    relative_error: GateCounts
    notes: list[Text] = Field(
        default=[], description="caveats of the prediction and of the device, and what was assumed for it"
    )


class Budget(ResultsModel):
    """What the estimator granted a client."""

    blocks: Natural
    weights: Natural
    two_qubit_gates: Natural | None
    limited_by: Text | None


class ClientAccuracy(ResultsModel):
    """Accuracy of a client's model on test samples of its own classes, and of all classes."""

    own_classes: Share
    all_classes: Share


class PersonalResult(ResultsModel):
    """What a client has after the way back; null where its device or data grant no model of all classes."""

    accuracy: ClientAccuracy
    blocks: Natural
    weights: Natural
    two_qubit_gates: Natural | None


class PrivacyRecord(ResultsModel):
    """What the noise on a client's outputs guarantees for its data set as a whole."""

    output_noise: float = Field(ge=0, description="standard deviation of the noise on each number")
    output_shots: Natural = Field(description="shots of each output; 0 for none")
    output_floor: Share = Field(description="chance that a shot's outcome was replaced by a uniform one")
    answers: Natural = Field(description="public inputs that it answered in all rounds, copies counted")
    epsilon: float = Field(ge=0, description="of all these answers together")
    epsilon_each: float = Field(ge=0, description="of one of them")
    delta: float = Field(gt=0, lt=1)

    @property
    def sentence(self) -> str:
        """Return it in one sentence."""
        shots = f", {self.output_shots} shots with floor {self.output_floor:g}" if self.output_shots else ""
        return (
            f"output noise {self.output_noise:g}{shots}: epsilon {self.epsilon:.3g} for {self.answers} "
            f"answers, {self.epsilon_each:.3g} for each, at delta {self.delta:g}"
        )


class ClientResult(ResultsModel):
    """One client: device, data, structure, accuracy, cost; null is what only the client knows."""

    name: Text
    backend: Text | None
    samples: int | None = Field(gt=0)
    classes: list[Label]
    budget: Budget | None
    model_index: Text | None = Field(
        pattern=r"^[0-9]+$", description="decimal: too large for most JSON readers"
    )
    gates: Gates | None
    accuracy: ClientAccuracy | None
    bytes_sent: Natural
    seconds: float | None = Field(ge=0)
    personal: PersonalResult | None = Field(
        None, description="its model of all classes, after the way back; `accuracy` is what it had before"
    )
    privacy: PrivacyRecord | None = Field(None, description="of a client of this process with noisy outputs")


class ModelResult(ResultsModel):
    """Accuracy and size of one of the compared models."""

    accuracy: Share = Field(description="under the experiment's noise, for the quantum ones")
    accuracy_ideal: Share | None = Field(description="without noise; null where noise has no meaning")
    interval: tuple[Share, Share] = Field(description="95 % interval of the accuracy (Wilson)")
    noise: Text | bool | None = Field(description="whose noise; null or false for none")
    weights: Natural | None
    two_qubit_gates: Natural | None
    labels: Literal["all", "public"] | None = Field(
        None, description="whose labels a classical model knows: the clients' too, or the public ones alone"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.interval[0] > self.interval[1]:
            raise ValueError(f"interval must be (low, high), found {self.interval}")
        return self


class Comparison(ResultsModel):
    """Paired difference of two accuracies on the same test samples."""

    difference: float = Field(ge=-1, le=1)
    interval: tuple[float, float] = Field(description="paired 95 % interval of the difference (Tango)")


class Traffic(ResultsModel):
    """Bytes over all clients and rounds, as the server sees them: up is towards the server."""

    up: Natural
    down: Natural
    rounds: Natural


class Wire(ResultsModel):
    """Bytes of one client's connection, the encryption around them left out."""

    up: Natural
    down: Natural
    refused: Natural = Field(0, description="of those up, bytes of requests that were refused")


class Communication(ResultsModel):
    """Traffic of the distillation beside that of federated averaging."""

    distillation: Traffic
    fedavg: Traffic | None
    way_back: Traffic | None = Field(None, description="what the clients' personal models took")
    baselines: dict[Text, Traffic] | None = Field(None, description="of further federated baselines, by name")
    wire: dict[Text, Wire] | None = Field(None, description="by client, where they are on other machines")

    @property
    def carried(self) -> str | None:
        """Return one line on all that travelled, the transport's own calls included; None in one process."""
        if self.wire is None:
            return None
        up, down = (sum(getattr(wire, way) for wire in self.wire.values()) for way in ("up", "down"))
        return f"on the wire, calls of the transport included: {up} bytes up, {down} bytes down"


class ClientRecord(ResultsModel):
    """One client's part in the rounds."""

    client: Text
    status: Text = Field(
        alias="standing", description="of its last answer: used, dropped, refused, silent or late"
    )
    reason: Text = Field("", description="why, in one line; empty for a client that is used")
    ignored: Natural = Field(0, description="answers that came twice or late")
    missed: tuple[int, ...] = Field((), description="rounds in which it was not used")
    stood_in: tuple[int, ...] = Field((), description="rounds in which an answer to an earlier one was taken")
    agreement: float | None = Field(
        None, description="share of audited samples that it answered rightly, as the audit counts it"
    )
    bytes_received: Natural = Field(0, description="bytes of its answers, those included that were of no use")

    @property
    def remark(self) -> str:
        """Return a remark on it, in one line; empty for a client used throughout."""
        said = [] if self.status == "used" else [f"{self.status}: {self.reason}"]
        for what, rounds in (("not used in", self.missed), ("answered too late for", self.stood_in)):
            said += [f"{what} round {', '.join(map(str, rounds))}"] if rounds else []
        if self.ignored:
            said.append(f"{self.ignored} late or further answer{'' if self.ignored == 1 else 's'} ignored")
        return "; ".join(said)


class FidelityResult(ResultsModel):
    """How close states that gates prepare come to what they stand for, without noise."""

    mean: Share
    worst: Share
    samples: Natural = Field(description="public samples that were looked at")


class DataResult(ResultsModel):
    """What the experiment was run on."""

    dataset: Text
    classes: list[Label]
    public: Natural = Field(description="public samples in all")
    test: Natural = Field(description="test samples")
    public_inputs: Natural = Field(0, description="public samples, copies included")
    fidelity: FidelityResult | None = Field(None, description="of an encoding that approximates states")


class PartitionRecord(ResultsModel):
    """How the clients differ."""

    name: Text | None = Field(description="of the partition, as NIID-Bench has it; null for clients as set")
    hellinger_mean: Share = Field(description="mean Hellinger distance between two clients' label shares")
    hellinger_max: Share = Field(description="largest one; 1 where two clients share no class")
    smallest: Natural = Field(description="samples of the smallest client")
    largest: Natural = Field(description="samples of the largest client")
    feature_noise: float = Field(0.0, ge=0, description="variance of the noisiest client's feature noise")

    @property
    def sentence(self) -> str:
        """Return it in one sentence."""
        noise = f", feature noise up to the variance {self.feature_noise:g}" if self.feature_noise else ""
        return (
            f"partition {self.name or 'as set'}: Hellinger distance between two clients' labels "
            f"{self.hellinger_mean:.2f} in the mean, {self.hellinger_max:.2f} at most; "
            f"{self.smallest} to {self.largest} samples a client{noise}"
        )


class LabelQueryRecord(ResultsModel):
    """Labels that the server asked for after the rounds."""

    labels: Natural = Field(description="unlabelled public samples that got a label")
    teacher_right: float = Field(ge=0, le=1, description="share of them on which the teacher was right")


class RefitRecord(ResultsModel):
    """Labels that were learnt at the very end."""

    labels: Natural = Field(description="public samples whose labels judged first")

    @property
    def sentence(self) -> str:
        """Return in one line who learnt them."""
        return (
            f"the {self.labels} public labels that had judged were learnt at the end, "
            "by the global model and by all that it is compared with but the clients and their ensemble"
        )


class RecipeTrial(ResultsModel):
    """One recipe's short training, judged by the labels that the server keeps to itself."""

    recipe: Text
    loss: float = Field(description="cross-entropy in nats, at the best temperature")
    minus_own: float = Field(description="paired difference from the recipe of the settings")
    error: float = Field(ge=0, description="standard error of that difference")


class RecipeRecord(ResultsModel):
    """How the global model was taught."""

    taken: Text = Field(description="name of the recipe")
    stopped_at: Share = Field(description="share of its last phase after which training was stopped")
    trials: list[RecipeTrial]

    @property
    def sentence(self) -> str:
        """Return in one line what was taken, and against how many others."""
        early = "" if self.stopped_at == 1 else f", stopped after {100 * self.stopped_at:.0f} % of the steps"
        tried = f" (of {len(self.trials)} that were tried)" if self.trials else ""
        how = self.taken if self.taken.startswith("as ") else f"by the recipe {self.taken!r}"
        return f"the global model was taught {how}{tried}{early}"


class OwnRecord(ResultsModel):
    """Something that a program has passed as an object; nothing but its name is known here."""

    kind: Text = Field(description="aggregation rule, baseline, device, encoding, sampler or samples")
    name: Text = Field(description="what these results call it")
    object: Text = Field(description="the class or function that it is, with its module")

    @property
    def phrase(self) -> str:
        """Return it in a few words."""
        return f"{self.kind} {self.name} ({self.object})"


class TeacherRecord(ResultsModel):
    """The ensemble that taught the global model, where clients' models are elsewhere."""

    aggregation: Text = Field(description="how the clients' answers were combined")
    calibration: Text = Field(description="how each client's answers were calibrated")
    validation_accuracy: Share = Field(description="on the public validation samples")


class Results(ResultsModel):
    """Everything that one run found."""

    schema_version: Literal[1] = Field(alias="schema")
    experiment: Text
    seed: Natural
    versions: dict[Text, Text]
    data: DataResult
    clients: list[ClientResult] = Field(min_length=1)
    models: dict[Text, ModelResult | None]
    absent: dict[Text, Text] = Field({}, description="models that are null, and why")
    comparisons: dict[Text, Comparison] = Field({}, description="`A_minus_B` to the paired difference")
    communication: Communication
    partition: PartitionRecord | None = Field(
        None, description="how the clients differ, where their samples are here"
    )
    participation: list[ClientRecord] = []
    asked: LabelQueryRecord | None = None
    refit: RefitRecord | None = Field(None, description="labels learnt at the end, where any were")
    timings: dict[Text, float]
    teacher: TeacherRecord | None = None
    recipe: RecipeRecord | None = None
    own: list[OwnRecord] = Field([], description="objects of the user's own, where a program passed some")
    fallback: str | None = Field(
        None, description="why the global model is the one trained on public data alone, where it is"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in REQUIRED_MODELS if name not in self.models]
        if missing:
            raise ValueError(f"models lacks {', '.join(missing)}")
        unexplained = [name for name in self.models if self.models[name] is None and name not in self.absent]
        if unexplained:
            raise ValueError(f"models: {', '.join(unexplained)} is null, and absent does not say why")
        if self.data.test == 0 and "global" not in self.absent:
            raise ValueError("data.test: expected at least one test sample, found 0")
        if "total" not in self.timings:
            raise ValueError("timings lacks total")
        return self

    @property
    def measured(self) -> dict[str, ModelResult]:
        """Return the models that were tested."""
        return {name: model for name, model in self.models.items() if model is not None}

    def dump(self) -> dict[str, Any]:
        """Return what `results.json` holds: keys in the order of the schema, without those never set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

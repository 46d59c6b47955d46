"""The sections of an experiment's settings, with their defaults and bounds: frozen, unknown keys refused."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from qkd_qiskit.encoding import registered_name
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import FileLimits

Label = int | str

_OWN_ENCODING = re.compile(r"[A-Za-z]\w{0,39}@[0-9a-f]{20}", re.ASCII)


def _column(value: object) -> object:
    """Return the number of a column as text, which is what the reader of tables takes."""
    return str(value) if type(value) is int else value


LabelColumn = Annotated[str, BeforeValidator(_column)]
"""Label file, or the label column of a table by its heading or its number."""


def _known_encoding(name: str) -> str:
    if _OWN_ENCODING.fullmatch(name):
        # The digest stands for a circuit of a program's own; a process without it can read what was done with
        # it.
        return name
    try:
        return registered_name(name)
    except DataError as error:
        raise ValueError(str(error)) from None


EncodingName = Annotated[str, AfterValidator(_known_encoding)]
"""Name of a registered encoding, with options if it has any: `zz(reps=1)`."""


class Settings(BaseModel):
    """Base of all settings: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _words(text: str) -> tuple[int, ...]:
    """Return eight numbers below 2**32 that stand for a text, one way only."""
    digest = hashlib.sha256(text.encode()).digest()
    return tuple(int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4))


class AugmentSettings(Settings):
    """Seeded copies of every training image, public or private."""

    copies: int = Field(0, ge=0, description="augmented copies of each training image")
    rotation: float = Field(12.0, ge=0, le=180, description="largest rotation in degrees")
    shift: float = Field(1.5, ge=0, description="largest shift in pixels, each way")
    public_copies: int | None = Field(
        None,
        ge=0,
        description="copies of each public training image; as many as copies when omitted",
    )
    mixup: int = Field(
        0, ge=0, description="blends of two public training images for the student, a public training image"
    )


class DataSettings(Settings):
    """Which samples take part, and who holds them."""

    dataset: str = Field(
        "mnist5000",
        description="mnist5000, digits, iris, wine, breast_cancer, openml:NAME, or file with path",
    )
    path: str | None = Field(
        None, description="a file or folder of one's own; replaces dataset", examples=["data.csv"]
    )
    labels: LabelColumn | None = Field(
        None, description="label file, or the label column of a table", examples=["species"]
    )
    classes: tuple[Label, ...] | None = Field(
        None, description="classes that take part; all when omitted", examples=[[0, 1]]
    )
    missing: Literal["drop", "median"] | None = Field(
        None,
        description="rows of a table with missing values: drop leaves them out, median fills in the median "
        "of the column; refused when omitted",
        examples=["drop"],
    )
    headings: bool | None = Field(
        None,
        description="whether a table's first row holds headings; recognized when omitted",
        examples=[True],
    )
    row_numbers: Literal["drop", "keep"] | None = Field(
        None,
        description="a table's columns that number the rows: left out, or features; recognized when omitted",
        examples=["drop"],
    )
    public_train: int = Field(
        240, ge=1, description="labelled public samples for training, sent with their labels"
    )
    public_unlabelled: int = Field(0, ge=0, description="public samples whose labels nobody uses")
    public_calibration: int = Field(60, ge=0, description="labelled public samples for calibrating teachers")
    public_validation: int = Field(100, ge=1, description="labelled public samples for choosing settings")
    test: int = Field(800, ge=1, description="samples kept back until the end")
    augment: AugmentSettings = AugmentSettings()
    dirichlet: float | None = Field(None, gt=0, description="label skew for clients without explicit classes")
    partition: str | None = Field(
        None,
        max_length=40,
        examples=["noniid-labeldir"],
        description="deals the sum of the clients' samples anew, whatever their classes and numbers, as "
        "NIID-Bench does: homo, noniid-#label2 (or another number), noniid-labeldir, iid-diff-quantity",
    )
    beta: float = Field(0.5, gt=0, description="concentration of the Dirichlet distributions of partition")
    noise: float = Field(
        0.0,
        ge=0,
        description="feature skew: client i of n gets Gaussian noise of the variance noise * i / n; pixels "
        "are 0 to 1, other features count in their deviations over the public samples",
    )


class ModelSettings(Settings):
    """What all models of the experiment have in common."""

    n_qubits: int = Field(8, ge=2, le=16, description="width of all circuits")
    encoding: EncodingName = Field(
        "angle", description="a registered encoding, with its options where it has any: zz(reps=1)"
    )
    kernel: str = Field("su4", max_length=1000, description="preset name or gate string")
    sharing: Literal["layer", "site"] = Field(
        "site", description="layer: the blocks of a layer have the same weights; site: each has its own"
    )


class OutputPrivacySettings(Settings):
    """How a client blurs its outputs before they leave it; results tell what that guarantees."""

    output_noise: float = Field(0.0, ge=0, description="deviation of Gaussian noise on its outputs")
    output_shots: int = Field(
        0, ge=0, description="shots that each of its outputs is drawn with; 0 answers with the probabilities"
    )
    output_floor: float = Field(
        0.0, ge=0, lt=1, description="chance that a shot's outcome is replaced by a uniform one"
    )

    @model_validator(mode="after")
    def _floor_is_of_shots(self) -> OutputPrivacySettings:
        if self.output_floor and not self.output_shots:
            raise ValueError("output_floor replaces outcomes of shots: it needs output_shots")
        return self


class ClientSettings(OutputPrivacySettings):
    """One client: its device and its share of the data."""

    name: str = Field(min_length=1, examples=["client 1"], description="name in tables and messages")
    backend: str = Field(
        description="its device; NAME+fractional uses native rzz and rx", examples=["ibm_torino"]
    )
    samples: int = Field(gt=0, examples=[200], description="private training samples")
    classes: tuple[Label, ...] | None = Field(
        None, description="classes of its samples; all when omitted", examples=[[0, 1]]
    )


class ServerSettings(Settings):
    """The device that the global model is meant for."""

    backend: str = Field("ibm_torino", description="NAME+fractional uses native rzz and rx")


class StructureSettings(Settings):
    """How a client searches its structure: short trainings judge what a swarm, or another way, tries."""

    enabled: bool = Field(False, description="whether a client searches its structure")
    method: str = Field(
        "front",
        description="a registered way: front (a swarm with two aims, fitness and gates), swarm (one aim), "
        "random, genetic or tpe (a tree-structured Parzen estimator)",
    )
    particles: int = Field(12, ge=2, description="structures that are tried at once")
    iterations: int = Field(
        4, ge=0, description="further batches; particles times one more is the most structures trained"
    )
    patience: int = Field(4, ge=1, description="batches without a better structure before the search stops")
    own_kernels: int = Field(
        2, ge=0, le=8, description="gate strings that the search makes up, beside the preset kernels"
    )
    samples: int = Field(160, ge=2, description="training samples of a short training, at most")
    starts: int = Field(6, ge=1, description="random starting points of a short training")
    moves: int = Field(0, ge=0, description="moves of a short training's swarm, one particle a start")
    steps: int = Field(15, ge=0, description="L-BFGS iterations of a short training")
    noise: bool = Field(
        True,
        description="whether short trainings are under the device's noise, as full ones are; without it, no "
        "circuit is transpiled for them",
    )
    # What the damping costs when an image is read out with 256 shots: measured, see docs/swarms.md.
    price: float = Field(0.1, ge=0, description="fitness per unit of -log(expected success probability)")
    finalists: int = Field(
        2,
        ge=1,
        description="structures that are trained in full; from 2 on the largest presets are, too",
    )
    full_steps: int | None = Field(
        None,
        ge=1,
        description="steps of a finalist's full training, L-BFGS or Adam; all when omitted",
    )
    own: bool = Field(
        False, description="whether the structure that the budget grants is a finalist in any case"
    )
    validation: float = Field(
        0.25, gt=0, lt=1, description="share of the samples that judges structures, where there is one fold"
    )
    folds: int = Field(
        1,
        ge=1,
        le=20,
        description="parts of the samples that judge in turn: every training is made so often, and losses "
        "are averaged; 1 holds one part back",
    )
    final_folds: int | None = Field(
        None,
        ge=1,
        le=20,
        description="parts of the samples that judge finalists in turn, after full trainings; as folds when "
        "omitted",
    )
    resolution: float = Field(
        1.0,
        ge=0,
        description="standard errors of the validation loss within which the cheapest structure is preferred",
    )
    presets: bool = Field(
        True,
        description="whether the first structures tried are the budget's own one, and each preset kernel as "
        "deep as the budget allows",
    )
    smaller: int = Field(
        8,
        ge=0,
        description="smaller sizes of the preset kernels that are tried at first too, where presets are",
    )

    @model_validator(mode="after")
    def _swarms_are_several(self) -> StructureSettings:
        if self.moves and self.starts < 2:
            raise ValueError(f"moves need at least 2 starts, found {self.starts}")
        return self


class TrainingSettings(Settings):
    """How weights are found: random starts, perhaps a particle swarm, then L-BFGS on exact gradients."""

    method: str = Field(
        "starts",
        description="what comes before L-BFGS or Adam: starts (the best of some random starts alone), "
        "global (one swarm over all weights) or cooperative (sub-swarms along the circuit)",
    )
    particles: int = Field(
        30, ge=2, description="particles of a swarm; four random starts are tried for each"
    )
    iterations: int = Field(40, ge=0, description="moves of the swarm, or of each sub-swarm")
    sweeps: int = Field(4, ge=0, description="sweeps of the cooperative swarm along the circuit")
    inertia: float = Field(0.73, gt=0, description="how much of its velocity a particle keeps")
    cognitive: float = Field(1.5, ge=0, description="pull towards the best place of the particle itself")
    social: float = Field(1.5, ge=0, description="pull towards the best place of its neighbours")
    patience: int = Field(20, ge=1, description="iterations without a better best before the swarm stops")
    refine: int = Field(60, ge=0, description="L-BFGS iterations after the swarm; 0 leaves them out")
    l2: float = Field(1e-3, ge=0, description="weight of the squared log of the logit scale")
    warm_up: Literal["none", "ideal"] = Field(
        "none",
        description="how a training begins: under the noise in which it ends, or without noise, where steps "
        "of large circuits take a fraction of the time",
    )
    warm_share: float = Field(
        0.75,
        ge=0,
        le=1,
        description="with warm_up: share of the last phase's steps (Adam's, else L-BFGS's, else the swarm's) "
        "that are taken without noise; earlier phases have none",
    )
    dtype: Literal["mixed", "float64", "float32"] = Field(
        "mixed",
        description="precision of training: mixed takes single precision for steps on small batches, whose "
        "noise is far above its errors; what is reported is computed in float64",
    )
    threads: int = Field(
        0, ge=0, description="threads of the exact simulation; 0: one a core; results do not depend on it"
    )
    device: str = Field(
        "cpu",
        description="where the exact simulation computes: cpu, or cuda and the like with the extra gpu; it "
        "pays for deep circuits from 8 qubits on, for shallow ones from 12",
    )
    structure: StructureSettings = StructureSettings()


class AdamSettings(Settings):
    """Adam on small batches after swarm and L-BFGS, for every quantum model alike."""

    steps: int = Field(0, ge=0, description="steps of a model; 0 leaves the phase out")
    server_steps: int | None = Field(
        None, ge=0, description="steps of the global model and its baselines; steps when omitted"
    )
    batch: int = Field(200, ge=1, description="samples of a step")
    server_batch: int | None = Field(
        None, ge=1, description="samples of a step of the global model and its baselines; batch when omitted"
    )
    rate: float = Field(0.05, gt=0, description="largest step in radians; it falls to zero as a cosine")
    search_samples: int = Field(
        400, ge=1, description="most samples that swarm and L-BFGS see when this phase follows"
    )

    def of_server(self) -> AdamSettings:
        """Return the settings of the global model and its baselines."""
        steps = self.steps if self.server_steps is None else self.server_steps
        batch = self.batch if self.server_batch is None else self.server_batch
        return self.model_copy(update={"steps": steps, "batch": batch})


class DistillationSettings(Settings):
    """How the server learns from the clients' outputs."""

    recipe: Literal["auto", "fixed"] = Field(
        "auto",
        description="auto tries the recipe of these settings (alpha, loss, pooling) beside others in short "
        "trainings, keeps what is better on the labels that the server keeps to itself, and stops early "
        "where these want it; fixed takes these settings",
    )
    alpha: float = Field(0.1, ge=0, le=1, description="share of the hard-label cross-entropy")
    alpha_end: float | None = Field(
        None,
        ge=0,
        le=1,
        description="alpha at Adam's last step; constant when omitted",
    )
    temperature: float = Field(1.0, gt=0, description="of the soft labels; above 1 evens them out")
    soft_loss: str = Field("kl", description="a registered loss: squared distance, or divergence")
    audit: bool = Field(
        True,
        description="whether clients are left out whose answers point away from the truth, on public samples "
        "of which the server alone knows the labels",
    )
    rounds: int = Field(
        1, ge=1, description="rounds; from the second on, clients learn the server's soft labels too"
    )
    precision: Literal["float16", "uint8"] = Field("float16", description="how outputs travel")
    pool_copies: bool = Field(
        False,
        description="whether an original and its copies share the mean of their soft labels, "
        "and blends the blend of these",
    )
    student_blocks: int | None = Field(
        None, ge=1, description="most two-qubit blocks of the global model; its own gate budget when omitted"
    )
    label_queries: int = Field(
        0,
        ge=0,
        description="unlabelled public samples whose labels the server asks for: those on which the teacher "
        "is least certain; all baselines get them too",
    )
    way_back: bool = Field(
        False,
        description="whether each client gets the server's soft labels once more after the last round, and "
        "trains a personal model of all classes within its own gate budget, as long as before",
    )
    aggregation: str = Field(
        "auto",
        description="the rule that combines clients; auto averages the answers of all rules, weighted by "
        "what they make of the labels that the server keeps to itself",
    )


class FedAvgSettings(Settings):
    """The federated baselines; those that share parameters start from the model of the public data."""

    rounds: int = Field(10, ge=0, description="rounds; 1 is the one-shot form of each")
    local_steps: int = Field(
        5,
        ge=1,
        description="L-BFGS iterations of a client in a round; of SCAFFOLD sweeps through its samples",
    )
    proximal: float = Field(
        0.0, ge=0, description="price of the squared distance from the server's parameters; adds FedProx"
    )
    server_steps: int = Field(
        50, ge=0, description="Adam steps in which FedDF's server distils the clients' ensemble in a round"
    )
    tune: bool = Field(
        False,
        description="whether each federated baseline is trained in three settings, of which the server's own "
        "labels choose; otherwise in the first one",
    )


class ProbeSettings(Settings):
    """Short trainings that settle a gate budget: how many, on what."""

    seconds: float = Field(
        60.0,
        gt=0,
        description="time that the trainings may take on one core, by a closed form of their cost: "
        "results do not depend on the machine's load",
    )
    samples: int = Field(1500, ge=20, description="samples of a client that are used, at most")
    folds: int = Field(4, ge=2, description="parts of the samples, each held out once in a round")
    rounds: int = Field(6, ge=1, description="rounds of one size, at most")
    noise: bool = Field(
        False, description="train under the device's noise, so that too many gates show as lost accuracy"
    )
    confidence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="least probability that the grant is within a point of the best; calibrated",
    )
    seed: int = Field(0, ge=0, description="of folds and starts; an experiment takes its own seed")


class EstimatorSettings(Settings):
    """How gate budgets are estimated."""

    probes: bool = Field(False, description="settle each budget by short trainings, not by the rule alone")
    probe: ProbeSettings = ProbeSettings.model_validate({})
    shots: int = Field(
        1024,
        ge=1,
        description="shots that a circuit will be run with: fewer bear less noise, and fewer gates",
    )
    esp_floor: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="least expected success probability of a granted structure; from shots if omitted",
    )


class NoiseSettings(Settings):
    """The experiment's noise."""

    enabled: bool = Field(True, description="whether models are trained and judged under noise")


class FederationSettings(Settings):
    """How the round runs; no result depends on it, except on who answers in time."""

    workers: int | None = Field(
        None, ge=1, description="processes that train clients in one machine; one a core when omitted"
    )
    minimum: int = Field(1, ge=1, description="clients whose answers must be of use in each round")
    timeout: float = Field(3600.0, gt=0, description="seconds that clients on other machines have to answer")
    encoded_memory: float = Field(
        2.0,
        ge=0,
        description="GiB of samples that each process keeps encoded, where the encoding entangles qubits; "
        "others are simulated again",
    )
    late: Literal["ignore", "use"] = Field(
        "ignore",
        description="an answer to an earlier round: ignored, or used where none to the present one arrives",
    )


def _limit(name: str, description: str) -> Any:
    default = getattr(FileLimits, name)
    return Field(None, ge=1, description=f"{description}; {default} when omitted")


class LimitSettings(Settings):
    """How much a file of samples may ask for, before it is refused."""

    file_bytes: int | None = _limit("file_bytes", "bytes of a file")
    unpacked_bytes: int | None = _limit("unpacked_bytes", "bytes that a packed file may unpack to")
    ratio: int | None = _limit("ratio", "bytes unpacked for each byte given, above 16 MiB unpacked")
    members: int | None = _limit("members", "arrays in an archive")
    values: int | None = _limit("values", "values of a table or an array")
    text_bytes: int | None = _limit("text_bytes", "bytes of a line of a table")


class RemoteClientSettings(OutputPrivacySettings):
    """A client on a machine of its own: what it has, and what it answers."""

    name: str = Field(min_length=1, examples=["client 1"])
    backend: str = Field(description="its device", examples=["ibm_torino"])
    limits: LimitSettings = LimitSettings()
    path: str = Field(description="file or folder of its samples", examples=["data.csv"])
    labels: LabelColumn | None = Field(
        None, description="label file, or the label column of a table", examples=["species"]
    )
    public_digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        examples=["0123456789abcdef" * 4],
        description="the only public set that it answers on; the first ones that come when omitted",
    )
    max_public_sets: int = Field(
        1, ge=1, description="public sets that it answers on where public_digest names none, the first ones"
    )
    missing: Literal["drop", "median"] | None = Field(
        None, description="rows of a table with missing values; refused when omitted", examples=["drop"]
    )
    max_query_bytes: int = Field(64 * 2**20, ge=1, description="longest query that it reads")
    max_samples: int = Field(
        200_000, ge=1, description="most public inputs, or own ones, that copies may make of a query"
    )
    max_steps: int = Field(100_000, ge=1, description="most steps of its training in a round, of all kinds")
    max_particles: int = Field(1000, ge=2, description="most particles or starts of a swarm")
    max_seconds: float = Field(
        86_400.0, gt=0, description="seconds that it trains for one experiment, in all"
    )
    max_memory_bytes: int = Field(8 * 2**30, ge=2**20, description="memory that its training may take")
    max_queries: int = Field(200, ge=1, description="queries that it trains for within 24 hours")
    max_rounds: int = Field(100, ge=1, description="most rounds of an experiment")
    max_experiments: int = Field(
        100, ge=1, description="different experiments that it trains for in all; another seed is another one"
    )
    max_answers: int = Field(
        10_000_000,
        ge=1,
        description="public inputs that it answers in all, copies and rounds counted; beside output_noise it "
        "bounds epsilon",
    )
    max_disk_bytes: int = Field(
        4 * 2**30, ge=2**20, description="most bytes of its folder; beyond, old experiments are deleted"
    )


class ExperimentSettings(Settings):
    """One experiment, end to end."""

    name: str = Field(min_length=1, examples=["my experiment"], description="name in tables and files")
    title: str = Field("", examples=["Digits on three devices"], description="heading of the report")
    seed: int = Field(0, ge=0, description="of splits, circuits, trainings; equal seeds, equal results")
    secret: str = Field(
        "",
        examples=["a long random text"],
        description="mixed into the split and the order of the public samples, and never sent; without it, "
        "who guesses the seed and has the dataset can tell which public samples bear labels",
    )
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    clients: tuple[ClientSettings, ...] = Field(
        min_length=1, examples=[[{"name": "client 1", "backend": "ibm_torino", "samples": 200}]]
    )
    training: TrainingSettings = TrainingSettings()
    descent: AdamSettings = AdamSettings()
    distillation: DistillationSettings = DistillationSettings()
    fedavg: FedAvgSettings = FedAvgSettings()
    baselines: tuple[str, ...] = Field(
        (),
        examples=[["fedprox"]],
        description="baselines beside those of every run: fedprox, scaffold, feddf, fedmd, unentangled, "
        "one_body, two_body",
    )
    noise: NoiseSettings = NoiseSettings()
    estimator: EstimatorSettings = EstimatorSettings.model_validate({})
    federation: FederationSettings = FederationSettings()
    limits: LimitSettings = LimitSettings()

    @property
    def server_seed(self) -> tuple[int, ...]:
        """Seed of what the server alone may know: the split, and the order of the public samples."""
        if not self.secret:
            return (self.seed,)
        return (self.seed, *_words(f"split {self.secret}"))

    @property
    def shared_seed(self) -> int:
        """Seed of what clients do, below 2**31; where there is a secret, it does not tell `server_seed`."""
        return _words(f"clients {self.seed} {self.secret}")[0] >> 1

    @model_validator(mode="after")
    def _names_differ(self) -> ExperimentSettings:
        names = [client.name for client in self.clients]
        if len(set(names)) != len(names):
            raise ValueError(f"client names must differ, found {names}")
        return self

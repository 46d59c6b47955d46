"""Settings of models and their training: structure, search, weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from qkd_qiskit.config.base import EncodingName, Settings


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
    final_folds: int = Field(
        1,
        ge=1,
        le=20,
        description="parts of the samples that judge finalists in turn, after full trainings; 1 holds one "
        "part back",
    )
    final_repeats: int = Field(
        1,
        ge=1,
        le=20,
        description="times that finalists are judged, each time with other parts of the samples held back",
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
    rungs: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (),
        max_length=8,
        description="shares of the gate budget: of each preset kernel the largest size within each share is "
        "tried at first and trained in full too, as the largest sizes are, where presets are",
    )
    smaller: int = Field(
        8,
        ge=0,
        description="other sizes of the preset kernels, evenly spaced, that are tried at first too, where "
        "presets are",
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

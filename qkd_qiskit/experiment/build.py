"""An experiment that a program builds: data, devices and rules as objects, settings as keywords."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from qkd_qiskit.arguments import found, items, takes
from qkd_qiskit.baselines import BASELINES, OWN_BASELINES, Baseline, own_baseline
from qkd_qiskit.config import ExperimentSettings, Settings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.data import GivenSamples, PreparedData, deal_given, given_sizes, prepare_data
from qkd_qiskit.distillation import OWN_RULES, RULES, AggregationRule, own_rule
from qkd_qiskit.encoding import ENCODINGS, Encoding, introduce
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.evaluation import COMPARED
from qkd_qiskit.evaluation.results import OwnRecord
from qkd_qiskit.experiment.parties import Client, Server
from qkd_qiskit.hardware import OWN_DEVICES, Device

_LOG = logging.getLogger(__name__)

_SIZES = ("public_train", "public_unlabelled", "public_calibration", "public_validation", "test")


class Experiment:
    """An experiment without a file: what `run_experiment` runs.

    Attributes:
        settings: The experiment as a file would say it; objects go by their names there.
        own: What the program has passed as objects, as `results.json` tells of it.
        server: The server.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import Client, Experiment, Server, run_experiment
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(0, 2, 300)
        >>> X = rng.normal(y[:, None] * [1.5, -1.5, 1.5, -1.5], 0.4)
        >>> north = Client("north", X[:60], y[:60], backend="noisy_line")
        >>> south = Client("south", X[60:120], y[60:120], backend="ibm_guadalupe")
        >>> server = Server(X[120:220], y[120:220], test=(X[220:], y[220:]), backend="ibm_guadalupe")
        >>> quick = {"particles": 4, "iterations": 2, "refine": 10}
        >>> once, here = {"rounds": 1}, {"workers": 1}
        >>> experiment = Experiment([north, south], server, training=quick, fedavg=once, federation=here)
        >>> result = run_experiment(experiment)
        >>> result.results["models"]["global"]["accuracy"] > 0.9
        True
    """

    @takes(ConfigError, server=Server, name=str)
    def __init__(
        self,
        clients: Sequence[Client],
        server: Server,
        *,
        name: str = "experiment",
        aggregation: Any = None,
        encoding: Any = None,
        baselines: Sequence[Any] = (),
        **settings: Any,
    ) -> None:
        """Build an experiment.

        Args:
            clients: At least one.
            server: The server.
            name: Of the experiment.
            aggregation: The rule that combines clients: a name, a subclass of `AggregationRule`, or a
                function from outputs [clients, N, G] to scores [N, G]. None takes that of the settings.
            encoding: A name, or an `Encoding` such as `CircuitEncoding(feature_map)`. None takes that of the
                settings.
            baselines: Further ones: names, scikit-learn classifiers, or objects with `name`, `runs_circuits`
                and `fit(data)`.
            **settings: The tables and keys of an experiment's file: `seed=1`, `model={"n_qubits": 4}`,
                `training=TrainingSettings(...)`. Without `data`, the sizes of the public parts follow from
                what the server has; without `model`, the width from the number of features.

        Raises:
            ConfigError: If a key or a value is wrong, or a client none.
            DataError: If there are too few samples, or none of a class.
            DistillationError: If the rule or a baseline is none.
        """
        parties = items(ConfigError, "clients", clients, "a sequence of clients")
        for client in parties:
            if not isinstance(client, Client):
                raise ConfigError(f"clients: expected Client objects, found {found(client)}")
        if not parties:
            raise ConfigError("clients: expected at least one client, found none")
        self.server = server
        self._devices = server.devices | {c.backend: c.device for c in parties if c.device is not None}
        self._given = GivenSamples(
            server.samples, server.unlabelled, server.test, tuple(client.samples for client in parties)
        )
        if known := self._given.known_tests:
            _LOG.warning(
                "%d of %d test samples are training samples too: accuracies on them say little of new ones",
                known,
                len(server.test or ()),
            )
        self._rules: dict[str, type[AggregationRule]] = {}
        self._baselines: dict[str, Baseline] = {}
        # Held, so that the process goes on knowing it.
        self._encoding: Encoding | None = None
        table = {key: _plain(value) for key, value in settings.items()}
        table |= {"name": name, "server": {"backend": server.backend}}
        self._take_rule(aggregation, table)
        self._take_encoding(encoding, table)
        wanted = items(ConfigError, "baselines", baselines, "a sequence of baselines")
        table["baselines"] = [self._baseline(baseline) for baseline in wanted]
        table["clients"] = self._sizes(parties, _inner(table, "data"))
        self.settings: ExperimentSettings = parse_settings(ExperimentSettings, table, "experiment")
        self.own: tuple[OwnRecord, ...] = tuple(self._records())

    def __repr__(self) -> str:
        """Return what it is in a line."""
        settings = self.settings
        return f"Experiment({settings.name!r}, {len(settings.clients)} clients, seed={settings.seed})"

    def prepare(self) -> PreparedData:
        """Deal out, augment and encode the samples.

        Raises:
            DataError: If they do not fit together, or cannot be augmented or encoded in this way.
        """
        return prepare_data(self.settings, deal_given(self.settings, self._given))

    @property
    def devices(self) -> Mapping[str, Device]:
        """Devices that were passed as objects, by the names that settings and results call them."""
        return self._devices

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let names find the experiment's objects within a block."""
        with ExitStack() as stack:
            stack.enter_context(OWN_DEVICES.lent(self._devices))
            stack.enter_context(OWN_RULES.lent(self._rules))
            stack.enter_context(OWN_BASELINES.lent(self._baselines))
            yield

    def digest(self) -> bytes:
        """Return a digest of what the objects are, as far as it can be told: names, and sources of code."""
        parts = [repr(record.model_dump()) for record in self.own]
        parts += [_source(rule) for rule in self._rules.values()]
        parts += [_source(type(baseline)) + repr(baseline) for baseline in self._baselines.values()]
        return hashlib.sha256("\n".join(parts).encode()).digest()

    def _take_rule(self, aggregation: object, table: dict[str, Any]) -> None:
        if aggregation is None:
            return
        name = aggregation
        if not isinstance(aggregation, str):
            rule = own_rule(aggregation, ("auto", *RULES))
            self._rules[rule.name] = rule
            name = rule.name
        # With `auto` in the settings an own rule is one of those that are tried.
        _inner(table, "distillation").setdefault("aggregation", name)

    def _take_encoding(self, encoding: object, table: dict[str, Any]) -> None:
        model = _inner(table, "model")
        if encoding is not None:
            name = encoding
            if not isinstance(encoding, str):
                if not all(hasattr(encoding, part) for part in ("name", "code", "make_encoder")):
                    raise ConfigError(f"encoding: expected a name or an Encoding, found {found(encoding)}")
                self._encoding = introduce(encoding)  # type: ignore[arg-type]
                name = self._encoding.name
            model.setdefault("encoding", name)
        features = int(np.prod(self._given.server.values.shape[1:]))
        width = getattr(self._encoding, "n_qubits", None) or max(2, min(8, features // 2))
        model.setdefault("n_qubits", width)

    def _baseline(self, baseline: object) -> str:
        if isinstance(baseline, str):
            return baseline
        taken = [each.name for each in BASELINES] + [model.name for model in COMPARED]
        made = own_baseline(baseline, [*taken, *self._baselines])
        self._baselines[made.name] = made
        return made.name

    def _sizes(self, clients: Sequence[Client], data: dict[str, Any]) -> list[dict[str, Any]]:
        """Fill in who holds how many samples; return the tables of the clients."""
        data["dataset"] = self._given.name
        classes = self._given.classes(data.get("classes"))
        wanted = {key: data[key] for key in _SIZES if key in data}
        sizes = given_sizes(self._given, classes, wanted, [client.wanted for client in clients])
        data |= sizes.parts
        return [
            {"name": client.name, "backend": client.backend, "samples": count, **_plain(client.settings)}
            for client, count in zip(clients, sizes.clients, strict=True)
        ]

    def _records(self) -> Iterator[OwnRecord]:
        yield OwnRecord(kind="samples", name=self._given.name, object="arrays")
        for name, device in self._devices.items():
            yield OwnRecord(kind="device", name=name, object=f"{device.name} ({device.source})")
        if self._encoding is not None and self._encoding.name not in ENCODINGS:
            yield OwnRecord(
                kind="encoding", name=self._encoding.name, object=_qualified(type(self._encoding))
            )
        for name, rule in self._rules.items():
            yield OwnRecord(
                kind="aggregation rule", name=name, object=_qualified(getattr(rule, "function", rule))
            )
        for name, baseline in self._baselines.items():
            model = getattr(baseline, "estimator", baseline)
            yield OwnRecord(kind="baseline", name=name, object=_qualified(type(model)))
        if self.server.sampling is not None:
            kind = type(self.server.sampling.sampler)
            shots = self.server.sampling.shots
            yield OwnRecord(
                kind="sampler", name="global_sampled", object=f"{_qualified(kind)}, {shots} shots"
            )


def _plain(value: Any) -> Any:
    """Return settings as plain tables and numbers."""
    if isinstance(value, Settings):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _inner(table: dict[str, Any], key: str) -> dict[str, Any]:
    inner = table.setdefault(key, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{key}: expected a table of settings, found {found(inner)}")
    return inner


def _qualified(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _source(thing: Any) -> str:
    """Return the source of a class or a function, as far as Python can tell."""
    code = getattr(thing, "function", thing)
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return _qualified(code)

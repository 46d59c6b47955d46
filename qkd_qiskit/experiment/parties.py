"""Clients and server of an experiment that a program builds: whose data and devices are objects."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from qiskit.primitives import BaseSamplerV2

from qkd_qiskit.arguments import NOTHING, found, takes
from qkd_qiskit.config import Label
from qkd_qiskit.data import GivenPart, given_part
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.experiment.sampled import Sampling
from qkd_qiskit.hardware import Device, named_device


class Client:
    """A client: its name, its samples and its device.

    Attributes:
        name: Its name.
        samples: What it brings; None where it gets samples of the server's.
        backend: Name of its device in settings and results.
        device: The device, where the name alone finds none.
        settings: Its further settings, by key.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import Client
        >>> client = Client("north", np.zeros((20, 4)), np.arange(20) % 2, backend="ibm_sherbrooke")
        >>> client
        Client('north', 20 samples, backend='ibm_sherbrooke')
    """

    @takes(ConfigError, name=str)
    def __init__(
        self,
        name: str,
        X: Any = None,
        y: Any = None,
        *,
        backend: Any = "ibm_torino",
        samples: int | None = None,
        classes: Sequence[Label] | None = None,
        **settings: Any,
    ) -> None:
        """Describe a client.

        Args:
            name: Its name, which no other client has.
            X: Its samples: an array [N, F], images [N, rows, columns], or a DataFrame. None leaves it samples
                of the server's.
            y: Their labels [N], or the name of the column of the DataFrame that holds them.
            backend: Its device: a name, the path of a descriptor, a `Device`, or any Qiskit `BackendV2`.
            samples: How many samples of the server's it gets; an equal share when omitted.
            classes: Which classes these have; all when omitted.
            **settings: Further keys of `[[clients]]`: `output_noise`, `output_shots`, `output_floor`.

        Raises:
            ConfigError: If it brings samples without labels, or samples and a wish for some.
            DataError: If samples and labels do not fit.
            HardwareError: If the device is none.
        """
        where = f"client {name}"
        if (X is None) != (y is None):
            raise ConfigError(f"{where}: expected samples and labels, found only one of them")
        if X is not None and (samples is not None or classes is not None):
            raise ConfigError(
                f"{where}: samples and classes are for clients that bring no samples of their own"
            )
        self.name = name
        self.samples: GivenPart | None = None if X is None else given_part(X, y, where)
        self.backend, self.device = named_device(backend, where)
        self.wanted = samples
        self.settings = settings | ({} if classes is None else {"classes": tuple(classes)})

    def __repr__(self) -> str:
        """Return it as it might have been written."""
        held = "" if self.samples is None else f", {len(self.samples)} samples"
        return f"Client({self.name!r}{held}, backend={self.backend!r})"


class Server:
    """The server: samples that everybody may see, test samples, the device of the global model.

    Attributes:
        samples: What public samples are drawn from, and all that is not given otherwise.
        unlabelled: Public samples without labels; None for none.
        test: Samples kept back until the end; None to draw them from `samples`.
        backend: Name of its device in settings and results.
        device: The device, where the name alone finds none.
        sampling: How the global model is sampled on the test samples as well; None for no such run.
    """

    @takes(ConfigError, sampler=(BaseSamplerV2, NOTHING), shots=Integral)
    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        test: tuple[Any, Any] | None = None,
        unlabelled: Any = None,
        backend: Any = "ibm_torino",
        sampler: BaseSamplerV2 | None = None,
        shots: int = 1024,
    ) -> None:
        """Describe the server.

        Args:
            X: Its samples: an array [N, F], images [N, rows, columns], or a DataFrame. The public samples are
                drawn from them, and what is given nowhere else: test samples, samples of clients without own.
            y: Their labels [N], or the name of the column of the DataFrame that holds them.
            test: Samples and labels that are kept back until the end.
            unlabelled: Further public samples, whose labels nobody knows.
            backend: The device that the global model is meant for, as for `Client`.
            sampler: Any `SamplerV2`: the global model answers the test samples through it too, and results
                have `global_sampled` beside `global`. One with a backend gets the circuit transpiled to it.
            shots: Shots of each test sample on the sampler, at least 1.

        Raises:
            ConfigError: If there are no labels, the test samples are no pair, or shots fewer than 1.
            DataError: If samples and labels do not fit.
            HardwareError: If the device is none.
        """
        if y is None:
            raise ConfigError("server: expected samples and labels, found no labels")
        if test is not None and not (isinstance(test, tuple | list) and len(test) == 2):
            raise ConfigError(f"server: expected test samples and labels as a pair, found {found(test)}")
        if shots < 1:
            raise ConfigError(f"server: expected at least 1 shot, found {shots}")
        self.samples = given_part(X, y, "server")
        self.test = None if test is None else given_part(test[0], test[1], "test samples")
        self.unlabelled = None if unlabelled is None else given_part(unlabelled, None, "unlabelled samples")
        self.backend, self.device = named_device(backend, "server")
        self.sampling = None if sampler is None else Sampling(sampler, int(shots))

    @property
    def devices(self) -> dict[str, Device]:
        """Return its device by name, where the name alone finds none."""
        return {} if self.device is None else {self.backend: self.device}

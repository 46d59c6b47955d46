"""The array calls of a contraction: NumPy's, or those of any namespace of the Python array API standard.

NumPy is the default and the reference. Another namespace, on a processor or an accelerator, must offer the
standard's functions (https://data-apis.org/array-api); `array-api-compat` makes those of CuPy and PyTorch do
so. Axes: particles first, samples last.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from importlib import import_module
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.extras import missing_extra

Array = Any
"""An array of whichever namespace is in use."""

# PERF: arrays of one chunk stay below this many bytes, so that they fit the cache of a core.
_CACHE_BYTES = 2 * 2**20
_DEVICE_BYTES = 2**30
# PERF: what waits for its next use; a gradient's arrays of some 500 samples at 12 qubits fit.
_POOLED_BYTES = 2**30
_DEVICE_LIBRARIES = ("cupy", "torch", "jax")


class ArrayOps:
    """NumPy's calls; large arrays come from a pool, so that memory is not asked for again and again.

    An instance is one task's view of the pool: what it has made it may `free`, and `close` frees the rest.
    """

    def __init__(self, dtype: type[np.floating] = np.float64, pool: Pool | None = None) -> None:
        self.dtype = dtype
        self.xp: Any = np
        self._pool = _shared_pool(np.dtype(dtype).name) if pool is None else pool
        self._held: dict[int, FloatArray] = {}

    @property
    def single(self) -> bool:
        """Whether numbers have single precision."""
        return self.dtype is np.float32

    @property
    def is_numpy(self) -> bool:
        """Whether arrays are NumPy's."""
        return self.xp is np

    @property
    def chunk_bytes(self) -> int:
        """Most bytes of a chunk's largest array: what fits the cache of a core."""
        return _CACHE_BYTES

    def task(self) -> ArrayOps:
        """Return the calls for another task, on the same pool."""
        return ArrayOps(self.dtype, self._pool)

    def asarray(self, array: FloatArray) -> Array:
        """Return a NumPy array as one of this namespace, on its device."""
        return np.ascontiguousarray(array, dtype=self.dtype)

    def vectors(self, array: FloatArray) -> Array:
        """Return a NumPy array as one of this namespace; its axes may stay as they lie in memory."""
        # PERF: matrix products take transposed views as they are.
        return np.asarray(array, dtype=self.dtype)

    def to_numpy(self, array: Array) -> FloatArray:
        """Return an array of this namespace as one of NumPy's."""
        return np.asarray(array)

    def reshape(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return an array in another shape."""
        return array.reshape(shape)

    def matmul(self, first: Array, second: Array) -> Array:
        """Return the product `[P, left, a, c]` of `[P, left, a, b]` and `[P, left, b, c]`; axes may be 1."""
        batch = map(max, first.shape[:-2], second.shape[:-2])
        return np.matmul(first, second, out=self._take((*batch, first.shape[-2], second.shape[-1])))

    def outer(self, first: Array, second: Array) -> Array:
        """Return `[P, a, b, N]` of `[P, a, N]` and `[P, b, N]`; either P may be 1."""
        shape = (max(len(first), len(second)), first.shape[1], second.shape[1], first.shape[2])
        return np.multiply(first[:, :, None, :], second[:, None, :, :], out=self._take(shape))

    def moved(self, array: Array, axes: tuple[int, ...]) -> Array:
        """Return an array with its axes in another order."""
        view = np.permute_dims(array, axes)
        out = self._take(view.shape)
        np.copyto(out, view)
        return out

    def sum_last(self, tensor: Array, vectors: Array) -> Array:
        """Sum `[P, a, b, N]` times `[P, b, N]` over b."""
        # PERF: one pass; a product and a sum take two, and an array in between.
        particles, a, _, n = tensor.shape
        out = self._take((max(particles, len(vectors)), a, n))
        return np.einsum("pabn,pbn->pan", tensor, vectors, out=out)

    def sum_first(self, tensor: Array, vectors: Array) -> Array:
        """Sum `[P, a, b, N]` times `[P, a, N]` over a."""
        particles, _, b, n = tensor.shape
        out = self._take((max(particles, len(vectors)), b, n))
        return np.einsum("pabn,pan->pbn", tensor, vectors, out=out)

    def free(self, *arrays: Array) -> None:
        """Give back arrays that this task has made and no longer needs; others are left alone."""
        for array in arrays:
            self._pool.give(self._held.pop(id(array if array.base is None else array.base), None))

    def keep(self, array: Array) -> None:
        """Let an array live on behind the task."""
        self._held.pop(id(array if array.base is None else array.base), None)

    def close(self) -> None:
        """Give back all arrays of this task."""
        for array in self._held.values():
            self._pool.give(array)
        self._held.clear()

    def _take(self, shape: tuple[int, ...]) -> FloatArray:
        size = prod(shape)
        flat = self._pool.take(size, self.dtype)
        self._held[id(flat)] = flat
        return flat[:size].reshape(shape)


class Pool:
    """Arrays that wait for their next use, by their sizes; threads and evaluators share it.

    It holds so many bytes at most: the sizes that were not asked for the longest go first.
    """

    _UNIT = 2**12

    def __init__(self, limit: int = _POOLED_BYTES) -> None:
        self._free: OrderedDict[int, list[FloatArray]] = OrderedDict()
        self._limit = limit
        self._lock = Lock()
        self.n_bytes = 0

    def take(self, size: int, dtype: type[np.floating]) -> FloatArray:
        """Return a flat array of at least `size` elements."""
        whole = -(-max(size, 1) // self._UNIT) * self._UNIT
        with self._lock:
            if whole in self._free:
                return self._taken(whole, recent=True)
        return np.empty(whole, dtype=dtype)

    def give(self, array: FloatArray | None) -> None:
        """Take an array back."""
        if array is None or array.nbytes > self._limit:
            return
        with self._lock:
            self._free.setdefault(array.size, []).append(array)
            self._free.move_to_end(array.size)
            self.n_bytes += array.nbytes
            while self.n_bytes > self._limit:
                self._taken(next(iter(self._free)), recent=False)

    def _taken(self, size: int, *, recent: bool) -> FloatArray:
        waiting = self._free[size]
        array = waiting.pop()
        self.n_bytes -= array.nbytes
        if not waiting:
            del self._free[size]
        elif recent:
            self._free.move_to_end(size)
        return array


@cache
def _shared_pool(dtype: str) -> Pool:
    """Return the pool of all evaluators of this process: one each would keep what none needs any more."""
    del dtype  # a pool has arrays of one kind
    return Pool()


class StandardOps(ArrayOps):
    """The calls of another array API namespace."""

    def __init__(self, xp: Any, dtype: type[np.floating] = np.float64, device: Any = None) -> None:
        """Use a namespace.

        Args:
            xp: The namespace.
            dtype: `numpy.float64` or `numpy.float32`.
            device: The namespace's name of a device, or device object; None for its default.
        """
        super().__init__(dtype)
        self.xp = xp
        self._device = device
        self._kind = xp.float32 if self.single else xp.float64

    @property
    def chunk_bytes(self) -> int:
        """Most bytes of a chunk's largest array: few large calls, since each one takes its time to start."""
        return _DEVICE_BYTES

    def task(self) -> ArrayOps:
        """Return the calls for another task: these, since the library looks after its memory."""
        return self

    def asarray(self, array: FloatArray) -> Array:
        """Return a NumPy array as one of this namespace, on its device."""
        given = np.ascontiguousarray(array, dtype=self.dtype)
        return self.xp.asarray(given, dtype=self._kind, device=self._device)

    def vectors(self, array: FloatArray) -> Array:
        """Return a NumPy array as one of this namespace, on its device."""
        return self.asarray(array)

    def to_numpy(self, array: Array) -> FloatArray:
        """Return an array of this namespace as one of NumPy's."""
        # CuPy and PyTorch move arrays to the processor by methods of their own.
        if hasattr(array, "get"):
            array = array.get()
        elif hasattr(array, "cpu"):
            array = array.cpu()
        return np.asarray(array)

    def reshape(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return an array in another shape."""
        return self.xp.reshape(array, shape)

    def matmul(self, first: Array, second: Array) -> Array:
        """Return the product `[P, left, a, c]` of `[P, left, a, b]` and `[P, left, b, c]`; axes may be 1."""
        return self.xp.matmul(first, second)

    def outer(self, first: Array, second: Array) -> Array:
        """Return `[P, a, b, N]` of `[P, a, N]` and `[P, b, N]`; either P may be 1."""
        return first[:, :, None, :] * second[:, None, :, :]

    def moved(self, array: Array, axes: tuple[int, ...]) -> Array:
        """Return an array with its axes in another order."""
        return self.xp.permute_dims(array, axes)

    def sum_last(self, tensor: Array, vectors: Array) -> Array:
        """Sum `[P, a, b, N]` times `[P, b, N]` over b."""
        return self.xp.sum(tensor * vectors[:, None, :, :], axis=2)

    def sum_first(self, tensor: Array, vectors: Array) -> Array:
        """Sum `[P, a, b, N]` times `[P, a, N]` over a."""
        return self.xp.sum(tensor * vectors[:, :, None, :], axis=1)

    def free(self, *arrays: Array) -> None:
        """Do nothing: the library looks after its memory."""

    def keep(self, array: Array) -> None:
        """Do nothing: the library looks after its memory."""


def array_ops(device: str | None, dtype: type[np.floating]) -> ArrayOps:
    """Return the calls for a device.

    Args:
        device: None for NumPy; `"cuda"` for the first library of CuPy, PyTorch and JAX that is installed and
            sees a GPU; `"torch"`, `"torch:cuda:1"`, `"cupy"`, `"jax"` and so on for one of them.
        dtype: `numpy.float64` or `numpy.float32`.

    Raises:
        SimulationError: If the device or its library is unknown or not there.
    """
    if device is None or device in ("cpu", "numpy"):
        return ArrayOps(dtype)
    if not isinstance(device, str):
        raise SimulationError(f"expected the name of a device, found a {type(device).__name__}")
    library, _, place = device.partition(":")
    if library == "cuda":
        return _first_with_gpu(device, dtype)
    if library not in _DEVICE_LIBRARIES:
        raise SimulationError(
            f"expected a device such as 'cpu', 'cuda', 'torch:cuda:0', 'cupy' or 'jax', found {device!r}"
        )
    return _library_ops(library, place or None, dtype)


def _first_with_gpu(device: str, dtype: type[np.floating]) -> ArrayOps:
    reasons = []
    for library in _DEVICE_LIBRARIES:
        place = device if library == "torch" else None
        try:
            ops = _library_ops(library, place, dtype)
            if library == "jax" and ops.xp.zeros(1).device.platform != "gpu":
                raise SimulationError("it sees no GPU")
            ops.asarray(np.zeros(1))
        except Exception as error:
            reasons.append(f"{library}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        return ops
    raise SimulationError(f"expected a GPU for device {device!r}, found none ({'; '.join(reasons)})")


def _library_ops(library: str, place: str | None, dtype: type[np.floating]) -> StandardOps:
    try:
        if library == "jax":
            jax = import_module("jax")
            if dtype is np.float64:
                jax.config.update("jax_enable_x64", True)
            return StandardOps(import_module("jax.numpy"), dtype, place and jax.devices(place)[0])
        return StandardOps(import_module(f"array_api_compat.{library}"), dtype, place)
    except ImportError as error:
        raise SimulationError(missing_extra(f"the device {library!r}", "gpu")) from error

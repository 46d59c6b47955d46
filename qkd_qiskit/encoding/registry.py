"""The encodings, by name; those of a user's own, by what they are made of."""

from __future__ import annotations

from numbers import Integral
from weakref import WeakValueDictionary

from qkd_qiskit.arguments import NOTHING, found, takes
from qkd_qiskit.encoding.amplitude import AmplitudeEncoding
from qkd_qiskit.encoding.amplitude_brick import BrickAmplitudeEncoding
from qkd_qiskit.encoding.amplitude_exact import ExactAmplitudeEncoding
from qkd_qiskit.encoding.amplitude_mps import MpsAmplitudeEncoding
from qkd_qiskit.encoding.angle import AngleEncoding
from qkd_qiskit.encoding.base import Encoder, Encoding
from qkd_qiskit.encoding.hardware_efficient import HardwareEfficientEncoding
from qkd_qiskit.encoding.options import CODES, options_from, split_name
from qkd_qiskit.encoding.reupload import ReuploadEncoding
from qkd_qiskit.encoding.zz import ZZEncoding
from qkd_qiskit.errors import DataError, did_you_mean
from qkd_qiskit.store.guard import guarded

ENCODINGS: dict[str, Encoding] = {
    encoding.name: encoding
    for encoding in (
        AngleEncoding(),
        AmplitudeEncoding(),
        ExactAmplitudeEncoding(),
        MpsAmplitudeEncoding(),
        BrickAmplitudeEncoding(),
        ReuploadEncoding(),
        HardwareEfficientEncoding(),
        ZZEncoding(),
    )
}

# Specs hold on to theirs.
_OWN: WeakValueDictionary[str, Encoding] = WeakValueDictionary()


@takes(DataError, name=str)
def encoding_named(name: str) -> Encoding:
    """Return the encoding of a name, options included: `angle`, `zz(reps=1)`.

    Raises:
        DataError: If there is none, or it has no such option.
    """
    if name in ENCODINGS:
        return ENCODINGS[name]
    own = _OWN.get(name)
    if own is not None:
        return own
    plain, values = split_name(name)
    if plain not in ENCODINGS:
        raise DataError(
            f"unknown encoding {name[:80]!r}: expected {' or '.join(ENCODINGS)}"
            f"{did_you_mean(plain, ENCODINGS)}"
        )
    return ENCODINGS[plain].configured(values)


def registered_name(name: str) -> str:
    """Return the one text for a registered encoding and its options, or for one that this process has made.

    Raises:
        DataError: If there is none, or it has no such option.
    """
    plain, values = split_name(name)
    if name in _OWN:
        return name
    if plain not in ENCODINGS:
        raise DataError(
            f"expected {' or '.join(ENCODINGS)}, found {name[:80]!r}{did_you_mean(plain, ENCODINGS)}"
        )
    return ENCODINGS[plain].configured(values).name


def encoding_coded(code: int) -> Encoding | None:
    """Return the encoding of a code in a model index; None where this process knows none."""
    for encoding in (*ENCODINGS.values(), *_OWN.values()):
        if encoding.code == code:
            return encoding
    for encoding in ENCODINGS.values():
        if encoding.code == code % CODES and encoding.options:
            values = options_from(encoding.options, code // CODES)
            return None if values is None else encoding.configured(values)
    return None


def introduce(encoding: Encoding) -> Encoding:
    """Make an encoding object known to this process, so that names and model indices find it.

    Args:
        encoding: A registered encoding, or one of the user's own.

    Returns:
        The object that the process knows under this name.

    Raises:
        DataError: If another encoding has its name or its code.
    """
    for known in (*ENCODINGS.values(), *_OWN.values()):
        if known is encoding:
            return known
        if known.name == encoding.name and known.code == encoding.code and type(known) is type(encoding):
            return known
    plain, _ = split_name(encoding.name)
    if plain in ENCODINGS and ENCODINGS[plain].code == encoding.code % CODES:
        return encoding_named(encoding.name)
    for known in (*ENCODINGS.values(), *_OWN.values()):
        if known.name == encoding.name or known.code == encoding.code:
            raise DataError(
                f"encoding {encoding.name} with code {encoding.code}: expected a name and a code of its own, "
                f"found {known.name} with code {known.code}"
            )
    _OWN[encoding.name] = encoding
    return encoding


@takes(DataError, n_qubits=Integral, image_shape=(tuple, list, NOTHING))
def make_encoder(
    encoding: str | Encoding, n_qubits: int, *, image_shape: tuple[int, int] | None = None
) -> Encoder:
    """Return an encoder, yet to be fitted.

    Args:
        encoding: Name of the encoding, or the encoding itself.
        n_qubits: Qubits of the circuit, at least 1.
        image_shape: Rows and columns of the images; None for features that are no pixels.

    Raises:
        DataError: If the encoding is unknown or a number is out of range.
    """
    known = encoding_named(encoding) if isinstance(encoding, str) else encoding
    if not hasattr(known, "make_encoder"):
        raise DataError(f"encoding: expected a name or an Encoding, found {found(encoding)}")
    # Widths beyond all memory fail in NumPy's words.
    with guarded(DataError, f"encoder for {n_qubits} qubits"):
        return known.make_encoder(n_qubits, image_shape)

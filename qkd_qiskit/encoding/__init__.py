"""Encodings of features into circuits: one object each, found by name."""

from qkd_qiskit.encoding.base import Encoder, Encoding
from qkd_qiskit.encoding.options import Option
from qkd_qiskit.encoding.registry import (
    ENCODINGS,
    encoding_coded,
    encoding_named,
    introduce,
    make_encoder,
    registered_name,
)

__all__ = [
    "ENCODINGS",
    "Encoder",
    "Encoding",
    "Option",
    "encoding_coded",
    "encoding_named",
    "introduce",
    "make_encoder",
    "registered_name",
]

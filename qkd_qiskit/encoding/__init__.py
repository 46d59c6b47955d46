"""Encodings of features into circuits: one object each, found by name."""

from qkd_qiskit.encoding.base import Encoder, Encoding
from qkd_qiskit.encoding.registry import ENCODINGS, encoding_named, make_encoder

__all__ = ["ENCODINGS", "Encoder", "Encoding", "encoding_named", "make_encoder"]

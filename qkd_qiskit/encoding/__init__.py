"""Encodings of features into circuits."""

from qkd_qiskit.encoding.amplitude import AmplitudeEncoder
from qkd_qiskit.encoding.angle import AngleEncoder
from qkd_qiskit.encoding.registry import Encoder, encoder_from_arrays, make_encoder

__all__ = ["AmplitudeEncoder", "AngleEncoder", "Encoder", "encoder_from_arrays", "make_encoder"]

"""Between weights and angles, and between Z-strings and outcomes: the ends of every simulation."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.noise import apply_readout
from qkd_qiskit.simulation.ptm import N_HARMONICS, harmonic_slopes, harmonics


def weight_waves(compiled: CompiledCircuit, weights: FloatArray) -> FloatArray:
    """Return harmonics `[angles + 1, particles, H]` of the weight angles; the last row is constant."""
    offsets = compiled.weight_angles[0]
    waves = np.zeros((len(offsets) + 1, weights.shape[0], N_HARMONICS))
    waves[:-1] = harmonics((offsets + compiled.weight_slopes.angles(weights)).T)
    waves[-1, :, 0] = 1.0
    return waves


def angle_gradient(compiled: CompiledCircuit, waves: FloatArray, wave_gradient: FloatArray) -> FloatArray:
    """Return the gradient `[particles, W]` in the weights, given that in the harmonics of `weight_waves`."""
    by_angle = (wave_gradient * harmonic_slopes(waves)).sum(axis=-1)[:-1]
    return compiled.weight_slopes.pull_back(by_angle.T)


def read_out(compiled: CompiledCircuit, values: FloatArray) -> FloatArray:
    """Return outcome probabilities `[..., 2^m]`, readout errors included, of Z-strings' values."""
    return apply_readout(from_strings(values.astype(np.float64)), compiled.confusions)


def _signs(m: int) -> FloatArray:
    """Return `[2^m, 2^m]`: sign of Z-string s at outcome c, over 2^m."""
    index = np.arange(2**m)
    parity = np.bitwise_count(index[:, None] & index[None, :]) & 1
    signs: FloatArray = (1.0 - 2.0 * parity) / 2**m
    return signs


def from_strings(values: FloatArray) -> FloatArray:
    """Return probabilities `[..., 2^m]` from the values of the 2^m - 1 Z-strings."""
    signs = _signs((values.shape[-1] + 1).bit_length() - 1)
    probabilities: FloatArray = signs[0] + values @ signs[1:]
    return probabilities


def to_strings(gradient: FloatArray) -> FloatArray:
    """Return the adjoint of `from_strings`."""
    signs = _signs(gradient.shape[-1].bit_length() - 1)
    values: FloatArray = gradient @ signs[1:].T
    return values

"""Between weights and angles, and between Z-strings and outcomes: the ends of every sweep."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.simulation.basis import N_HARMONICS, Array, harmonic_slopes, harmonics
from qkd_qiskit.simulation.fused import Program
from qkd_qiskit.simulation.noise import apply_readout


def weight_waves(program: Program, weights: Array) -> Array:
    """Harmonics `[angles + 1, particles, H]` of the weight angles; the last row is the constant one."""
    offsets = program.weight_angles[0]
    waves = np.zeros((len(offsets) + 1, weights.shape[0], N_HARMONICS))
    waves[:-1] = harmonics((offsets + weights @ program.weight_slopes).T)
    waves[-1, :, 0] = 1.0
    return waves


def angle_gradient(program: Program, waves: Array, wave_gradient: Array) -> Array:
    """Gradient `[particles, W]` in the weights, given that in the harmonics of `weight_waves`."""
    by_angle = (wave_gradient * harmonic_slopes(waves)).sum(axis=-1)[:-1]
    gradient: Array = by_angle.T @ program.weight_slopes.T
    return gradient


def read_out(program: Program, values: Array) -> Array:
    """Outcome probabilities `[..., 2^m]`, readout errors included, from the values of the Z-strings."""
    return apply_readout(from_strings(values.astype(np.float64)), program.confusions)


def _signs(m: int) -> Array:
    """`[2^m, 2^m]`: sign of Z-string s at outcome c, over 2^m."""
    index = np.arange(2**m)
    parity = np.bitwise_count(index[:, None] & index[None, :]) & 1
    signs: Array = (1.0 - 2.0 * parity) / 2**m
    return signs


def from_strings(values: Array) -> Array:
    """Probabilities `[..., 2^m]` from the values of the 2^m - 1 Z-strings."""
    signs = _signs((values.shape[-1] + 1).bit_length() - 1)
    probabilities: Array = signs[0] + values @ signs[1:]
    return probabilities


def to_strings(gradient: Array) -> Array:
    """Adjoint of `from_strings`."""
    signs = _signs(gradient.shape[-1].bit_length() - 1)
    values: Array = gradient @ signs[1:].T
    return values

"""Pictures of devices: all qubits, the chain on couplings that exist."""

import pytest

from qkd_qiskit.errors import HardwareError, ReportingError
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.reporting.device_picture import chain_errors, chosen_chain, draw_device, save_device_picture
from qkd_qiskit.vqcnn import VQCNNSpec


@pytest.mark.parametrize("name", ["noisy_line", "ion_trap", "ibm_guadalupe"])
def test_the_picture_shows_all_qubits_and_the_chain(name):
    device, spec = load_backend(name), VQCNNSpec(5)
    axes = draw_device(device, spec).axes[0]
    assert {text.get_text() for text in axes.texts} == {str(q) for q in range(device.n_qubits)}
    [line] = axes.lines
    assert len(line.get_xdata()) == 5


def test_dead_couplings_are_drawn_apart():
    labels = {artist.get_label() for artist in draw_device(load_backend("ibm_torino")).axes[0].get_children()}
    assert {"broken gate", "broken readout"} <= labels


@pytest.mark.parametrize("name", ["ibm_torino", "ibm_sherbrooke"])
def test_the_chain_has_an_error_for_each_link(name):
    device = load_backend(name)
    chain = chosen_chain(device, VQCNNSpec(6))
    errors = chain_errors(device, chain)
    assert len(errors) == 5
    assert max(errors) < 0.05


def test_a_structure_without_a_chain_has_none():
    assert chosen_chain(load_backend("ibm_guadalupe"), VQCNNSpec(16)) is None
    assert not draw_device(load_backend("ibm_guadalupe"), VQCNNSpec(16)).axes[0].lines


def test_too_wide_structures_are_refused():
    with pytest.raises(HardwareError, match="expected a spec of at most 16 qubits"):
        draw_device(load_backend("noisy_line"), VQCNNSpec(17))


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_files(suffix, tmp_path):
    path = tmp_path / "deep" / f"line.{suffix}"
    save_device_picture(load_backend("noisy_line"), path, VQCNNSpec(4))
    assert path.stat().st_size > 5000


def test_unknown_formats_and_folders(tmp_path):
    device = load_backend("noisy_line")
    with pytest.raises(ReportingError, match="expected a .png, .svg or .pdf file, found x.txt"):
        save_device_picture(device, tmp_path.joinpath("x.txt").relative_to(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write picture"):
        save_device_picture(device, tmp_path / "file" / "x.png")

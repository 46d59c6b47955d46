"""The studies' own logic; trainings stand in the integration tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.distillation import ClientMessage, make_message
from qkd_qiskit.errors import ConfigError, DistillationError
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.studies.ablation import ABLATIONS, client_fingerprint, variant_settings
from qkd_qiskit.studies.distillation_studies import run_study
from qkd_qiskit.studies.federated import pack, pooled_accuracy, pooled_difference, unpack
from qkd_qiskit.studies.heterogeneity import with_classes
from qkd_qiskit.studies.noise_study import gradient_variance, sampled, scaled_device
from qkd_qiskit.studies.privacy import membership_area
from qkd_qiskit.studies.robustness import ATTACKS, bad_ones
from qkd_qiskit.vqcnn import VQCNNSpec


@pytest.mark.parametrize("right", [[], [True], [True, False, False]])
def test_answers_survive_packing(right):
    np.testing.assert_array_equal(unpack(pack(np.array(right, dtype=bool))), right)


def test_other_text_is_no_answer():
    with pytest.raises(DistillationError, match="ones and zeros, found '012'"):
        unpack("012")


def test_records_are_pooled_image_by_image():
    records = [{"right": {"a": "1100", "b": "1000"}}, {"right": {"a": "11", "b": "11"}}]
    assert pooled_accuracy(records, "a").value == pytest.approx(4 / 6)
    difference = pooled_difference(records, "a", records, "b")
    assert difference.value == pytest.approx(1 / 6)
    assert difference.low <= difference.value <= difference.high


@pytest.mark.parametrize("variant", ABLATIONS)
def test_every_variant_has_valid_settings(variant):
    settings = variant_settings("mnist4", variant, 5)
    assert settings.seed == 5
    if variant == "student by its gate budget":
        assert settings.distillation.student_blocks is None


def test_variants_share_clients_only_if_these_learn_the_same():
    def digest(variant, seed=5):
        return client_fingerprint(variant_settings("mnist4", variant, seed))

    shipped = digest("as shipped")
    for variant in ("no mixup", "hard labels only", "plain mean", "8-bit outputs", "two rounds"):
        assert digest(variant) == shipped
    for variant in ("no unlabelled images", "no copies for the student", "no copies at all"):
        assert digest(variant) != shipped
    assert digest("as shipped", 6) != shipped


@pytest.mark.parametrize(("count", "held"), [(4, (0, 1, 2, 3)), (2, (0, 3)), (1, (3,))])
def test_clients_hold_as_many_classes_as_wanted(count, held):
    settings = with_classes(load_experiment("heterogeneity"), (0, 1, 2, 3), count)
    assert settings.clients[3].classes == held
    assert {label for client in settings.clients for label in client.classes} == {0, 1, 2, 3}


def test_liars_are_the_holders_of_the_rarest_class():
    """In mnist4 every class has two holders; of class 0 these are the first and the last."""
    settings = load_experiment("mnist4")
    assert bad_ones(settings, "liars") == (0, 3)
    assert bad_ones(settings, "silent") == (2, 3)


def test_unknown_attacks_and_too_few_clients_are_refused():
    settings = load_experiment("mnist4")
    with pytest.raises(DistillationError, match="attack: expected one of silent"):
        bad_ones(settings, "sleep")
    with pytest.raises(DistillationError, match="more than 2 clients, found 1"):
        bad_ones(settings.model_copy(update={"clients": settings.clients[:1]}), "silent")


def _client():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    spec = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", n_outcomes=3)
    return SimpleNamespace(message=make_message("ada", spec.index, (0, 1), p, "ab" * 32))


def test_attacks_do_what_they_say():
    client = _client()
    honest = client.message.probabilities
    assert ATTACKS["silent"](client) is None
    with pytest.raises(DistillationError, match="magic word"):
        ClientMessage.from_bytes(ATTACKS["garbage"](client))
    assert np.isnan(ClientMessage.from_bytes(ATTACKS["NaN"](client)).outputs).any()
    assert ClientMessage.from_bytes(ATTACKS["stale digest"](client)).public_digest == "0" * 64
    ridden = ClientMessage.from_bytes(ATTACKS["free riders"](client)).probabilities
    assert np.ptp(ridden) < 1e-3
    lied = ClientMessage.from_bytes(ATTACKS["liars"](client)).probabilities
    np.testing.assert_allclose(lied, honest[:, [1, 0, 2]], atol=1e-3)


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_a_scaled_device_has_scaled_errors(strength, tmp_path: Path):
    device, base = load_backend(scaled_device(strength, tmp_path)), load_backend("noisy_line")
    for pair, old in base.target["cz"].items():
        new = device.target["cz"][pair].error
        assert new == pytest.approx(strength * old.error, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("shots", [1, 100])
def test_frequencies_are_whole_numbers_of_shots(shots):
    p = np.array([[0.25, 0.75], [1.0, 0.0]])
    seen = sampled(p, shots, rng=np.random.default_rng(0))
    np.testing.assert_allclose(seen.sum(axis=1), 1.0)
    np.testing.assert_allclose(seen * shots, np.rint(seen * shots))
    assert seen[1, 0] == 1.0


def test_gradients_shrink_with_noise():
    found = gradient_variance(4, draws=20)
    assert 0 < found["noisy"] < found["ideal"]


@pytest.mark.parametrize(
    ("members", "others", "area"),
    [([2.0, 3.0], [0.0, 1.0], 1.0), ([0.0], [1.0], 0.0), ([1.0, 1.0], [1.0], 0.5)],
)
def test_membership_area(members, others, area):
    assert membership_area(np.array(members), np.array(others)) == area


def test_unknown_studies_and_no_seeds_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="study: expected one of margins"):
        run_study("weather", "mnist4", [1], tmp_path)
    with pytest.raises(ConfigError, match="at least one seed"):
        run_study("noise", "mnist4", [], tmp_path)
    with pytest.raises(ConfigError, match="variant: expected one of as shipped, .* found 'no clients'"):
        run_study("ablation", "mnist4", [1], tmp_path, variants=["no clients"])

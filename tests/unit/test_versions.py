import platform
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit import versions
from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.experiment import run
from qkd_qiskit.versions import TESTED, blas_kernel, installed_versions, version_remarks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def two_stacks(monkeypatch):
    """Another stack is installed than the one that the release is tested with."""
    monkeypatch.setattr(versions, "TESTED", {"numpy": "2.0", "scipy": "1.0"})
    monkeypatch.setattr(versions, "installed_versions", lambda: {"python": "3.12", "numpy": "2.1"})


def test_installed_versions_are_those_of_python_and_the_packages():
    found = installed_versions()
    assert found["numpy"] == np.__version__
    assert found.pop("python") == platform.python_version()
    assert found == {name: version(name) for name in ("qkd-qiskit", *TESTED)}


def _blas(filepath, **kind):
    return {"user_api": "blas", "internal_api": "openblas", "filepath": str(filepath), **kind}


def test_the_kernel_is_that_of_numpys_blas_and_of_no_other(monkeypatch):
    site = Path(np.__file__).resolve().parents[1]
    own = _blas(site / "numpy.libs" / "libopenblas.so", architecture="Haswell")
    other = _blas(site / "qiskit_aer.libs" / "libopenblas.so", architecture="Prescott")
    threads = {"user_api": "openmp", "internal_api": "openmp", "filepath": str(site / "numpy.libs" / "gomp")}
    monkeypatch.setattr(versions, "threadpool_info", lambda: [other, own, threads])
    assert blas_kernel() == "openblas Haswell"


def test_the_kernel_of_a_system_wide_blas_is_found_too(monkeypatch):
    monkeypatch.setattr(versions, "threadpool_info", lambda: [_blas("/usr/lib/libblas.so")])
    assert blas_kernel() == "openblas"


def test_the_tested_versions_are_those_of_the_constraints():
    pins = dict(re.findall(r"^([^=\s]+)==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    assert {name: pins[name] for name in TESTED} == TESTED


def test_nothing_is_said_of_equal_versions(two_stacks):
    assert version_remarks({}) == []
    assert version_remarks({"scipy": "1.0", "python": "3.12", "unknown": "7"}) == []


def test_versions_that_are_not_the_tested_ones_are_named(two_stacks):
    assert version_remarks({"python": "3.12", "numpy": "2.1", "scipy": "0.9"}) == [
        "Other versions than this release is tested with (in brackets): numpy 2.1 (2.0), scipy 0.9 (1.0)."
    ]


def test_versions_that_are_not_installed_any_more_are_named(two_stacks):
    assert version_remarks({"python": "3.11", "numpy": "2.0", "scipy": "1.0"}) == [
        "Other versions than are installed here (in brackets): python 3.11 (3.12), numpy 2.0 (2.1)."
    ]


@pytest.fixture(scope="module")
def experiment():
    settings = load_experiment(str(Path(__file__).parents[1] / "integration" / "tiny.toml"))
    return settings, prepare_data(settings)


def test_stages_of_other_versions_are_not_resumed(experiment, monkeypatch):
    here = run._fingerprint(*experiment, None)
    assert run._fingerprint(*experiment, None) == here
    other = installed_versions() | {"qiskit": "0.0"}
    monkeypatch.setattr(run, "installed_versions", lambda: other)
    assert run._fingerprint(*experiment, None) != here


def test_stages_of_other_samples_are_not_resumed(experiment):
    settings, data = experiment
    first, *others = data.clients
    public = replace(data.public, samples=replace(data.public.samples, labels=-data.public.samples.labels))
    changed = [
        replace(data, clients=(replace(first, inputs=first.inputs + 0.1), *others)),
        replace(data, clients=(replace(first, labels=first.labels + 1), *others)),
        replace(data, public=replace(data.public, digest="0" * 64)),
        replace(data, public=public),
        replace(data, pool_labels=data.pool_labels[::-1]),
    ]
    found = [run._fingerprint(settings, given, None) for given in (data, *changed)]
    assert len(set(found)) == len(found)

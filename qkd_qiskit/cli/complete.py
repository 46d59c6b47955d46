"""What a shell offers for a word that is begun; everything is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path


def experiments(incomplete: str) -> list[str]:
    """Return shipped experiments, and TOML files and folders of the user's."""
    from qkd_qiskit.config import shipped_experiments

    return _beginning(incomplete, shipped_experiments()) + _files(incomplete)


def shipped(incomplete: str) -> list[str]:
    """Return shipped experiments."""
    from qkd_qiskit.config import shipped_experiments

    return _beginning(incomplete, shipped_experiments())


def sweeps(incomplete: str) -> list[str]:
    """Return shipped sweeps, and TOML files and folders of the user's."""
    from qkd_qiskit.config.loading import shipped_files

    return _beginning(incomplete, shipped_files("sweeps")) + _files(incomplete)


def devices(incomplete: str) -> list[str]:
    """Return shipped devices, and TOML files and folders of the user's."""
    from qkd_qiskit.hardware import list_backends

    return _beginning(incomplete, list_backends()) + _files(incomplete)


def setting_keys(incomplete: str) -> list[str]:
    """Return keys of an experiment's settings, and the tables that hold them."""
    from qkd_qiskit.config import settings_reference

    keys = [setting.key for setting in settings_reference()]
    tables = {key.rpartition(".")[0] for key in keys} - {""}
    return _beginning(incomplete, [*keys, *sorted(tables)])


def overrides(incomplete: str) -> list[str]:
    """Return `KEY=` for keys of an experiment's settings; clients are counted from 0."""
    from qkd_qiskit.config import settings_reference

    keys = [setting.key.replace(".N.", ".0.") for setting in settings_reference()]
    return [f"{key}=" for key in _beginning(incomplete, keys)]


def partitions(incomplete: str) -> list[str]:
    """Return examples of partitions."""
    from qkd_qiskit.experiment.spread import EXAMPLES

    return _beginning(incomplete, EXAMPLES)


def _beginning(incomplete: str, words: list[str] | tuple[str, ...]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _files(incomplete: str) -> list[str]:
    """Return TOML files and folders whose path begins so; none before anything is typed."""
    if not incomplete:
        return []
    place, _, begun = incomplete.rpartition("/")
    folder = Path(place or ("/" if incomplete.startswith("/") else "."))
    if not folder.is_dir():
        return []
    head = incomplete[: len(incomplete) - len(begun)]
    return sorted(
        f"{head}{path.name}{'/' if path.is_dir() else ''}"
        for path in folder.iterdir()
        if path.name.startswith(begun) and (path.is_dir() or path.suffix == ".toml")
    )

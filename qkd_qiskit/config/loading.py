"""Settings of an experiment, read from TOML."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from qkd_qiskit.arguments import found, items, takes
from qkd_qiskit.config.base import Settings
from qkd_qiskit.config.examples import example_of, meant_key
from qkd_qiskit.config.reference import setting_keys
from qkd_qiskit.config.settings import ExperimentSettings
from qkd_qiskit.config.training_settings import ModelSettings
from qkd_qiskit.errors import ConfigError, QKDError, did_you_mean
from qkd_qiskit.faults import UNKNOWN, first_fault
from qkd_qiskit.store import guarded, parse_toml, read_json, read_toml
from qkd_qiskit.text import printable

SettingsT = TypeVar("SettingsT", bound=Settings)


def shipped_experiments() -> tuple[str, ...]:
    """Return the names of the experiments that come with the package, sorted."""
    return shipped_files("experiments")


def shipped_files(folder: str) -> tuple[str, ...]:
    """Return the names of the TOML files in a folder of the package, sorted."""
    files = (resources.files("qkd_qiskit.config") / folder).iterdir()
    return tuple(sorted(Path(f.name).stem for f in files if f.name.endswith(".toml")))


def shipped_text(folder: str, name: str) -> str:
    """Return the text of a TOML file that comes with the package.

    Args:
        folder: `experiments` or `sweeps`.
        name: One of `shipped_files(folder)`.

    Raises:
        ConfigError: If there is no such file.
    """
    shipped = shipped_files(folder)
    if name not in shipped:
        raise ConfigError(
            f"unknown {folder.removesuffix('s')} {name!r}: expected one of {', '.join(shipped)}"
            f"{did_you_mean(name, shipped)}"
        )
    return (resources.files("qkd_qiskit.config") / folder / f"{name}.toml").read_text("utf-8")


@takes(ConfigError, name_or_path=(str, Path))
def load_experiment(
    name_or_path: str | Path,
    *,
    overrides: Iterable[str] = (),
    seed: int | None = None,
    unset: Iterable[str] = (),
) -> ExperimentSettings:
    """Load the settings of a shipped experiment or of a TOML file.

    Args:
        name_or_path: Name of a shipped experiment (`quickstart`) or path of a TOML file.
        overrides: `key=value` strings; dots lead into tables, list items go by number
            (`clients.0.samples=50`); values are TOML, and plain words are taken as strings.
        seed: Replaces the seed of the file.
        unset: Keys that get their defaults again, after `overrides`.

    Raises:
        ConfigError: If the experiment is unknown, the file unreadable, or a key or value wrong.
    """
    table = read_table("experiments", str(name_or_path))
    for item in _texts("overrides", overrides):
        apply_override(table, item)
    for key in _texts("unset", unset):
        _remove(table, key)
    if seed is not None:
        table["seed"] = seed
    return parse_settings(ExperimentSettings, table, str(name_or_path))


def load_settings(kind: type[SettingsT], path: Path) -> SettingsT:
    """Return the settings of any kind from a TOML file.

    Args:
        kind: Their class.
        path: The file.

    Raises:
        ConfigError: If the file is unreadable, or a key or value wrong.
    """
    return parse_settings(kind, read_toml(path, ConfigError), str(path))


def model_settings(**values: Any) -> ModelSettings:
    """Return checked settings of a model that belongs to no experiment.

    Args:
        **values: Fields of `ModelSettings`; those left out keep their defaults.

    Raises:
        ConfigError: If a field is unknown or its value wrong.
    """
    return parse_settings(ModelSettings, values, "model")


def parse_settings(kind: type[SettingsT], table: dict[str, Any], where: str) -> SettingsT:
    """Return checked settings of any kind.

    Args:
        kind: Their class.
        table: Values by key.
        where: Where they come from, for messages.

    Raises:
        ConfigError: If a key or value is wrong.
    """
    with guarded(ConfigError, where):
        try:
            return kind.model_validate(table)
        except ValidationError as error:
            fault = first_fault(error)
            if fault.kind == UNKNOWN:
                hint = meant_key(fault.key, setting_keys(kind))
                raise ConfigError(f"{where}: unknown key {fault.key}{hint}") from None
            example = example_of(kind, fault.key)
            such = f"; for example {example}" if example else ""
            raise ConfigError(f"{where}: {fault.told('the experiment')}{such}") from None


def read_settings_json(kind: type[SettingsT], path: Path, error: type[QKDError]) -> SettingsT:
    """Return settings of any kind from a JSON file, as a run writes them.

    Args:
        kind: Their class.
        path: The file.
        error: Class of the exception when something goes wrong.

    Raises:
        QKDError: As the class `error`, if the file is unreadable, or a key or value wrong.
    """
    with guarded(error, f"cannot read {path}"):
        return parse_settings(kind, read_json(path, error), str(path))


def read_table(folder: str, name_or_path: str) -> dict[str, Any]:
    """Read a TOML file that comes with the package, or one of the user's.

    Args:
        folder: Folder of the package's files: `experiments` or `sweeps`.
        name_or_path: Name of a file there, or path of a TOML file.

    Raises:
        ConfigError: If the name is unknown, or the file unreadable.
    """
    shipped, what = shipped_files(folder), folder.removesuffix("s")
    if name_or_path in shipped:
        return parse_toml(shipped_text(folder, name_or_path), ConfigError, name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise ConfigError(
            f"unknown {what} {name_or_path!r}: expected one of {', '.join(shipped)}, "
            "or the path of a .toml file"
        )
    return read_toml(path, ConfigError, f"{what} file ")


def _texts(name: str, values: Iterable[str]) -> tuple[str, ...]:
    texts = items(ConfigError, name, values, "a sequence of texts")
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(f"{name}: expected texts, found {found(text)}")
    return texts


def apply_override(table: dict[str, Any], item: str) -> None:
    """Set one `key=value` in a nested table, and make tables on the way.

    Raises:
        ConfigError: If the key leads into a value, or past the end of a list.
    """
    key, sign, text = item.partition("=")
    if not sign or not key.strip():
        raise ConfigError(f"--set expects key=value, as in seed=3, found {printable(item, 60)!r}")
    try:
        value = parse_toml(f"v = {text}", ConfigError, "--set")["v"]
    except ConfigError:
        value = text.strip()
    *parents, last = key.strip().split(".")
    node: Any = table
    for part in parents:
        node = _step(node, part, key)
    if isinstance(node, list):
        _step(node, last, key)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"--set {key}: {parents[-1]!r} holds a value, not a table")


def _remove(table: dict[str, Any], key: str) -> None:
    """Remove a key of a nested table, so that it has its default again."""
    *parents, last = key.split(".")
    node: Any = table
    for part in parents:
        node = _step(node, part, key)
    if isinstance(node, dict):
        node.pop(last, None)


def _step(node: Any, part: str, key: str) -> Any:
    if isinstance(node, list):
        if not part.isdecimal() or int(part) >= len(node):
            raise ConfigError(f"--set {key}: expected a number below {len(node)}, found {part!r}")
        return node[int(part)]
    if isinstance(node, dict):
        return node.setdefault(part, {})
    raise ConfigError(f"--set {key}: {part!r} lies inside a value, not a table")

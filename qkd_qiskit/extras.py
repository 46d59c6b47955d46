"""What the package's extras install, and how to say that one is missing."""

from __future__ import annotations

from importlib.metadata import requires

_DISTRIBUTION = "qkd-qiskit"


def missing_extra(what: str, extra: str) -> str:
    """Return one line that says what is missing and how to get it.

    The command names the extra's own packages, so that it works however this package was installed: from a
    checkout, a wheel or an index.

    Args:
        what: What cannot be done, as the subject of "needs".
        extra: Name of an extra in `pyproject.toml`.
    """
    marker = f"extra == '{extra}'"
    parts = [line.replace('"', "'").partition(";") for line in requires(_DISTRIBUTION) or ()]
    packages = [f"'{package.strip()}'" for package, _, condition in parts if condition.endswith(marker)]
    if not packages:
        return (
            f"{what} needs the extra '{extra}', unknown to this installation: install {_DISTRIBUTION} again"
        )
    return f"{what} needs the extra '{extra}': pip install {' '.join(packages)}"

"""What all settings are: frozen, unknown keys refused; and the types that several of them share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from qkd_qiskit.encoding import registered_name
from qkd_qiskit.errors import DataError

Label = int | str

_OWN_ENCODING = re.compile(r"[A-Za-z]\w{0,39}@[0-9a-f]{20}", re.ASCII)


def _column(value: object) -> object:
    """Return the number of a column as text, which is what the reader of tables takes."""
    return str(value) if type(value) is int else value


LabelColumn = Annotated[str, BeforeValidator(_column)]
"""Label file, or the label column of a table by its heading or its number."""


def _known_encoding(name: str) -> str:
    if _OWN_ENCODING.fullmatch(name):
        # The digest stands for a circuit of a program's own; a process without it can read what was done with
        # it.
        return name
    try:
        return registered_name(name)
    except DataError as error:
        raise ValueError(str(error)) from None


EncodingName = Annotated[str, AfterValidator(_known_encoding)]
"""Name of a registered encoding, with options if it has any: `zz(reps=1)`."""


class Settings(BaseModel):
    """Base of all settings: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

"""Settings of the samples: where they come from, who holds them, how much a file may ask for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from qkd_qiskit.config.base import Label, LabelColumn, Settings
from qkd_qiskit.store import FileLimits


class AugmentSettings(Settings):
    """Seeded copies of every training image, public or private."""

    copies: int = Field(0, ge=0, description="augmented copies of each training image")
    rotation: float = Field(12.0, ge=0, le=180, description="largest rotation in degrees")
    shift: float = Field(1.5, ge=0, description="largest shift in pixels, each way")
    public_copies: int | None = Field(
        None,
        ge=0,
        description="copies of each public training image; as many as copies when omitted",
    )
    mixup: int = Field(
        0, ge=0, description="blends of two public training images for the student, a public training image"
    )


class DataSettings(Settings):
    """Which samples take part, and who holds them."""

    dataset: str = Field(
        "mnist5000",
        description="mnist5000, digits, iris, wine, breast_cancer, openml:NAME, or file with path",
    )
    path: str | None = Field(
        None, description="a file or folder of one's own; replaces dataset", examples=["data.csv"]
    )
    labels: LabelColumn | None = Field(
        None, description="label file, or the label column of a table", examples=["species"]
    )
    classes: tuple[Label, ...] | None = Field(
        None, description="classes that take part; all when omitted", examples=[[0, 1]]
    )
    missing: Literal["drop", "median"] | None = Field(
        None,
        description="rows of a table with missing values: drop leaves them out, median fills in the median "
        "of the column; refused when omitted",
        examples=["drop"],
    )
    headings: bool | None = Field(
        None,
        description="whether a table's first row holds headings; recognized when omitted",
        examples=[True],
    )
    row_numbers: Literal["drop", "keep"] | None = Field(
        None,
        description="a table's columns that number the rows: left out, or features; recognized when omitted",
        examples=["drop"],
    )
    public_train: int = Field(
        240, ge=1, description="labelled public samples for training, sent with their labels"
    )
    public_unlabelled: int = Field(0, ge=0, description="public samples whose labels nobody uses")
    public_calibration: int = Field(60, ge=0, description="labelled public samples for calibrating teachers")
    public_validation: int = Field(100, ge=1, description="labelled public samples for choosing settings")
    test: int = Field(800, ge=1, description="samples kept back until the end")
    augment: AugmentSettings = AugmentSettings()
    dirichlet: float | None = Field(None, gt=0, description="label skew for clients without explicit classes")
    partition: str | None = Field(
        None,
        max_length=40,
        examples=["noniid-labeldir"],
        description="deals the sum of the clients' samples anew, whatever their classes and numbers, as "
        "NIID-Bench does: homo, noniid-#label2 (or another number), noniid-labeldir, iid-diff-quantity",
    )
    beta: float = Field(0.5, gt=0, description="concentration of the Dirichlet distributions of partition")
    noise: float = Field(
        0.0,
        ge=0,
        description="feature skew: client i of n gets Gaussian noise of the variance noise * i / n; pixels "
        "are 0 to 1, other features count in their deviations over the public samples",
    )


def _limit(name: str, description: str) -> Any:
    default = getattr(FileLimits, name)
    return Field(None, ge=1, description=f"{description}; {default} when omitted")


class LimitSettings(Settings):
    """How much a file of samples may ask for, before it is refused."""

    file_bytes: int | None = _limit("file_bytes", "bytes of a file")
    unpacked_bytes: int | None = _limit("unpacked_bytes", "bytes that a packed file may unpack to")
    ratio: int | None = _limit("ratio", "bytes unpacked for each byte given, above 16 MiB unpacked")
    members: int | None = _limit("members", "arrays in an archive")
    values: int | None = _limit("values", "values of a table or an array")
    text_bytes: int | None = _limit("text_bytes", "bytes of a line of a table")

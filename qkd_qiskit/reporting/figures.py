"""Figures without pyplot's global state, and their way into one HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import Locator, MaxNLocator, NullLocator

from qkd_qiskit.text import printable

#: Colours that stay apart for colour-blind readers (Okabe and Ito, Color Universal Design, 2008).
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#9AA0A6", "#202124"
#: One colour a class; repeated after the tenth.
CLASS_COLOURS = (
    "#4477AA", "#EE9944", "#228833", "#CC5577", "#66CCEE",
    "#BBAA33", "#AA3377", "#888888", "#99BBDD", "#774411",
)  # fmt: skip

#: White around letters that stand on what is drawn.
HALO = withStroke(linewidth=2.5, foreground="white")

#: Most characters of a name in a picture: a longer one would leave no room for what is drawn.
_LONGEST_NAME = 32

#: Fewest and most labels of a logarithmic axis: more would touch each other in a panel of half a page.
_LABELS = 3, 6
#: What the labels of one decade may be, from few to many.
_IN_DECADE = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))

_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5f6368",
    "axes.axisbelow": True,
    "grid.color": "#e3e5e8",
    "legend.frameon": False,
    # Names and classes are no formulas, whatever signs they hold.
    "text.parse_math": False,
    # Equal figures give equal files.
    "svg.hashsalt": "qkd-qiskit",
}


@dataclass(frozen=True)
class ReportPicture:
    """One picture of the report."""

    #: Heading, a few words.
    title: str
    #: One sentence that says what the picture shows.
    caption: str
    #: The image itself as a `data:` address; None where the caption says why there is none.
    source: str | None


def shortened(name: object) -> str:
    """Return a name as a picture shows it: on one line, and not too long."""
    return printable(name, _LONGEST_NAME)


def readable_on(colour: str) -> str:
    """Return black or white, whichever stands out more from a colour `#RRGGBB` (WCAG 2.2 contrast)."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if (light + 0.05) ** 2 > 0.05 * 1.05 else "white"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure that belongs to nobody but the caller; sizes in inches."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


class _FewLabels(Locator):
    """Places three to six round numbers on a logarithmic axis, whether it spans decades or some percent."""

    def __call__(self) -> Any:
        """Return the places for what the axis shows."""
        return self.tick_values(*self.axis.get_view_interval())  # type: ignore[union-attr]

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the places between two positive numbers."""
        low, high = sorted((vmin, vmax))
        if not 0 < low < high < np.inf:
            return [low]
        decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.floor(np.log10(high)) + 1)
        for factors in _IN_DECADE:
            found = np.outer(decades, factors).ravel()
            found = found[(found >= low) & (found <= high)]
            if len(found) >= _LABELS[0]:
                return found[:: -(-len(found) // _LABELS[1])]
        within = np.asarray(MaxNLocator(_LABELS[1] - 1, steps=(1, 2, 5, 10)).tick_values(low, high))
        return within[(within >= low) & (within <= high)]


def _short_number(value: float) -> str:
    if 1e-4 <= value < 1e6:
        return f"{value:.10g}"
    return np.format_float_scientific(value, precision=9, trim="-", exp_digits=1).replace("+", "")


def log_scale(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make one axis logarithmic, with few labels that are plain numbers and do not touch.

    Powers of ten would be formulas, which a report does not set.

    Args:
        axes: The panel.
        which: The axis.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(_FewLabels())
    axis.set_major_formatter(lambda value, _: _short_number(value))
    axis.set_minor_locator(NullLocator())


@contextmanager
def report_style() -> Iterator[None]:
    """Open a context in which figures are drawn and saved in the report's style."""
    with mpl.rc_context(_STYLE):
        yield


def picture_bytes(figure: Figure, *, kind: str = "png", dpi: int) -> bytes:
    """Return the figure as the content of a file; equal figures give equal PNG files.

    Args:
        figure: The figure.
        kind: `png`, `svg` or `pdf`.
        dpi: Dots an inch.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi, metadata={"Software": None} if kind == "png" else None)
    return buffer.getvalue()


def svg_source(figure: Figure, *, tight: bool = False) -> str:
    """Return the figure as an SVG `data:` address; equal figures give equal text."""
    # An image of its own and not inline SVG: the ids of two inline drawings would clash.
    return _source(figure, "svg", "image/svg+xml", tight, metadata={"Date": None, "Creator": None})


def png_source(figure: Figure, *, dpi: int = 110, tight: bool = False) -> str:
    """Return the figure as a PNG `data:` address, for drawings with thousands of paths."""
    return _source(figure, "png", "image/png", tight, dpi=dpi, metadata={"Software": None})


def _source(figure: Figure, kind: str, mime: str, tight: bool, **options: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, bbox_inches="tight" if tight else None, **options)
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"

"""The look that all pictures share: sizes, colours, limits, ticks, units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

SINGLE, DOUBLE = 3.5, 7.2
"""Figure widths in inches: one and two journal columns."""
NARROW = 5.0
"""Inches of a page below which panels stand above each other."""
FONT = "DejaVu Sans"
HEAD = 0.25
"""Inches above a map, where the caption stands."""
SMALL = 7.0
"""The smallest text, in points."""
INK, FAINT, PALE = "#222222", "#b5b5b5", "#e6e6e6"
"""Observed data and text; lines in the background; cells without a value."""
INNER, BORDER, MODEL, SINGLED = "#56b4e9", "#e69f00", "#d55e00", "#e6007e"
"""Inner cells (and the traces of a network), border cells, what the model says, the cell that was singled out."""
DOUBTFUL = "#009e73"
"""Cells whose mask, or whose neighbour's, may be wrong."""
NETWORK = "#0072b2"
"""The physics loss of a network."""
RASTERISE_ABOVE = 3000
"""With more cells than this, PDF and SVG hold cells and points as pixels; the text stays text."""
MARGIN = 0.06
"""Share of an axis left free beyond the values, at either end."""


_WIDTH: ContextVar[float | None] = ContextVar("width", default=None)


def page_width(usual: float) -> float:
    """Inches of the page that is drawn: what was asked for, else the usual width of a kind."""
    return _WIDTH.get() or usual


@contextmanager
def journal_style(width: float | None = None) -> Iterator[None]:
    """matplotlib's own defaults and this look, whatever the user's matplotlibrc says; pages of a width in inches."""
    import matplotlib

    ours: dict[str, Any] = {
        "font.family": FONT,
        "font.size": SMALL,
        "axes.labelsize": 8.0,
        "axes.titlesize": 8.0,
        "axes.formatter.useoffset": False,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "legend.frameon": False,
        "legend.fontsize": SMALL,
        "legend.handlelength": 1.4,
        "legend.columnspacing": 1.2,
        "mathtext.default": "regular",
        "pdf.fonttype": 42,
        "svg.hashsalt": "calcigraph",
        "svg.fonttype": "none",  # text stays text, which can be searched, edited and read aloud
    }
    base: dict[Any, Any] = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
    asked = _WIDTH.set(width)
    try:
        with matplotlib.rc_context(base | ours):
            yield
    finally:
        _WIDTH.reset(asked)


def new_figure(width: float, height: float) -> Figure:
    """A figure of that many inches with its own Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def caption(figure: Figure, left: float, end: float, who: str, what: str) -> None:
    """Say at the figure's top what it shows.

    Parameters
    ----------
    left, end
        Inches from the figure's left edge, between which the text stands. A long text starts further left.
    who, what
        The culture, which is cut if both do not fit, and what is shown of it.
    """
    across, up = figure.get_size_inches()
    text = fit_text(who, what, end - 0.1)
    start = min(left, max(0.1, end - text_width(text)))
    figure.text(start / across, 1 - (HEAD - 4 / 72) / up, text, size=SMALL)


def fit_text(who: str, what: str, room: float) -> str:
    """Join who and what by a comma; who is cut so that both take at most `room` inches."""
    drawn = _drawable(" ".join(who.split()))
    for length in range(len(drawn), 0, -1):
        head = drawn if length == len(drawn) else drawn[:length].rstrip() + "…"
        text = ", ".join((head.replace("$", r"\$"), what))
        if text_width(text) <= room:
            return text
    return what


def text_width(text: str) -> float:
    """Inches of a line of the smallest text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, size=SMALL, prop=FontProperties(family=FONT))
    # Drawn text is hinted: up to a twentieth wider.
    return 1.05 * float(path.get_extents().x1) / 72 if len(path.vertices) else 0.0


def _drawable(text: str) -> str:
    """The text with a question mark for each letter that the font lacks: names may be in any script."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont(FONT)).get_charmap()
    return "".join(letter if ord(letter) in known else "?" for letter in text)


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the figure's lower left corner."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


@dataclass(frozen=True)
class Scaled:
    """Values in a unit that keeps tick labels short."""

    values: FloatArray
    """The numbers to draw: the original values times `factor`."""
    label: str
    """Name and unit, with the power of ten."""
    factor: float


def scaled(values: FloatArray, name: str, unit: str) -> Scaled:
    """Move a power of ten from the numbers into the label, as in "feed (10⁻⁴ s⁻¹)", if the numbers need one.

    >>> scaled(np.array([2e-4, -5e-5]), "feed", "s$^{-1}$").label
    'feed ($10^{-4}$ s$^{-1}$)'
    """
    finite = np.abs(values[np.isfinite(values)])
    top = float(finite.max()) if len(finite) else 0.0
    exponent = int(np.floor(np.log10(top))) if top > 0 else 0
    if -2 < exponent < 4:
        return Scaled(values, f"{name} ({unit})" if unit else name, 1.0)
    power = f"$10^{{{exponent}}}$"
    return Scaled(
        values * 10.0**-exponent, f"{name} ({power} {unit})" if unit else f"{name} ({power})", 10.0**-exponent
    )


def limits(values: FloatArray, low: float = 0.0, high: float = 100.0) -> tuple[float, float]:
    """Two percentiles of the finite values, set apart if they are nearly equal; (0, 1) without finite values.

    >>> limits(np.array([1.0, 3.0, np.nan]))
    (1.0, 3.0)
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return 0.0, 1.0
    bottom, top = (float(value) for value in np.percentile(finite, [low, high]))
    # Axes and colours need some range: 5 % to either side, or 0.5 about 0.
    if top - bottom <= 1e-3 * max(abs(top), abs(bottom)):
        middle = (bottom + top) / 2
        half = 0.05 * abs(middle) or 0.5
        return middle - half, middle + half
    return bottom, top


def wants_log(values: FloatArray) -> bool:
    """Whether all values are positive and cover more than a factor of ten."""
    finite = values[np.isfinite(values)]
    return len(finite) > 1 and float(finite.min()) > 0 and float(finite.max()) > 10 * float(finite.min())


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between the limits of a logarithmic axis, at most `most` of them.

    >>> [plain(tick) for tick in log_ticks(0.009, 1.1)]
    ['0.01', '0.03', '0.1', '0.3', '1']
    """
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    # From fine to coarse: the first set that is small enough.
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) <= most:
            return ticks
    every = -(-len(ticks) // most)  # rounded up
    return ticks[::every]


def plain(value: float) -> str:
    """The text of a tick.

    >>> plain(0.02), plain(2e-5)
    ('0.02', '$2×10^{-5}$')
    """
    if value and not 1e-3 <= abs(value) < 1e4:
        exponent = int(np.floor(np.log10(abs(value)) + 1e-9))
        factor = round(value / 10.0**exponent, 6)
        return f"$10^{{{exponent}}}$" if factor == 1 else f"${factor:g}×10^{{{exponent}}}$"
    return f"{value:g}"


def scientific(value: float) -> str:
    """Two digits and a power of ten, so that numbers side by side look alike; 0 stays 0.

    >>> scientific(0.00031)
    '$3.1×10^{-4}$'
    """
    factor, exponent = f"{value:.1e}".split("e")
    return f"${float(factor):g}×10^{{{int(exponent)}}}$" if value else "0"


def between(value: float, interval: tuple[float, float] | None) -> str:
    """A value with its interval, both with the digits that the width of the interval justifies.

    >>> between(2.00234, (1.9812, 2.0221))
    '2.002 (1.981 to 2.022)'
    """
    if interval is None or not interval[1] > interval[0]:
        return f"{value:.3g}".replace("-", "−")
    half_width = (interval[1] - interval[0]) / 2
    # Decimals that show the half-width with two digits.
    digits = int(np.clip(1 - np.floor(np.log10(half_width)), 0, 6))
    middle, low, high = (f"{number:.{digits}f}".replace("-", "−") for number in (value, *interval))
    return f"{middle} ({low} to {high})"


def named_cells(cells: Sequence[int], most: int = 6) -> str:
    """How a legend names cells.

    >>> named_cells((3,)), named_cells((3, 7)), named_cells(range(9))
    ('cell 3', 'cells 3, 7', '9 cells')
    """
    if len(cells) > most:
        return f"{len(cells)} cells"
    return f"cell{'s' if len(cells) > 1 else ''} {', '.join(str(cell) for cell in cells)}"


def symbol(name: str) -> str:
    """How the coupling is written: each cell's own, "k_cell", or that of the fit."""
    return "$k_{cell}$" if name == "k_cell" else "$k$"


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Make x logarithmic, with a few round ticks."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = log_ticks(low, high, 4)
    axes.set_xticks(ticks, [plain(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def bin_edges(values: FloatArray) -> tuple[FloatArray, bool]:
    """The edges of an odd number of bins that cover all values, and whether the bins are logarithmic."""
    bins = int(np.clip(np.sqrt(np.isfinite(values).sum()), 6, 40)) | 1
    low, high = limits(values)
    if wants_log(values):
        return np.geomspace(low, high, bins + 1), True
    return np.linspace(low, high, bins + 1), False


def finish_histogram(axes: Axes, edges: FloatArray, log: bool, label: str) -> None:
    """Limits, a few ticks and the names of a histogram's axes."""
    from matplotlib.ticker import MaxNLocator

    finish_x(axes, edges, log, label)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("cells")


def finish_x(axes: Axes, edges: FloatArray, log: bool, label: str) -> None:
    """Limits, a few ticks and the name of an x axis that covers these bins."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(edges[0]), float(edges[-1])
    if log:
        # 3 % of the axis' length free at either end.
        log_axis(axes, low * (low / high) ** 0.03, high * (high / low) ** 0.03)
    else:
        margin = 0.03 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(label)


def paint(values: FloatArray, signed: bool = False, cmap: str = "viridis") -> tuple[str, Normalize]:
    """The colour map and its norm for a fitted value.

    Where a signed value takes both signs, the colours diverge about 0. Other values have a logarithmic scale if they
    cover more than a factor of ten. The limits are the 2nd and 98th percentile: with the extremes as limits, a few
    outliers would leave nearly one colour for all other cells.
    """
    from matplotlib.colors import LogNorm, Normalize

    low, high = limits(values, 2, 98)
    if signed and np.nanmin(values) < 0 < np.nanmax(values):
        reach = max(abs(low), abs(high))
        return "RdBu_r", Normalize(-reach, reach)
    if not signed and low > 0 and wants_log(np.array([low, high])):
        return cmap, LogNorm(low, high)
    return cmap, Normalize(low, high)


def padded(low: float, high: float) -> tuple[float, float]:
    """Limits with a margin at either end, for a linear axis."""
    return low - MARGIN * (high - low), high + MARGIN * (high - low)


def legend_above(axes: Axes, columns: int, handle: float, gap: float) -> None:
    """A legend in one line above the left end of a panel; lengths in units of the font size."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
        borderaxespad=0.1,
        borderpad=0.1,
        columnspacing=0.8,
        handlelength=handle,
        handletextpad=gap,
    )


def letters(axes: Sequence[Axes]) -> None:
    """A bold a, b, c ... at the upper left of each panel."""
    for letter, panel in zip("abcdefgh", axes, strict=False):
        panel.annotate(
            letter,
            (0, 1),
            xycoords="axes fraction",
            xytext=(-4, 6),
            textcoords="offset points",
            ha="right",
            weight="bold",
            size=9,
        )

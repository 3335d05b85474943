"""Plots as SVG inside a page: the same bytes for the same numbers, text as text, no name read as markup or formula."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipeline.model.metrics import Unit
from pipeline.operators.alerts.wording import amount, named
from pipeline.operators.report.content import Line, Plot

INCHES: Final = (4.6, 1.9)
"""As wide as a plot is on a screen; on paper, where two stand beside each other, its letters have 6 points."""
COLOURS: Final = ("#2563a8", "#c2571a", "#3a8a4d", "#8a4b9c", "#7a6a2f", "#4a5568")
"""Dark enough on white, and told apart by those who see few colours; lines differ by their strokes too."""
STROKES: Final = ("-", "--", ":", "-.")

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tailrace",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e5e5e5",
    "lines.linewidth": 1.4,
}


def svg(plot: Plot, from_s: int, to_s: int) -> str:
    """The plot over the whole range, so that a gap at its ends is seen."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=INCHES, layout="constrained")
        axes = figure.add_subplot()
        for number, (name, line) in enumerate(plot.lines.items()):
            _draw(axes, named(name), line, COLOURS[number % len(COLOURS)], STROKES[number % len(STROKES)])
        axes.set_xlim(_moments([from_s, to_s]))  # type: ignore[arg-type]
        axes.set_ylim(0, axes.get_ylim()[1] * (1.2 if len(plot.lines) > 1 else 1.05))
        locator = AutoDateLocator(minticks=3, maxticks=6, tz=UTC)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(_of(plot.unit)))
        if len(plot.lines) > 1:
            axes.legend(loc="upper left", ncols=min(3, len(plot.lines)), frameon=False, fontsize=7)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), count=1, flags=re.DOTALL)


def _draw(axes: Any, name: str, line: Line, colour: str, stroke: str) -> None:
    at = _moments(line.at_s)
    values = _floats(line.values)
    alone = np.isfinite(values) & ~np.isfinite(np.roll(values, 1)) & ~np.isfinite(np.roll(values, -1))
    axes.plot(at, values, stroke, color=colour, label=name, marker="o" if len(at) < 40 or alone.any() else "", markersize=2.5)
    if line.low:
        axes.fill_between(at, _floats(line.low), _floats(line.high), color=colour, alpha=0.15, linewidth=0)


def _moments(at_s: Any) -> list[datetime]:
    return [datetime.fromtimestamp(s, UTC) for s in at_s]


def _floats(values: Any) -> Any:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _of(unit: str) -> Callable[[float, int], str]:
    """How the axis says its numbers."""
    return lambda value, _: amount(value, unit) if unit in set(Unit) else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"

"""Loss and metrics over the epochs of a run, as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit import registry
from layerkit.errors import DataError, LayerkitError
from layerkit.model import Model
from layerkit.ops import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png")
STRETCHES = 250
"""A run of more than twice as many epochs is drawn as this many stretches of epochs at most."""
LARGEST = 1e150
"""Where axes end: matplotlib's own sums overflow on a diverging run's last losses."""
VALIDATION = "validation_"

_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "layerkit",
    "svg.fonttype": "none",  # text stays text: smaller, and found by a search
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}
# told apart without colour too: one lighter and whole, the other darker and dashed
_TRAINING = {"color": "#4a9bd4", "linewidth": 1.4}
_VALIDATION = {"color": "#8c1c13", "linewidth": 1.4, "linestyle": (0, (4, 1.5))}


def check_suffix(path: Path) -> None:
    """Raise DataError unless a picture can be written to a file of this suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"a picture is written to {' or '.join(SUFFIXES)}", str(path))


def picture(model: Model, path: Path) -> bytes:
    """The content of a picture file of this suffix: the loss above, each metric below, epochs along the bottom.

    A long run is drawn in stretches of epochs: a line through the median of each, in a band from its lowest figure to
    its highest, so that noise hides no trend and no peak is lost. A figure that an epoch lacks, or that is beyond
    LARGEST, is left out; the legend then says how many epochs a curve has. The same history gives the same bytes,
    whatever the user's own settings of matplotlib. Raises DataError for the suffix, LayerkitError where no epoch is
    finished or matplotlib can't be imported.
    """
    check_suffix(path)
    history = {name: np.where(np.abs(y) <= LARGEST, y, np.nan) for name, y in model.history.items()}
    if not any(len(y) for y in history.values()):
        source = str(model.path) if model.path else ""
        raise LayerkitError("no epoch is finished yet, so there is nothing to draw: `layerkit train` first", source)
    try:
        from matplotlib import style
    except ImportError as error:
        message = f'drawing needs matplotlib, which can\'t be imported ({error}): `pip install "layerkit[plot]"`'
        raise LayerkitError(message) from None
    title = _line(model.document.name or (model.path.stem if model.path else "model"))
    loss = model.document.loss
    named = {"loss": f"loss ({registry.name_of(type(loss))})"} if loss else {}
    content = io.BytesIO()
    with style.context(_SETTINGS, after_reset=True):
        figure = _figure(history, title, named)
        if path.suffix.lower() == ".svg":
            figure.savefig(content, format="svg", metadata={"Title": title, "Date": None})
        else:
            figure.savefig(content, format="png", dpi=150)
    return content.getvalue()


def _figure(history: Mapping[str, Array], title: str, named: Mapping[str, str]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figures = dict.fromkeys(name.removeprefix(VALIDATION) for name in history if name != "step")
    panels = sorted(figures, key=lambda name: name != "loss")  # the loss first, the others as they came
    heights = [2.6] + [1.6] * (len(panels) - 1)
    figure = Figure(figsize=(7.0, 0.9 + sum(heights)), layout="constrained")
    figure.suptitle(title if len(title) <= 70 else title[:69] + "…", fontsize=11, weight="bold", parse_math=False)
    stack = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    x, x_label = _along(history)
    explained = set[str]()
    for name, height, axes in zip(panels, heights, stack):
        for prefix, label, style in (("", "training", _TRAINING), (VALIDATION, "validation", _VALIDATION)):
            if prefix + name in history:
                _draw_curve(axes, x, history[prefix + name], label, style)
        if name == "loss" and _log_helps(*(history[each] for each in (name, VALIDATION + name) if each in history)):
            axes.set_yscale("log")
        axes.set_ylabel(fill(_line(named.get(name, name)), int(13 * height)), parse_math=False)
        explained = _explain(axes, explained)
    bottom = stack[-1]
    bottom.set_xlim(-0.01 * x[-1], 1.02 * x[-1])  # from nothing, and clear of the frame
    bottom.set_xlabel(x_label)
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    figure.align_ylabels()
    return figure


def _along(history: Mapping[str, Array]) -> tuple[Array, str]:
    """Where each epoch stands, and what that counts: epochs, or steps where the epochs are not of one length."""
    step = history["step"]
    sizes = set(np.diff(step, prepend=0.0).tolist())
    x, label = step, "step"
    if len(sizes) == 1:
        size = int(sizes.pop())
        x, label = np.arange(1, len(step) + 1), f"epoch (of {size:,} step{'' if size == 1 else 's'})"
    length = _stretch(len(step))
    return x, label if length == 1 else f"{label}; line: median, band: range of every {length:,} epochs"


def _draw_curve(axes: Axes, x: Array, y: Array, label: str, style: Mapping[str, Any]) -> None:
    there = np.isfinite(y)
    if not there.all():
        label += f" ({np.count_nonzero(there):,} of {len(y):,} epochs)"
    x, low, median, high = in_stretches(x, y)
    # a curve of one point has no line
    axes.plot(x, median, label=label, marker="o" if len(x) == 1 else None, markersize=4, **style)
    if np.any(low < high):
        axes.fill_between(x, low, high, color=style["color"], alpha=0.25, linewidth=0.6)


def in_stretches(x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    """Where each stretch of a curve stands, and the lowest, the median and the highest of its finite values.

    A stretch without one is left out. A short curve's stretches are its points.
    """
    length = _stretch(len(y))
    rows = []
    for first in range(0, len(y), length):
        values = y[first : first + length]
        values = values[np.isfinite(values)]
        if len(values):
            rows.append((np.mean(x[first : first + length]), np.min(values), np.median(values), np.max(values)))
    middles, low, median, high = np.reshape(rows, (-1, 4)).T
    return middles, low, median, high


def _stretch(epochs: int) -> int:
    """How many epochs are drawn as one."""
    return 1 if epochs <= 2 * STRETCHES else -(-epochs // STRETCHES)


def _log_helps(*curves: Array) -> bool:
    """Whether the largest is more than ten times the smallest positive value, and none is negative."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    positive = values[values > 0.0]
    return len(positive) > 0 and bool(np.all(values >= 0.0)) and bool(np.max(positive) / 10.0 > np.min(positive))


def _explain(axes: Axes, explained: set[str]) -> set[str]:
    """A legend above the axes, clear of the curves, unless the axes above have one that says the same."""
    handles, labels = axes.get_legend_handles_labels()
    if not explained.issuperset(labels):
        axes.legend(handles, labels, ncols=len(labels), loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return explained.union(labels)


def _line(text: str) -> str:
    """The text on one line, without the characters that XML forbids."""
    return "".join(character if character.isprintable() else " " for character in text)

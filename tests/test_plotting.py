"""Pictures: what is drawn of a history, that it stays small, and that the same history gives the same bytes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
import pytest

import layerkit
from layerkit.errors import DataError, LayerkitError
from layerkit.model import Model
from layerkit.ops import Array
from layerkit.plotting import STRETCHES, in_stretches, picture
from layerkit.storage import Saved

SVG, PNG = Path("picture.svg"), Path("picture.png")


def trained(history: dict[str, Any], **fields: Any) -> Model:
    """A model with such a history, `step` counted in epochs of 8 steps unless it is given."""
    model = Model(**{"input": [2], "layers": [{"type": "dense", "units": 1}], "loss": "mean_squared_error", **fields})
    arrays = {name: np.asarray(figures, dtype=np.float64) for name, figures in history.items()}
    epochs = max(map(len, arrays.values()))
    arrays = {"step": 8.0 * np.arange(1, epochs + 1)} | arrays
    model.go_on_from(Saved(model.document, model.parameters, history=arrays, epoch=epochs), model.document)
    return model


def curve(epochs: int, start: float = 1.0) -> Array:
    return start / np.arange(1, epochs + 1)


@pytest.fixture
def drawn() -> Callable[..., str]:
    """Draw a history, and give the SVG's text."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")

    def svg(history: dict[str, Any], **fields: Any) -> str:
        text = picture(trained(history, **fields), SVG).decode()
        ElementTree.fromstring(text)
        return text

    return svg


def texts(svg: str) -> list[str]:
    """What the SVG says, its spans joined."""
    found = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    return ["".join(re.sub(r"<[^>]*>", "", text).split("\n")).strip() for text in found]


def log_axis(svg: str) -> bool:
    """Whether a tick is labelled with a power of ten."""
    return "10^{" in svg


def test_a_picture_has_the_name_the_figures_and_their_units(drawn: Callable[..., str]) -> None:
    history = {
        "loss": curve(9),
        "validation_loss": curve(9),
        "validation_r2": curve(9),
        "validation_accuracy": curve(9),
    }
    said = texts(drawn(history, name="houses"))
    for due in ("houses", "loss (mean_squared_error)", "r2", "accuracy", "epoch (of 8 steps)"):
        assert said.count(due) == 1, due
    # the metrics' curves look like the loss's, so one legend explains all
    assert (said.count("training"), said.count("validation")) == (1, 1)


def test_epochs_of_several_lengths_are_laid_out_by_their_steps(drawn: Callable[..., str]) -> None:
    said = texts(drawn({"step": [8, 16, 20], "loss": curve(3)}))
    assert "step" in said
    assert not any("epoch" in text for text in said)


@pytest.mark.parametrize(
    ("training", "validation", "due"),
    [
        ([1.0, 0.5], [1.0, 0.11], False),
        ([1.0, 0.5], [1.0, 0.09], True),
        ([1.0, 0.5, 0.0], [1.0, 0.5, 0.5], False),
        ([100.0, 0.5, 0.0], [1.0, 0.5, 0.5], True),
        ([1.0, 0.01], [np.nan, np.inf], True),
        ([0.0, 0.0], [0.0, 0.0], False),
        ([100.0, 1.0], [50.0, -1.0], False),
        ([1e100, 1e-300], [1.0, 1.0], True),
        ([1.0, 2.0], [-1.7e308, 1.7e308], False),
    ],
)
def test_the_loss_has_a_log_axis_where_it_spans_more_than_ten_times(
    training: list[float], validation: list[float], due: bool, drawn: Callable[..., str]
) -> None:
    assert log_axis(drawn({"loss": training, "validation_loss": validation})) is due


def test_a_metric_has_no_log_axis(drawn: Callable[..., str]) -> None:
    assert not log_axis(drawn({"loss": [1.0, 0.9], "validation_mean_absolute_error": [500.0, 0.1]}))


def test_the_legend_says_how_many_epochs_have_a_figure(drawn: Callable[..., str]) -> None:
    said = texts(drawn({"loss": curve(4), "validation_loss": [np.nan, 0.5, np.inf, 0.4], "validation_r2": [1e300] * 4}))
    assert {"training", "validation (2 of 4 epochs)", "validation (0 of 4 epochs)"} <= set(said)


@pytest.mark.parametrize("epochs", [1, 2])
def test_few_epochs_are_drawn_too(epochs: int, drawn: Callable[..., str]) -> None:
    said = texts(drawn({"loss": curve(epochs)}))
    assert [text for text in said if text.isdigit()] == [str(n) for n in range(epochs + 1)]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", ["$x_2$ \\frac{", "a < b & c -->", "two\nlines\x00\x1b\ufffe", "重み", "w" * 5000])
def test_any_name_makes_a_whole_picture(name: str, drawn: Callable[..., str]) -> None:
    svg = drawn({"loss": curve(3)}, name=name)
    if name.isprintable() and len(name) < 70:
        assert escape(name) in texts(svg)
    assert picture(trained({"loss": curve(3)}, name="$\\frac{"), PNG).startswith(b"\x89PNG")


def test_a_long_history_says_that_it_is_drawn_in_stretches_and_stays_small_and_quick(
    drawn: Callable[..., str],
) -> None:
    noise = np.random.default_rng(0).normal(size=(4, 100_000))
    names = ("loss", "validation_loss", "validation_r2", "validation_accuracy")
    began = perf_counter()
    svg = drawn(dict(zip(names, np.exp(noise))))
    assert "epoch (of 8 steps); line: median, band: range of every 400 epochs" in texts(svg)
    assert len(svg) < 200_000
    assert perf_counter() - began < 20.0


def test_stretches_keep_the_highest_the_lowest_and_the_median() -> None:
    y = np.random.default_rng(0).normal(size=10_000)
    y[1234], y[8765] = 100.0, -100.0
    x, low, median, high = in_stretches(np.arange(10_000), y)
    blocks = y.reshape(STRETCHES, -1)
    np.testing.assert_array_equal(low, blocks.min(axis=1))
    np.testing.assert_array_equal(median, np.median(blocks, axis=1))
    np.testing.assert_array_equal(high, blocks.max(axis=1))
    np.testing.assert_array_equal(x, np.arange(10_000).reshape(STRETCHES, -1).mean(axis=1))
    assert (high.max(), low.min()) == (100.0, -100.0)


@pytest.mark.parametrize("epochs", [2 * STRETCHES + 1, 12_345])
def test_stretches_cover_every_epoch_and_pass_over_what_is_not_finite(epochs: int) -> None:
    y = np.full(epochs, np.nan)
    y[-1], y[::7] = 5.0, 1.0
    x, low, _, high = in_stretches(np.arange(epochs), y)
    assert len(x) <= STRETCHES
    assert np.all(np.isfinite([x, low, high]))
    assert high.max() == 5.0


def test_a_short_history_is_drawn_point_by_point() -> None:
    x, y = np.arange(2 * STRETCHES), curve(2 * STRETCHES)
    for found, due in zip(in_stretches(x, y), (x, y, y, y), strict=True):
        np.testing.assert_array_equal(found, due)


@pytest.mark.parametrize("path", [SVG, PNG])
def test_the_same_history_gives_the_same_bytes_whatever_the_users_settings(path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    history = {"loss": curve(1000), "validation_loss": curve(1000, 2.0)}
    first = picture(trained(history), path)
    with matplotlib.rc_context({"lines.linewidth": 9.0, "figure.facecolor": "red", "svg.hashsalt": "mine"}):
        assert picture(trained(history), path) == first
        assert matplotlib.rcParams["lines.linewidth"] == 9.0
    assert b"<dc:date>" not in first


def test_drawing_needs_no_display_and_leaves_pyplot_alone(models: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    code = (
        "import sys, layerkit\nfrom pathlib import Path\nfrom layerkit.plotting import picture\n"
        f"model = layerkit.load({str(models / 'activity.json')!r})\nmodel.train()\n"
        "assert 'matplotlib' not in sys.modules\n"
        "picture(model, Path('x.png'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_history_is_told(models: Path) -> None:
    with pytest.raises(LayerkitError, match=r"no epoch is finished yet.*`layerkit train` first"):
        picture(layerkit.load(models / "activity.json"), SVG)


@pytest.mark.parametrize("name", ["x.pdf", "x", "svg"])
def test_an_unknown_suffix_names_the_known_ones(name: str) -> None:
    with pytest.raises(DataError, match=r"\.svg or \.png"):
        picture(trained({"loss": curve(3)}), Path(name))


def test_a_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(LayerkitError, match=re.escape('`pip install "layerkit[plot]"`')):
        picture(trained({"loss": curve(3)}), SVG)

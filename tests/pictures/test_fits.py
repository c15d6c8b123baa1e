"""Error, parameters and training: marks, intervals, and what the fit found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calcigraph.errors import InputError, NotFoundError
from calcigraph.models.own_sources import noise_of
from calcigraph.pictures.data import PictureData, Sourced
from calcigraph.pictures.misfits import misfit
from calcigraph.pictures.render import draw
from calcigraph.store.types import FloatArray

Lines = Callable[[Axes], dict[str, FloatArray]]
Spans = Callable[[Axes], list[tuple[float, float, float, float]]]


def off_by(data: PictureData, times: FloatArray) -> PictureData:
    """The same culture whose runs are off by so many times the noise of each cell, (n,); NaN: not fitted."""
    noise = noise_of(data.subgraph.intensity)
    labels = data.subgraph.labels.tolist()
    runs = {
        label: data.subgraph.intensity[row] + times[row] * noise[row] * (-1.0) ** np.arange(91)
        for row, label in enumerate(labels)
        if np.isfinite(times[row])
    }
    return replace(data, traces=runs)


def test_errors_are_in_units_of_noise_and_their_words_follow_from_what_is_drawn(
    culture: PictureData, figure_of: Callable[..., Figure], texts: Callable[[Figure], set[str]]
) -> None:
    times = np.where(culture.subgraph.border, np.nan, np.linspace(0.5, 6.0, 40))
    data = off_by(culture, times)
    np.testing.assert_allclose(misfit(data), times)
    figure = figure_of("error", data)
    for name, low, high in (("good", 0, 2), ("fair", 2, 4), ("poor", 4, 9)):
        count = int(((times >= low) & (times < high)).sum())
        assert any(text.startswith(f"{name} ({count}): ") for text in texts(figure))
        if name != "good":
            spots = [each.get_offsets() for each in figure.axes[0].collections if len(each.get_offsets()) == count]
            drawn = {tuple(np.asarray(spot)) for group in spots for spot in group}
            rows = np.flatnonzero((times >= low) & (times < high))
            assert {(culture.subgraph.x_px[row], culture.subgraph.y_px[row]) for row in rows} <= drawn
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[2].patches if bar.get_height()]
    assert not [each for each in bars for limit in (2, 4) if each[0] < 0.999 * limit < 1.001 * limit < each[1]]


def test_errors_that_are_all_small_have_one_colour(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    times = np.where(culture.subgraph.border, np.nan, np.linspace(0.6, 0.7, 40))
    figure = figure_of("error", off_by(culture, times))
    (cells,) = (each for each in figure.axes[0].collections if each.get_array() is not None)
    assert cells.norm(0.7) - cells.norm(0.6) < 0.1


def test_the_error_is_that_of_the_run_with_sources_where_there_is_one(culture: PictureData) -> None:
    data = off_by(culture, np.where(culture.subgraph.border, np.nan, 5.0))
    nothing = np.zeros(90)
    sourced = {
        label: Sourced(run=culture.subgraph.intensity[culture.row(label)], inflow=nothing, own=nothing)
        for label in data.traces
    }
    assert np.nanmax(misfit(replace(data, sourced=sourced))) == 0
    assert np.nanmin(misfit(data)) == pytest.approx(5)


def test_runs_that_are_nowhere_finite_are_refused(tmp_path: Path, culture: PictureData) -> None:
    lost = replace(culture, traces={label: np.full(91, np.nan) for label in culture.traces})
    with pytest.raises(NotFoundError, match="no cell with a crlsm trace"):
        draw("error", lost, tmp_path / "a.png")


def test_cells_at_a_bound_are_marked_and_a_median_on_the_cultures_value_is_not_drawn_twice(
    culture: PictureData,
    figure_of: Callable[..., Figure],
    sorts: dict[str, PictureData],
    texts: Callable[[Figure], set[str]],
) -> None:
    data = sorts["at bounds"]
    count = int((culture.values("feed") < 0).sum())
    assert 0 < count == int(data.at_bound("feed").sum())
    assert not data.at_bound("k_cell").any()
    said = texts(figure_of("parameters", data))
    assert {f"at bound ({count})", "culture and median", "median"} <= said
    assert not any("at bound" in text for text in texts(figure_of("parameters", culture)))


def test_parameters_show_intervals_and_the_cells_whose_coupling_the_data_do_not_tell(
    culture: PictureData,
    figure_of: Callable[..., Figure],
    spans: Spans,
    texts: Callable[[Figure], set[str]],
    trained: Callable[..., PictureData],
) -> None:
    data = trained(culture)
    figure = figure_of("parameters", data)
    coupling_map, feed, coupling = figure.axes[1:4]
    assert {"weak (2)", "not identified (1)", "95 %"} <= texts(figure)
    assert pytest.approx(spans(coupling)[-1][:2]) == (1.05, 1.14)
    assert pytest.approx(spans(feed)[-1][:2]) == (-0.1, 0.5)
    doubtful = [row for row, word in enumerate(data.identified()) if word in ("weak", "not identified")]
    spots = [scatter_.get_offsets() for scatter_ in coupling_map.collections if scatter_.get_label() != ""]
    marked = {tuple(spot) for spot in np.concatenate([np.asarray(one) for one in spots if len(one) in (1, 2)])}
    assert marked >= {(data.subgraph.x_px[row], data.subgraph.y_px[row]) for row in doubtful}
    assert not {text for text in texts(figure_of("parameters", culture)) if "weak" in text or "95 %" in text}


def test_a_training_is_drawn_with_what_the_fit_found(
    culture: PictureData,
    figure_of: Callable[..., Figure],
    lines: Lines,
    spans: Spans,
    texts: Callable[[Figure], set[str]],
    trained: Callable[..., PictureData],
) -> None:
    data = trained(culture, networks=4)
    losses, coupling, feed = figure_of("training", data).axes
    (block,) = data.training
    np.testing.assert_array_equal(lines(losses)["data"], block.data_loss)
    np.testing.assert_array_equal(lines(losses)["physics"], block.physics_loss)
    assert losses.get_yscale() == coupling.get_yscale() == "log"
    assert spans(losses)[0][1] == block.epoch[40]
    paths = [np.asarray(line.get_ydata()) for line in coupling.lines if len(np.asarray(line.get_ydata())) == 160]
    np.testing.assert_allclose(np.sort(paths, axis=0), np.sort(block.k * 100, axis=0))
    np.testing.assert_allclose(lines(coupling)["network 1"], block.k[0] * 100)
    np.testing.assert_allclose(lines(coupling)["fit, 95 %"], 1.1)
    assert pytest.approx(spans(coupling)[0][2:]) == (1.05, 1.14)
    np.testing.assert_allclose(lines(feed)["network 1"], block.feed * 1e4)
    assert {"2 to 4", "1.100 (1.050 to 1.140)", "0.20 (−0.10 to 0.50)"} <= texts(coupling.get_figure(root=True))


def test_a_training_without_feed_or_interval_draws_what_there_is(
    figure_of: Callable[..., Figure],
    sorts: dict[str, PictureData],
    spans: Spans,
    texts: Callable[[Figure], set[str]],
) -> None:
    data = sorts["trained once"]
    still = replace(data.training[0], feed=np.zeros(160), data_loss=np.linspace(1, 0, 160))
    figure = figure_of("training", replace(data, training=(still,)))
    losses, coupling = figure.axes
    assert "network held" not in texts(figure)
    assert {"fit", "1.1"} <= texts(figure)
    assert not spans(losses) + spans(coupling)


def test_only_a_model_that_trains_has_a_training(
    tmp_path: Path, culture: PictureData, trained: Callable[..., PictureData]
) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(NotFoundError, match="only model pinn trains; fit dish with --model pinn"):
        draw("training", replace(culture, model="robust"), path)
    with pytest.raises(NotFoundError, match="no pinn fit, which training draws; run: calcigraph fit dish --model pinn"):
        draw("training", replace(culture, model="pinn"), path)
    with pytest.raises(NotFoundError, match="keeps no training; run again: calcigraph fit dish --model pinn"):
        draw("training", replace(trained(culture), training=()), path)
    with pytest.raises(InputError, match="leave out the cell"):
        draw("training", trained(culture), path, cell=9)
    assert not path.exists()

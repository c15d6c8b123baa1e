"""A film has every frame with its colours and its time, whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import Normalize

from calcigraph.errors import InputError, MissingExtraError, NotFoundError, WorkspaceError
from calcigraph.pictures import film, style
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.film import write_film
from calcigraph.pictures.render import draw
from calcigraph.store.folder import MovieFolder
from calcigraph.store.types import FloatArray

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def short(culture: PictureData) -> PictureData:
    """The culture's first eight frames, of which all but the last are even brighter from frame to frame."""
    intensity = np.linspace(0.2, 0.9, 40)[:, None] * np.linspace(0.3, 1.0, 8)
    graph = replace(culture.subgraph, intensity=intensity)
    return replace(culture, subgraph=graph, traces={}, network={}, sourced={})


def decoded(path: Path) -> tuple[Any, list[FloatArray]]:
    """The stream, and its frames as (Y, X, 3), 0 to 1."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        return stream, [frame.to_ndarray(format="rgb24") / 255 for frame in container.decode(video=0)]


def places(data: PictureData, dpi: int) -> FloatArray:
    """(n, 2), row and column of each cell's centre on the page."""
    with style.journal_style():
        page = film._filmed(data, None, ())
        page.figure.set_dpi(dpi)
        page.figure.canvas.draw()
        spots = np.column_stack([data.subgraph.x_px, data.subgraph.y_px])
        at = page.figure.axes[0].transData.transform(spots)
    return np.column_stack([page.figure.bbox.height - at[:, 1], at[:, 0]]).astype(int)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_every_frame_has_its_cells_in_their_colours(
    tmp_path: Path, codec: str, short: PictureData, monkeypatch: pytest.MonkeyPatch
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    monkeypatch.setattr(film, "CODECS", [each for each in film.CODECS if each[0] == codec])
    told: list[tuple[str, int, int]] = []
    path = write_film(short, tmp_path / "a.mp4", fps=12, dpi=151, progress=lambda *each: told.append(each))
    stream, frames = decoded(path)
    assert stream.codec_context.name == {"libx264": "h264", "mpeg4": "mpeg4"}[codec]
    assert (len(frames), stream.average_rate) == (8, 12)
    assert stream.width % 2 == stream.height % 2 == 0
    assert abs(stream.width - 3.5 * 151) <= 1
    assert told == [("film", done, 8) for done in range(9)]
    intensity = short.subgraph.intensity
    colours = matplotlib.colormaps["viridis"](Normalize(*np.percentile(intensity, [2, 98]), clip=True)(intensity))
    for (row, column), wanted in zip(places(short, 151), colours, strict=True):
        drawn = [frame[row, column] for frame in frames]
        np.testing.assert_allclose(drawn, wanted[:, :3], atol=0.08)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_the_movie_is_read_frame_by_frame_and_cells_are_marked(tmp_path: Path, short: PictureData) -> None:
    asked: list[int] = []

    def frames(number: int) -> FloatArray:
        asked.append(number)
        return np.full((180, 180), number / 7)

    _, seen = decoded(write_film(short, tmp_path / "a.mp4", frames, dpi=100, cell=[9, 12]))
    assert sorted(set(asked)) == list(range(8))
    assert len(asked) <= film.SAMPLED + 8
    row, column = places(short, 100)[19]
    level = [float(frame[row, column, 1]) for frame in seen]
    assert level == sorted(level)
    assert level[-1] - level[0] > 0.5
    plain = decoded(write_film(short, tmp_path / "b.mp4", frames, dpi=100))[1]
    pink = [np.abs(frame - np.array([0.9, 0, 0.49])).sum(axis=2).min() for frame in (seen[3], plain[3])]
    assert pink[0] < 0.4 < pink[1]


def test_the_time_is_that_of_the_frame() -> None:
    assert film.stamp(np.arange(5) * 2.5, 3) == "7.5 s"
    assert film.stamp(np.arange(400) * 1.0, 399) == "06:39 min"
    assert film.stamp(np.arange(400) * 10.0, 361) == "1:00:10 h"


def test_what_cannot_be_filmed_is_told_in_one_line(
    tmp_path: Path, short: PictureData, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, options, says in (
        ("a.avi", {}, r"name it \.mp4"),
        ("none/a.mp4", {}, "there is no folder"),
        ("a.mp4", {"fps": 0}, "expected 1 to 120"),
        ("a.mp4", {"dpi": 10}, "expected 50 to 1200"),
        ("a.mp4", {"width": "5"}, "80 to 400 mm"),
    ):
        with pytest.raises(InputError, match=says):
            write_film(short, tmp_path / name, **options)
    with pytest.raises(NotFoundError, match="no cell 99"):
        write_film(short, tmp_path / "a.mp4", cell=99)
    with pytest.raises(InputError, match=r"film is no page: `calcigraph picture dish film -o FILE.mp4` writes it"):
        draw("film", short, tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"written with av, .*pip install 'calcigraph\[formats\]'"):
        write_film(short, tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_a_film_that_breaks_off_leaves_the_old_one(tmp_path: Path, short: PictureData) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def damaged(number: int) -> FloatArray:
        if number == 5:
            raise WorkspaceError("frame 5 is damaged")
        return np.zeros((180, 180))

    with pytest.raises(WorkspaceError, match="frame 5 is damaged"):
        write_film(short, path, damaged)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_movie_that_is_not_there_is_no_film(tmp_path: Path, make_culture: Callable[..., Any]) -> None:
    movies = MovieFolder(tmp_path)
    traces = make_culture("traces").culture
    assert film.frames_of(traces, None, movies) is None
    with pytest.raises(InputError, match="has no movie: `--show cells` films its cells"):
        film.frames_of(traces, "movie", movies)
    with pytest.raises(InputError, match="a film shows movie or cells, not 'both'"):
        film.frames_of(traces, "both", movies)
    away = replace(traces, movie="movies/away.12345678.ome.zarr")
    assert film.frames_of(away, "cells", movies) is None
    with pytest.raises(NotFoundError, match="`--show cells` films its cells"):
        film.frames_of(away, None, movies)

"""What cannot be drawn is refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calcigraph.errors import InputError, NotFoundError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import TABLE
from calcigraph.pictures.render import draw


@pytest.mark.parametrize(
    ("kind", "name", "options", "error", "says"),
    [
        ("heatmap", "a.png", {}, InputError, "frame, outlines, cells"),
        ("cells", "a.jpg", {}, InputError, ".png, .pdf or .svg"),
        ("cells", "a", {}, InputError, ".png, .pdf or .svg"),
        ("cells", "none/a.png", {}, InputError, "there is no folder"),
        ("cells", "folder.png", {}, InputError, "is a folder"),
        ("cells", "a.png", {"frame": 91}, InputError, "frames 0 to 90"),
        ("cells", "a.png", {"frame": -1}, InputError, "frames 0 to 90"),
        ("frame", "a.png", {"frame": 3}, InputError, "the image given is frame 0"),
        ("traces", "a.png", {"cell": 999}, NotFoundError, "no cell 999; its 40 labels run from 1 to 40"),
        ("cells", "a.png", {"dpi": 5}, InputError, "50 to 1200"),
    ],
)
def test_refusals(
    tmp_path: Path,
    kind: str,
    name: str,
    options: dict[str, int],
    error: type[Exception],
    says: str,
    culture: PictureData,
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(error, match=says) as caught:
        draw(kind, culture, tmp_path / name, **options)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("kind", sorted(kind.name for kind in TABLE if kind.needs_fit and kind.name != "training"))
def test_no_fit_yet_names_the_command(tmp_path: Path, kind: str, culture: PictureData) -> None:
    bare = replace(culture, cells={}, words={}, traces={})
    with pytest.raises(NotFoundError, match="run: calcigraph fit dish --model robust"):
        draw(kind, replace(bare, model="robust"), tmp_path / "a.png")


def test_fits_without_parameters_have_no_picture_of_them(
    tmp_path: Path, culture: PictureData, with_values: Callable[..., PictureData]
) -> None:
    with pytest.raises(NotFoundError, match="no crlsm fit"):
        draw("parameters", with_values(culture, feed=np.nan, k_cell=np.inf), tmp_path / "a.png")


def test_what_the_culture_lacks(
    tmp_path: Path, culture: PictureData, from_traces: Callable[[PictureData], PictureData]
) -> None:
    with pytest.raises(InputError, match="no movie, which frame draws"):
        draw("frame", from_traces(culture), tmp_path / "a.png")
    with pytest.raises(InputError, match="no cell outlines"):
        draw("outlines", replace(culture, polygons=None), tmp_path / "a.png")


def test_border_cells_have_traces_but_no_model(tmp_path: Path, culture: PictureData) -> None:
    border = int(culture.subgraph.labels[culture.subgraph.border][0])
    draw("traces", culture, tmp_path / "a.png", cell=border)
    inner = int(culture.subgraph.labels[~culture.subgraph.border][0])
    traces = {label: trace for label, trace in culture.traces.items() if label != inner}
    with pytest.raises(NotFoundError, match=f"cell {inner} .* has no crlsm trace"):
        draw("traces", replace(culture, traces=traces), tmp_path / "b.png", cell=inner)


def test_data_that_do_not_agree_are_refused(culture: PictureData) -> None:
    with pytest.raises(InputError, match="crlsm_feed has 3 entries, expected one for each of the 40 cells"):
        replace(culture, cells={"crlsm_feed": np.zeros(3)})
    with pytest.raises(InputError, match="model trace of cell 5 has 2 frames, the recording 91"):
        replace(culture, traces={5: np.zeros(2)})
    with pytest.raises(InputError, match="2-D"):
        replace(culture, image=np.zeros((2, 3, 4)))


@pytest.mark.parametrize("text", ["POLYGON ((0 0", "LINESTRING (0 0, 1 1)"])
def test_polygons_that_are_none_are_refused(tmp_path: Path, text: str, alone: PictureData) -> None:
    with pytest.raises(InputError, match="polygon"):
        draw("cells", replace(alone, polygons=(text,)), tmp_path / "a.png")


def test_no_fit_is_advised_that_cannot_be_made(tmp_path: Path, culture: PictureData) -> None:
    bare = replace(culture, model="robust", cells={}, words={}, traces={})
    short = replace(bare, subgraph=replace(bare.subgraph, intensity=bare.subgraph.intensity[:, :8]))
    for data, says in (
        (
            replace(bare, other_models=("crlsm",)),
            "to draw the fit that there is, add --model crlsm; or run: calcigraph",
        ),
        (
            replace(short, other_models=("crlsm",)),
            "it needs 12 frames, and the recording has 8: draw the fit that there",
        ),
        (short, "the recording has 8: run: calcigraph fit dish --model crlsm, and draw with --model crlsm"),
    ):
        with pytest.raises(NotFoundError, match=says):
            draw("traces", data, tmp_path / "a.png")

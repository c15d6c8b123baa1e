"""Pages of any width: text stays whole, legible and apart; widths and resolutions that make no sense are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from legible import assert_legible
from matplotlib.image import imread

from calcigraph.errors import InputError
from calcigraph.pictures import style
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import TABLE, named
from calcigraph.pictures.render import draw

KINDS = tuple(kind.name for kind in TABLE if not kind.moves)
WIDTHS = (3.5, 5.5, 10.0)


@pytest.mark.parametrize("inches", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_any_width(
    kind: str, inches: float, culture: PictureData, for_kind: Callable[[str, PictureData], PictureData]
) -> None:
    with style.journal_style(inches):
        figure = named(kind).painter()(for_kind(kind, culture), 0, ())
        figure.canvas.draw()
    assert figure.get_size_inches()[0] == pytest.approx(inches)
    assert_legible(figure)


@pytest.mark.parametrize("kind", ["parameters", "training", "traces"])
def test_a_fit_with_intervals_has_a_narrow_page(
    kind: str, culture: PictureData, trained: Callable[..., PictureData]
) -> None:
    with style.journal_style(3.5):
        figure = named(kind).painter()(trained(culture), 0, ())
        figure.canvas.draw()
    assert_legible(figure)


@pytest.mark.parametrize(
    ("width", "dpi", "pixels"), [("single", 100, 350), ("double", 50, 360), ("127", 200, 1000), ("127 mm", 60, 300)]
)
def test_width_and_resolution_decide_the_pixels(
    tmp_path: Path, width: str, dpi: int, pixels: int, culture: PictureData
) -> None:
    assert imread(draw("cells", culture, tmp_path / "a.png", dpi=dpi, width=width)).shape[1] == pixels


@pytest.mark.parametrize("width", ["", "79", "401", "wide", "nan", "-90", "3.5in"])
def test_other_widths_are_refused(tmp_path: Path, width: str, culture: PictureData) -> None:
    with pytest.raises(InputError, match="expected single, double or 80 to 400 mm"):
        draw("cells", culture, tmp_path / "a.png", width=width)
    assert not list(tmp_path.iterdir())


def test_several_cells_are_named_and_each_once(tmp_path: Path, culture: PictureData) -> None:
    one = draw("cells", culture, tmp_path / "a.png", cell=[3, 7]).read_bytes()
    assert draw("cells", culture, tmp_path / "b.png", cell=[3, 7, 3]).read_bytes() == one
    assert draw("cells", culture, tmp_path / "c.png", cell=[3]).read_bytes() != one
    assert draw("cells", culture, tmp_path / "d.png", cell=3).read_bytes() == (tmp_path / "c.png").read_bytes()
    assert replace(culture).culture == "dish"

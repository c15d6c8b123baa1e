"""Whether found cells look like tissue, and which picture they are taken from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.ingest.cell_sizes import likeness, sizes
from calcigraph.ingest.cells import find_tissue
from calcigraph.ingest.gaps import measure_gaps
from calcigraph.ingest.mask_cleaning import clean
from calcigraph.ingest.pictures import segment_pictures
from calcigraph.ingest.tissue_check import check_tissue
from calcigraph.models.synthetic.tissue import confluent_labels
from calcigraph.store.types import LabelImage, Masks

WORDS = "so that cells may be merged or split"


def blocks(rows: int = 8, side: int = 24) -> LabelImage:
    """Square cells, labels 1.. row by row."""
    grid = np.arange(1, rows * rows + 1).reshape(rows, rows)
    return np.kron(grid, np.ones((side, side), int)).astype(np.int32)


def quartered(labels: LabelImage, cells: list[int]) -> LabelImage:
    """The cells in slices: most of each, and small ones with new labels."""
    labels, new = labels.copy(), labels.max()
    for cell in cells:
        y, x = np.nonzero(labels == cell)
        for part in range(3):
            new += 1
            thin = (x - x.min() >= 3 * part) & (x - x.min() < 3 * part + 3)
            labels[y[thin], x[thin]] = new
    return labels


def test_the_spread_of_lognormal_sizes_is_theirs() -> None:
    logs = np.random.default_rng(1).normal(6, 0.4, 20_000)
    found = sizes(np.exp(logs))
    assert found.spread == pytest.approx(0.4, abs=0.01)
    # Beyond ln 4 = 3.47 standard deviations lie 0.05 % of normal values.
    assert found.unlike / found.cells == pytest.approx(0.00053, abs=0.0004)
    assert not found.improbable


def test_few_cells_are_not_judged() -> None:
    assert not sizes(np.array([10.0, 1000, 1000, 1000])).improbable
    assert sizes(np.zeros(0)).cells == 0


@pytest.mark.parametrize("seed", range(3))
def test_simulated_tissue_is_probable(seed: int) -> None:
    seen = likeness(confluent_labels((256, 256), 60, np.random.default_rng(seed)))
    assert not seen.improbable
    assert seen.covered == 1
    assert seen.score == 1


def test_cells_at_the_edge_are_not_compared() -> None:
    labels = blocks()
    assert likeness(labels).sizes.cells == 36
    cut = labels[20:-20, 20:-20]  # leaves 4 px of the outer cells
    assert not likeness(cut).sizes.improbable


def checked(labels: LabelImage, found: bool) -> tuple[str, ...]:
    """The doubts about masks that calcigraph found itself, or that were given."""
    masks = Masks(labels, "test", "")
    tissue = find_tissue(masks, min_area=30)
    check = check_tissue(
        tissue, measure_gaps(labels, min_area=30, min_border=5), 0, 30, None if found else clean(labels)
    )
    assert {"size_spread", "unlike_sizes", "median_area"} <= set(check.facts)
    return check.doubts


def test_split_cells_are_told_in_numbers() -> None:
    labels = quartered(blocks(), [19, 22, 28, 37])
    doubts = checked(labels, found=True)
    # 36 inner cells, 4 of them in pieces: 12 slices of 72 px beside cells of 576 px.
    assert any(doubt.startswith("12 of 48 inner cells have more than 4 times the median area") for doubt in doubts)
    assert any(WORDS in doubt for doubt in doubts)
    assert not any(WORDS in doubt for doubt in checked(blocks(), found=True))
    # The user's own masks are as unlike as the user says.
    assert not any(WORDS in doubt for doubt in checked(labels, found=False))


Segmenter = Callable[[dict[str, LabelImage | None]], list[str]]


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    """Replace Cellpose: each picture has a number in it that says which masks are found there."""

    def install(masks: dict[str, LabelImage | None]) -> list[str]:
        seen: list[str] = []

        def find_cells(image: np.ndarray, *_: object) -> Masks:
            name = list(masks)[int(image[0, 0])]
            seen.append(name)
            if (labels := masks[name]) is None:
                raise InputError(f"no cells in {name}")
            return Masks(labels, f"cellpose:{name}", "")

        monkeypatch.setattr("calcigraph.ingest.segment.find_cells", find_cells)
        return seen

    return install


def pictures() -> dict[str, np.ndarray]:
    return {"mean": np.full((4, 4), 0.0), "max": np.full((4, 4), 1.0)}


def half_empty(share: float) -> LabelImage:
    """Cells on the left of the picture only."""
    labels = blocks()
    labels[:, int(share * labels.shape[1]) :] = 0
    return labels


def test_the_mean_is_enough_where_its_cells_are_probable(segmenter: Segmenter) -> None:
    seen = segmenter({"mean": blocks(), "max": blocks()})
    chosen = segment_pictures(pictures())
    assert (chosen.picture, chosen.warnings, seen) == ("mean", (), ["mean"])


def test_the_maximum_is_taken_where_it_shows_more(segmenter: Segmenter) -> None:
    seen = segmenter({"mean": half_empty(0.25), "max": blocks()})
    chosen = segment_pictures(pictures())
    assert (chosen.picture, seen) == ("max", ["mean", "max"])
    assert chosen.masks.source == "cellpose:max"
    assert "the mean over time shows 6 whole cells" in chosen.warnings[0]
    assert "on 25% of it; cells are taken from the maximum over time, with 36 whole cells" in chosen.warnings[0]


@pytest.mark.parametrize("other", [half_empty(0.25), half_empty(0.27), quartered(half_empty(0.25), [10, 18, 26])])
def test_the_mean_stays_where_the_maximum_is_hardly_better(segmenter: Segmenter, other: LabelImage) -> None:
    seen = segmenter({"mean": half_empty(0.25), "max": other})
    assert segment_pictures(pictures()).picture == "mean"
    assert seen == ["mean", "max"]


def test_a_picture_without_cells_is_passed_over(segmenter: Segmenter) -> None:
    segmenter({"mean": None, "max": half_empty(0.25)})
    chosen = segment_pictures(pictures())
    assert chosen.picture == "max"
    assert "the mean over time shows no cells" in chosen.warnings[0]
    segmenter({"mean": None, "max": None})
    with pytest.raises(InputError, match="no cells in mean"):
        segment_pictures(pictures())

"""Synthetic tissue: whole, connected cells of sensible size, and pictures in which they can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label as connected

from calcigraph.errors import InputError
from calcigraph.models.synthetic.options import STYLES
from calcigraph.models.synthetic.tissue import confluent_labels, render
from calcigraph.store.types import LabelImage


def pieces(labels: LabelImage) -> dict[int, int]:
    """How many 4-connected pieces each label has."""
    return {int(one): connected(labels == one)[1] for one in np.unique(labels) if one}


def outline(labels: LabelImage) -> np.ndarray:
    """Pixels beside an unlike 4-neighbour."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        unlike = np.diff(labels, axis=axis) != 0
        edge |= np.pad(unlike, [(0, 1) if a == axis else (0, 0) for a in (0, 1)])
        edge |= np.pad(unlike, [(1, 0) if a == axis else (0, 0) for a in (0, 1)])
    return edge


@pytest.mark.parametrize("seed", range(6))
def test_the_papers_culture_has_108_whole_cells(seed: int) -> None:
    labels = confluent_labels((512, 512), 108, np.random.default_rng(seed))
    areas = np.bincount(labels.ravel(), minlength=109)
    assert labels.shape == (512, 512)
    assert labels.dtype == np.int32
    assert len(areas) == 109
    assert areas[0] == 0
    assert areas[1:].min() >= 500
    assert set(pieces(labels).values()) == {1}


@pytest.mark.parametrize(
    ("shape", "cells", "gap"),
    [
        ((64, 64), 1, 0),
        ((64, 300), 20, 2),
        ((100, 90), 200, 0),
        ((33, 47), 2, 3),
        ((256, 256), 40, 4),
        ((20, 20), 11, 0),
    ],
)
def test_other_frames_and_counts(shape: tuple[int, int], cells: int, gap: int) -> None:
    labels = confluent_labels(shape, cells, np.random.default_rng(7), gap)
    assert labels.shape == shape
    assert np.unique(labels[labels > 0]).tolist() == list(range(1, cells + 1))
    assert set(pieces(labels).values()) == {1}
    assert (labels == 0).any() == (gap > 0 and cells > 1)


@pytest.mark.parametrize("gap", [1, 2, 4])
def test_a_gap_keeps_cells_apart(gap: int) -> None:
    labels = confluent_labels((200, 200), 20, np.random.default_rng(3), gap)
    for axis in (0, 1):
        first, second = (np.moveaxis(labels, axis, 0)[part] for part in (np.s_[:-gap], np.s_[gap:]))
        assert not ((first != second) & (first > 0) & (second > 0)).any()


def test_irregularity_bends_the_outlines() -> None:
    calm = confluent_labels((256, 256), 30, np.random.default_rng(5), irregularity=0.0)
    wild = confluent_labels((256, 256), 30, np.random.default_rng(5), irregularity=1.0)
    assert outline(wild).sum() > 1.02 * outline(calm).sum()


def test_the_seed_decides_everything() -> None:
    def draw(seed: int) -> tuple[LabelImage, np.ndarray]:
        rng = np.random.default_rng(seed)
        labels = confluent_labels((128, 128), 12, rng)
        return labels, render(labels, rng, "membrane-dark")

    (labels, image), (again, image_again), (other, _) = draw(1), draw(1), draw(2)
    assert np.array_equal(labels, again)
    assert np.array_equal(image, image_again)
    assert not np.array_equal(labels, other)


@pytest.mark.parametrize("style", STYLES)
def test_pictures_are_positive_and_show_outlines(style: str) -> None:
    signs = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        labels = confluent_labels((256, 256), 30, rng)
        image = render(labels, rng, style)
        assert image.shape == labels.shape
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() > 0
        assert 0.5 < np.percentile(image, 99) < 1.5
        edge = outline(labels)
        signs.append(np.log(image[edge].mean() / image[~edge].mean()))
    assert all(sign > 0.1 for sign in signs) if style == "membrane-bright" else all(sign < -0.05 for sign in signs)


def test_background_is_darker_than_cells_and_labels_may_be_any_integers() -> None:
    rng = np.random.default_rng(4)
    labels = confluent_labels((128, 128), 16, rng)
    sparse = np.where(labels % 3 == 0, labels * 100, 0).astype(np.int32)
    image = render(sparse, rng, "cytoplasm-bright")
    assert image[sparse > 0].mean() > 2 * image[sparse == 0].mean()
    assert np.isfinite(render(np.zeros((32, 32), np.int32), rng)).all()


def test_impossible_requests_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="do not fit"):
        confluent_labels((10, 10), 50, rng)
    with pytest.raises(InputError, match="do not fit"):
        confluent_labels((10, 10), 0, rng)
    with pytest.raises(InputError, match="negative"):
        confluent_labels((64, 64), 4, rng, gap_px=-1)
    with pytest.raises(InputError, match="swallows"):
        confluent_labels((64, 64), 60, rng, gap_px=9)
    with pytest.raises(InputError, match="membrane-bright"):
        render(np.ones((8, 8), np.int32), rng, "neon")

"""The benchmark on real tissue judges what is labelled, and the training tissue is what it says."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from calcigraph.models.synthetic.tissue import confluent_labels

ROOT = Path(__file__).resolve().parents[2]


def load(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module(name)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load("benchmarks", "real_tissue", monkeypatch)


@pytest.fixture
def varied(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load("training", "varied_tissue", monkeypatch)


def lines_between(labels: np.ndarray) -> np.ndarray:
    """(Y, X), 255 on the outlines."""
    line = np.zeros(labels.shape, np.uint8)
    line[1:] |= labels[1:] != labels[:-1]
    line[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return 255 * line


def test_outlines_become_the_cells_that_they_enclose(real: ModuleType, tmp_path: Path) -> None:
    truth = confluent_labels((160, 160), 30, np.random.default_rng(3))
    cv2.imwrite(str(tmp_path / "one.png"), (truth % 251).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "one_labels.png"), lines_between(truth))
    (example,) = real.examples(tmp_path)
    edge = np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]))
    inner = set(np.unique(truth)) - set(edge)
    assert example.labels.max() == len(inner)
    matches = load_matches(real)
    assert real.judged_precision(example, truth, matches) == 1
    # Cells at the edge have no label, so that it does not matter what is found there.
    assert real.judged_precision(example, np.where(np.isin(truth, edge), 0, truth), matches) == 1
    # One of n cells in two halves, of 40 and 60 % of it: the larger one matches, the other is false.
    one = sorted(inner)[0]
    rows = np.nonzero(truth == one)[0]
    split = np.where((truth == one) & (np.arange(160)[:, None] > np.quantile(rows, 0.6)), 99, truth)
    assert real.judged_precision(example, split, matches) == pytest.approx(len(inner) / (len(inner) + 1))
    assert real.judged_precision(example, np.zeros_like(truth), matches) == 0


def load_matches(real: ModuleType):  # type: ignore[no-untyped-def]
    return importlib.import_module("segmentation").matches


def test_a_label_file_without_its_picture_is_refused(real: ModuleType, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one_labels.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(ValueError, match="has no picture one beside it"):
        list(real.examples(tmp_path))
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((20, 21), np.uint8))
    with pytest.raises(ValueError, match="unlike sizes"):
        list(real.examples(tmp_path))


def test_the_watershed_finds_clear_outlines(real: ModuleType) -> None:
    pytest.importorskip("skimage")
    truth = confluent_labels((160, 160), 30, np.random.default_rng(3))
    image = cv2.GaussianBlur(lines_between(truth).astype(float), (0, 0), 1)
    example = real.Example(name="one", image=image, labels=truth, judged=np.ones(truth.shape, bool))
    values, words = real.best_watershed([example], load_matches(real))
    assert values[0] > 0.9
    assert words.startswith("bright outlines")


@pytest.mark.parametrize("seed", range(6))
def test_training_tissue_is_the_same_again_and_whole(varied: ModuleType, seed: int) -> None:
    labels, again = (varied.varied_labels(np.random.default_rng([9, seed]), 96) for _ in range(2))
    assert labels.shape == (96, 96)
    assert labels.dtype == np.int32
    assert (labels == again).all()
    assert labels.any()
    look, other = (varied.varied_look(labels, np.random.default_rng([9, seed])) for _ in range(2))
    assert (look == other).all()
    assert np.isfinite(look).all()
    assert look.min() > 0


def test_without_variety_training_images_are_those_of_older_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("cellpose") is None:
        pytest.skip("the extra segment is missing")
    train = load("training", "train_segmenter", monkeypatch)
    rng = np.random.default_rng((5, 3))
    labels = train.synthetic_labels(rng, 0.5)
    image = train.photograph(labels, rng, 0.5)
    seen, target = train.sample((5, 3), 0.5, 0.0)
    pad = train.PAD_PX
    assert (seen[pad:-pad, pad:-pad] == image).all()
    assert ((target[0, pad:-pad, pad:-pad] > 0) == (labels > 0)).all()
    assert not np.array_equal(train.sample((5, 3), 0.5, 1.0)[0], seen)

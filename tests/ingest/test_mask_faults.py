"""Label images as people have them: what is cleaned, which gaps are closed, and what is said of it."""

import time

import numpy as np
import pytest
import scipy.ndimage as ndi
import tifffile

from calcigraph.errors import InputError
from calcigraph.ingest import IngestOptions, ingest_movie, input_digest
from calcigraph.ingest.cells import find_tissue
from calcigraph.ingest.found_cells import find_in, measure, read_given
from calcigraph.ingest.gaps import measure_gaps
from calcigraph.ingest.mask_cleaning import clean
from calcigraph.ingest.mask_pieces import pieces_of
from calcigraph.store.types import Masks

SIDE, CELLS = 160, 60
GOLDEN = "1aaf82bbb7aea2a52b5089e824ed174c"
"""Of version 0.1, which cleaned nothing and closed no gaps of given masks."""


def tissue(side=SIDE, cells=CELLS, seed=1):
    """Voronoi cells after two Lloyd steps, labels 1..cells."""
    points = np.random.default_rng(seed).random((cells, 2)) * side
    y, x = np.mgrid[:side, :side]
    for _ in range(3):
        labels = ((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2).argmin(-1)
        points = np.array(ndi.center_of_mass(np.ones(labels.shape), labels, range(cells)))
    return (labels + 1).astype(np.int32)


LABELS = tissue()


def eroded(labels, steps):
    """Each cell without its rim; `steps` px, or a function of the label."""
    found = np.zeros_like(labels)
    for label in np.unique(labels[labels > 0]):
        count = steps(label) if callable(steps) else steps
        inside = labels == label
        found[ndi.binary_erosion(inside, iterations=count, border_value=1) if count else inside] = label
    return found


def dams(labels):
    """One-pixel lines of background, as a watershed leaves them."""
    found = labels.copy()
    found[:, 1:][labels[:, 1:] != labels[:, :-1]] = 0
    found[1:][labels[1:] != labels[:-1]] = 0
    return found


def pairs_of(labels, max_gap=0, min_area=50):
    found = find_tissue(Masks(labels, "file:test", ""), min_area=min_area, max_gap=max_gap).contacts
    return set(zip(found.label_a.tolist(), found.label_b.tolist(), strict=True))


def found_in(labels, min_area=50, **more):
    options = IngestOptions(masks="labels.tif", min_area=min_area, **more)
    cleaned = clean(labels.astype(np.int32), min_area, options.keep_masks)
    return find_in(measure(Masks(cleaned.labels, "file:test", ""), options, cleaned), options)


def contacts_of(found):
    contacts = found.tissue.contacts
    return set(zip(contacts.label_a.tolist(), contacts.label_b.tolist(), strict=True))


def with_strays(labels, size, seed=5):
    found, rng = labels.copy(), np.random.default_rng(seed)
    for label in range(1, CELLS + 1):
        y, x = rng.integers(8, SIDE - 8, 2)
        found[y : y + size, x : x + size] = label
    return found


def test_pieces_equal_a_brute_force_search():
    rng = np.random.default_rng(0)
    for _ in range(30):
        labels = rng.integers(0, 4, (12, 13)).astype(np.int32)
        pieces, owner = pieces_of(labels)
        expected = sum(ndi.label(labels == label, np.ones((3, 3)))[1] for label in (1, 2, 3))
        assert len(owner) - 1 == expected == pieces.max()
        assert (owner[pieces] == labels).all()
        for label in (1, 2, 3):
            regions, count = ndi.label(labels == label, np.ones((3, 3)))
            assert all(len(np.unique(pieces[regions == region])) == 1 for region in range(1, count + 1))


def test_nothing_is_cleaned_where_nothing_is_wrong():
    for labels in (LABELS, eroded(LABELS, 2), dams(LABELS), tissue(96, 9)):
        found = clean(labels, 50)
        assert found.labels is labels
        assert (found.warnings, found.doubts) == ((), ())


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_strays_make_no_contacts(size):
    labels = with_strays(LABELS, size)
    if size > 1:
        assert len(pairs_of(labels)) > 150
    found = found_in(labels)
    assert len(contacts_of(found) ^ pairs_of(LABELS)) <= (size == 5)  # it may hide a short border
    assert (found.masks.labels != LABELS).mean() < 0.01
    assert found.check.facts["strays"] >= 50
    assert "small pieces lie apart" in found.check.warnings[0]
    assert found.check.doubts == ()


def test_a_stray_in_the_open_becomes_background():
    labels = np.zeros((60, 90), np.int32)
    labels[10:40, 10:40], labels[10:40, 40:70], labels[50:54, 80:84] = 4, 9, 4
    found = clean(labels)
    assert (found.strays, found.stray_labels) == (1, (4,))
    assert not found.labels[50:54, 80:84].any()
    assert (found.labels[:45] == labels[:45]).all()


def test_a_cell_that_a_line_cuts_stays_one_cell():
    labels = tissue(96, 9)
    labels[:, 47] = 0
    found = clean(labels, 50)
    assert found.labels is labels


def test_labels_of_two_places_become_two_cells():
    doubled = LABELS.copy()
    doubled[LABELS == 60], doubled[LABELS == 31] = 3, 8
    found = found_in(doubled)
    here, there = ({*found.masks.labels[place == LABELS].tolist()} for place in (3, 60))
    assert sorted([here, there], key=max) == [{3}, {max(max(here), max(there))}]
    assert found.check.facts["places"] == 2
    assert len(found.tissue.labels) == CELLS
    assert len(contacts_of(found)) == len(pairs_of(LABELS))
    assert "labels 3, 8 name 4 places" in found.check.warnings[0]
    assert found.check.doubts == ()


def test_an_image_that_wraps_at_eight_bits():
    wrapped = (LABELS - 1) % 40 + 1
    found = found_in(wrapped)
    assert found.check.facts["places"] >= 15
    assert len(found.tissue.labels) >= 55
    assert any("8 bits" in line for line in found.check.warnings)
    assert any("name two or more places each" in line for line in found.check.doubts)


def test_a_mask_of_cells_against_background_becomes_its_cells():
    labels = eroded(LABELS, 1)
    found = found_in((labels > 0) * 255)
    assert len(found.tissue.labels) >= CELLS - 1  # two of them meet at a corner
    assert len(contacts_of(found)) >= len(pairs_of(labels, 2)) - 6


def test_holes_are_filled_but_not_those_between_cells():
    labels = LABELS.copy()
    for label in range(1, CELLS + 1):
        y, x = np.argwhere(label == LABELS).mean(0).astype(int)
        labels[y - 1 : y + 2, x - 1 : x + 2] = 0
    found = clean(labels, 50)
    assert found.holes == CELLS
    assert (found.labels == LABELS).all()
    assert (clean(np.where(LABELS == 30, 0, LABELS), 50).labels == 30).sum() == 0


@pytest.mark.parametrize("label", [1, 65535])
@pytest.mark.parametrize("kind", ["eroded", "dams", "island", "corner"])
def test_background_with_a_label_is_no_cell(kind, label):
    cells = LABELS + 1
    y, x = np.indices(cells.shape)
    labels = {
        "eroded": eroded(cells, 1),
        "dams": dams(cells),
        "island": np.where(np.hypot(y - 80, x - 80) < 60, cells, 0),
        "corner": np.where(np.hypot(y, x) > 70, cells, 0),
    }[kind]
    found = found_in(np.where(labels > 0, labels, label))
    assert (found.masks.labels == labels).all()
    assert label not in found.tissue.labels
    assert contacts_of(found) == pairs_of(labels, found.max_gap)
    assert found.max_gap in {"eroded": (2, 3), "dams": (2,)}.get(kind, (0,))
    covered = f"{(labels == 0).mean():.0%}"
    assert f"label {label} covers {covered} of the picture" in found.check.warnings[0]
    kept = found_in(np.where(labels > 0, labels, label), keep_masks=True)
    assert label in kept.tissue.labels
    assert any("background" in doubt for doubt in kept.check.doubts)


def test_large_cells_among_fragments_are_no_background():
    labels = LABELS.copy()
    y, x = np.nonzero(LABELS % 3 == 1)
    labels[y, x] = 100 * LABELS[y, x] + (y // 6) * 20 % 97 + x // 6
    assert clean(labels, 1).background == ()


TRUE = pairs_of(LABELS)


@pytest.mark.parametrize(
    ("labels", "gap"),
    [
        (LABELS, {0}),
        (dams(LABELS), {1, 2}),
        (eroded(LABELS, 1), {2, 3}),
        (eroded(LABELS, 2), {4, 5}),
        (eroded(LABELS, lambda label: label % 2), {2}),
        (eroded(LABELS, lambda label: label % 3), {3, 4}),
        (np.where(np.arange(SIDE) < SIDE // 2, LABELS, eroded(LABELS, 1)), {2}),
    ],
    ids=["touching", "dams", "2 px", "4 px", "half", "mixed", "one side"],
)
def test_the_gap_that_is_closed_follows_from_the_gaps_found(labels, gap):
    found = found_in(labels)
    assert found.max_gap in gap
    assert len(contacts_of(found) & TRUE) >= 0.96 * len(TRUE)
    assert len(contacts_of(found) - TRUE) <= 0.03 * len(TRUE)
    assert found.check.facts["max_gap"] == found.max_gap
    assert found.check.doubts == ()


def test_cells_that_lie_apart_are_not_joined():
    labels, rng = np.zeros((512, 512), np.int32), np.random.default_rng(2)
    y, x = np.indices(labels.shape)
    for label in range(1, 60):
        for _ in range(200):
            disc = np.hypot(*(np.array([y, x]) - rng.integers(20, 492, 2)[:, None, None])) < 15
            if not labels[disc].any():
                labels[disc] = label
                break
    gaps = measure_gaps(labels, min_area=50, min_border=5)
    assert not gaps.max_gap
    found = found_in(labels)
    assert found.max_gap == 0
    assert any("cells cover" in line for line in found.check.warnings)


def test_the_users_gap_is_kept_and_doubted_where_it_closes_too_little():
    found = found_in(eroded(LABELS, 2), max_gap=1)
    assert (found.max_gap, len(found.tissue.contacts)) == (1, 0)
    assert "give --max-gap" in found.check.doubts[0]


def test_many_cells_that_are_too_small_are_told():
    found = found_in(LABELS, min_area=400)
    dropped = int((np.bincount(LABELS.ravel())[1:] < 400).sum())
    assert found.check.facts["too_small"] == dropped
    assert f"{dropped} of 60 cells have under 400 px" in found.check.doubts[0]
    assert "--min-area" in found.check.doubts[0]


def test_cells_that_are_missing_in_the_tissue_are_told():
    labels = tissue(320, 60)
    y, x = np.indices(labels.shape)
    inside = [label for label in range(1, 61) if ((labels == label) & (np.hypot(y - 160, x - 160) > 130)).sum() == 0]
    labels[np.isin(labels, inside[::2])] = 0
    found = found_in(labels)
    assert any("belongs to no cell" in doubt for doubt in found.check.doubts)


def test_masks_that_are_to_be_kept_are_kept():
    labels = with_strays(LABELS, 3)
    found = found_in(labels, keep_masks=True)
    assert (found.masks.labels == labels).all()
    assert "kept (--keep-masks)" in found.check.warnings[0]
    assert found.check.doubts


def test_the_digest_is_that_of_the_masks_as_they_are_used(tmp_path):
    frames = np.random.default_rng(0).integers(100, 900, (5, SIDE, SIDE)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames, photometric="minisblack", metadata={"axes": "TYX"})

    def digest(labels, **more):
        tifffile.imwrite(tmp_path / "labels.tif", labels.astype(np.uint16))
        masks = str(tmp_path / "labels.tif")
        options = IngestOptions(frame_interval_s=5.0, masks=masks, min_area=50, **more)
        found = input_digest(str(tmp_path / "movie.tif"), options)
        store = tmp_path / "a.ome.zarr"
        data = ingest_movie(str(tmp_path / "movie.tif"), culture="a", options=options, store_path=store, version="0")
        assert data.culture.input_digest == found
        return found

    assert digest(LABELS) == digest(LABELS, max_gap=0) == GOLDEN
    assert digest(dams(LABELS)) == digest(dams(LABELS), max_gap=2) != digest(dams(LABELS), max_gap=0)
    strays = with_strays(LABELS, 3)
    assert len({digest(LABELS), digest(strays), digest(strays, keep_masks=True)}) == 3


def test_reading_given_masks_costs_little(tmp_path):
    labels = tissue(512, 300)
    tifffile.imwrite(tmp_path / "labels.tif", dams(labels).astype(np.uint16))
    options = IngestOptions(masks=str(tmp_path / "labels.tif"), min_area=50)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        read_given(str(tmp_path / "labels.tif"), (512, 512), options)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.3


@pytest.mark.segment
def test_cells_of_low_magnification_are_told_if_they_are_too_small(tmp_path):
    labels = tissue(160, 165, seed=3)
    light = np.where(ndi.binary_dilation(dams(labels) == 0, [[1, 1], [1, 1]]), 525.0, 1500.0)
    frames = np.random.default_rng(0).poisson(light, (6, SIDE, SIDE)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames, photometric="minisblack", metadata={"axes": "TYX"})

    def ingest(**more):
        options = IngestOptions(frame_interval_s=5.0, **more)
        store = tmp_path / "a.ome.zarr"
        return ingest_movie(str(tmp_path / "movie.tif"), culture="a", options=options, store_path=store, version="0")

    with pytest.raises(InputError, match=r"1[56]\d cells were found, and none has 500 px .* give --min-area \d\d "):
        ingest()
    data = ingest(min_area=40)
    assert 150 <= len(data.cells) <= 165
    assert data.culture.tissue["contacts_per_inner_cell"] > 4.5
    assert data.culture.doubts == ()

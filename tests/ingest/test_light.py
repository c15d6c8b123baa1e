"""Light that is not the cells' own: what the movie tells of it, and traces without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from calcigraph.errors import InputError
from calcigraph.ingest.background import background_levels, background_pixels
from calcigraph.ingest.crosstalk import measure_spread, surroundings
from calcigraph.ingest.inset import SMALLER_INSET, deepest_pixels, trace_pixels
from calcigraph.ingest.lamp import lamp_of
from calcigraph.queries import subgraph
from calcigraph.store.light import light_line
from calcigraph.store.types import silent

SIDE, FRAMES = 48, 60
CELLS = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((SIDE, SIDE), int)).astype(np.int32)


def courses(seed: int = 0) -> np.ndarray:
    """The light of nine cells, (10, T), 1 on average; nothing for background."""
    rng = np.random.default_rng(seed)
    light = 1 + 0.4 * gaussian_filter1d(rng.standard_normal((10, FRAMES)), 2, axis=1)
    light[0] = 0
    return light


def blurred(sigma: float, noise: float = 10.0, labels: np.ndarray = CELLS, added: float = 0.0) -> np.ndarray:
    """A movie of the nine cells whose light spreads by `sigma` px."""
    rng, light = np.random.default_rng(1), courses()
    frames = []
    for t in range(FRAMES):
        frame = 1000 * light[:, t][labels]
        if sigma > 0:
            frame = cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        frames.append(frame + added + rng.normal(0, noise, frame.shape))
    return np.array(frames)


class Stored:
    """Frames as a store gives them."""

    def __init__(self, movie: np.ndarray) -> None:
        self.movie = np.stack([cv2.medianBlur(frame.clip(0).astype(np.uint16), 3) for frame in movie])
        self.shape, self.dtype = self.movie.shape, self.movie.dtype

    def blocks(self) -> list[range]:
        return [range(len(self.movie))]

    def frame(self, number: int) -> np.ndarray:
        return self.movie[number]


@pytest.mark.parametrize("sigma", [2.0, 4.0])
@pytest.mark.parametrize("noise", [10.0, 150.0])
def test_the_share_of_neighbours_light_is_that_of_the_blur(sigma, noise):
    around = surroundings(CELLS)
    spread = measure_spread(Stored(blurred(sigma, noise)), CELLS, around, silent)
    assert spread.known
    # Beside a straight border, at depth d - 1/2, a share of Q((d - 1/2) / sigma) comes from beyond it.
    depths = np.array([2, 3, 4, 5.5, 7.5])
    expected = norm.sf((depths - 0.5) / sigma)
    assert spread.share[:5] == pytest.approx(expected, abs=0.035 if noise > 100 else 0.02)
    assert np.abs(spread.share[-2]) < 0.01
    # The traces hold what the blurred masks of the other cells have there.
    pixels = trace_pixels(CELLS, 9, 1)
    inside = np.repeat(pixels.rows, np.diff(pixels.starts, append=CELLS.size)).reshape(CELLS.shape) < 9
    own = np.zeros(CELLS.shape)
    for label in range(1, 10):
        mask = cv2.GaussianBlur((label == CELLS).astype(float), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        own[label == CELLS] = mask[label == CELLS]
    truth = np.mean([1 - own[inside & (label == CELLS)].mean() for label in range(1, 10)])
    assert spread.of_pixels(around, pixels) == pytest.approx(truth, rel=0.25)
    # Beyond the reach there is none left.
    inset = spread.inset
    assert 1.5 * sigma < inset < 4 * sigma
    assert spread.of_pixels(around, trace_pixels(CELLS, 9, inset)) < 0.1 * truth


def test_a_sharp_movie_has_none():
    around = surroundings(CELLS)
    spread = measure_spread(Stored(blurred(0.0)), CELLS, around, silent)
    assert spread.of_pixels(around, trace_pixels(CELLS, 9, 1)) < 0.003
    assert spread.inset <= 2


def test_cells_that_never_change_do_not_tell():
    still = np.repeat(blurred(3.0)[:1], FRAMES, axis=0) + np.random.default_rng(2).normal(0, 10, (FRAMES, 144, 144))
    assert not measure_spread(Stored(still), CELLS, surroundings(CELLS), silent).known


def test_small_cells_keep_as_large_an_inset_as_they_allow():
    sides = np.repeat([1, 2, 3], [60, 24, 16])
    cells = np.repeat(sides[None], 60, axis=0).astype(np.int32)
    found = deepest_pixels(cells, 3, inset=9, least=1)
    # The image edge is no neighbour. 24 - 2 * 9 px are left of the second cell; 16 - 7 of the third, which has one.
    assert found.counts.tolist() == [60 * 51, 60 * 6, 60 * 7]
    cells[:, 84:] = np.kron(np.arange(3, 18).reshape(15, 1), np.ones((4, 16), int))
    found = deepest_pixels(cells, 17, inset=9, least=1)
    assert found.flags[:2] == ("", "")
    # Cells of 4 x 16 px have no inset of 50 px at all.
    assert set(found.flags[2:]) == {"no inset"}
    cells[:, 84:] = np.kron(np.arange(3, 7).reshape(4, 1), np.ones((15, 16), int))
    found = deepest_pixels(cells, 6, inset=9, least=1)
    # 15 - 2 * 4 by 16 - 4 px: one less deep than 5, of which 5 x 11 px are still enough in the middle.
    assert found.flags[2:] == (SMALLER_INSET,) * 4
    assert found.counts[3:5].tolist() == [5 * 11, 5 * 11]


def test_the_background_is_that_of_dark_pixels():
    labels = np.pad(CELLS, 40)
    movie = blurred(0.0, labels=labels, added=200.0) + np.linspace(0, 50, FRAMES)[:, None, None]
    movie[:, :12, :12] += 500  # a cell that has no mask
    places = background_pixels(labels)
    levels = background_levels(Stored(movie), places, silent)
    assert levels == pytest.approx(200 + np.linspace(0, 50, FRAMES), abs=2)
    assert not len(background_pixels(CELLS))


def test_traces_lose_the_background(tmp_path, run):
    labels = np.pad(CELLS, 40)
    movie = blurred(0.0, labels=labels, added=400.0).clip(0).astype(np.uint16)
    plain = run(tmp_path, movie, labels)
    assert plain.culture.light["background"] == pytest.approx(400, abs=2)
    data = run(tmp_path, movie, labels, background="auto")
    logs = data.cells.intensity / data.culture.intensity_gain
    expected = np.log(courses()[1:])
    off = logs - expected
    assert (off - off.mean(axis=1, keepdims=True)).std() < 0.002
    assert data.culture.options["background"] == "auto"
    assert "counts, 29 % of the light in cells" in light_line(data.culture.light)  # 400 of 1,400


def test_a_tissue_without_gaps_has_no_background(tmp_path, run):
    with pytest.raises(InputError, match="--background: fewer than 400 pixels lie more than 10 px from all cells"):
        run(tmp_path, blurred(0.0).clip(0).astype(np.uint16), CELLS, background="auto")


def test_a_cell_that_is_no_brighter_than_the_background_is_named(tmp_path, run):
    labels = np.pad(CELLS, 40)
    movie = blurred(0.0, labels=labels, added=400.0).clip(0).astype(np.uint16)
    movie[7][labels == 5] = 350
    with pytest.raises(InputError, match=r"cell 5 is no brighter than .* in frame 7 \(350 and 40"):
        run(tmp_path, movie, labels, background="auto")


def test_crosstalk_takes_traces_from_the_cores(tmp_path, run):
    movie = blurred(3.0).clip(0).astype(np.uint16)
    plain, data = run(tmp_path, movie, CELLS), run(tmp_path, movie, CELLS, crosstalk=True)
    assert plain.culture.light["neighbours"] > 0.03
    assert "--crosstalk takes traces from pixels without it" in plain.culture.warnings[-1]
    assert data.culture.light["neighbours"] < 0.002
    assert not [told for told in data.culture.warnings if "crosstalk" in told]
    assert 5 <= data.culture.light["trace_inset"] <= 11
    expected = np.log(courses()[1:])

    def error(traces):
        off = traces.cells.intensity / traces.culture.intensity_gain - expected
        return (off - off.mean(axis=1, keepdims=True)).std()

    assert error(data) < 0.001
    assert error(plain) > 0.004


def test_what_a_lamp_did_is_found_among_cells_of_their_own():
    rng = np.random.default_rng(3)
    own = 0.02 * rng.standard_normal((80, 361)).cumsum(axis=1)
    flicker = 0.01 * rng.standard_normal(361)
    fall = np.linspace(0, -0.2, 361)
    found = lamp_of(own + 0.002 * rng.standard_normal(own.shape) + flicker + fall)
    assert found.flicker == pytest.approx(0.01, rel=0.15)
    left = np.diff(flicker - found.course)
    assert left.std() < 0.5 * np.diff(flicker).std()
    # Without flicker nothing but a line goes, which models take for a feed of all cells.
    calm = lamp_of(own + fall)
    assert calm.flicker < 0.002
    assert np.abs(np.diff(calm.course, 2)).max() < 0.002


def test_what_was_found_is_stored_shown_and_given_to_the_models(tmp_path, run, empty):
    data = run(tmp_path, blurred(3.0).clip(0).astype(np.uint16), CELLS)
    empty.write_culture(data)
    found = empty.culture("a")
    assert found.light == data.culture.light
    assert subgraph(empty, "a").neighbours_light == data.culture.light["neighbours"]
    assert "from neighbours (traces from 1 px inside the cells)" in light_line(found.light)

"""Quartiles of all pixels from a histogram: exact to the last bit for every type and range."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcigraph.ingest.histogram import FEW, count, no_counts, quartiles


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60000), min_size=1, max_size=50))
def test_quartiles_are_numpys_bit_for_bit(values):
    found = quartiles(lambda rank: sorted(values)[rank], len(values))
    expected = np.quantile(np.log1p(np.array(values, float)), [0.25, 0.75])
    assert found == tuple(expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(2, 40), st.floats(1e-3, 1e6), st.booleans())
def test_float_quartiles_are_exact_over_any_range(tmp_path, run, seed, frames, scale, below):
    rng = np.random.default_rng(seed)
    movie = (rng.lognormal(0, 2, (frames, 32, 30)) * scale).astype(np.float32)
    if below:
        movie[:, ::2] = -rng.random((frames, 16, 30)) * 0.99
    data = run(tmp_path, movie, np.ones((32, 30), np.uint8))
    d = np.log1p(np.stack([ndi.median_filter(f, 3, mode="nearest") for f in movie]).astype(np.float64))
    q1, q3 = np.percentile(d, [25, 75])
    assert data.culture.intensity_gain == pytest.approx(1 / (5 * (q3 - q1)), rel=1e-12)
    assert data.culture.intensity_offset == pytest.approx(q1 - 2 * (q3 - q1), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("values", [1, 2, FEW - 1, FEW, FEW + 1, 1 << 16])
def test_counts_are_exact_whichever_library_counts(values):
    frame = np.random.default_rng(values).integers(0, values, (61, 40)).astype(np.uint16)
    frame[0, 0] = values - 1
    counts = no_counts()
    for part in (frame, frame[::2], frame[:, ::-1], frame[:1, :1]):
        count(part, counts)
    seen = np.concatenate([part.ravel() for part in (frame, frame[::2], frame[:, ::-1], frame[:1, :1])])
    assert np.array_equal(counts, np.bincount(seen, minlength=1 << 16))

"""A stack of pixels, and the files of it that several tests read."""

from __future__ import annotations

import liffile
import nd2
import numpy as np
import pytest
from microscope_files import (
    CHANNELS,
    FRAMES,
    HEIGHT,
    PLANES,
    WIDTH,
    write_czi,
    write_lif,
    write_nd2,
)


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """(T, Z, C, Y, X) uint16 without any pattern."""
    shape = (FRAMES, PLANES, CHANNELS, HEIGHT, WIDTH)
    return np.random.default_rng(7).integers(100, 60000, shape).astype(np.uint16)


@pytest.fixture(scope="session")
def nd2_file(tmp_path_factory, stack):
    path = write_nd2(tmp_path_factory.mktemp("nd2") / "a.nd2", stack[:, None])
    with nd2.ND2File(path) as file:  # what is written here is an ND2 to the library
        assert dict(file.sizes) == {"T": FRAMES, "Z": PLANES, "C": CHANNELS, "Y": HEIGHT, "X": WIDTH}
        np.testing.assert_array_equal(file.asarray(), stack)
    return path


@pytest.fixture(scope="session")
def czi_file(tmp_path_factory, stack):
    return write_czi(tmp_path_factory.mktemp("czi") / "a.czi", stack)


@pytest.fixture(scope="session")
def lif_file(tmp_path_factory, stack):
    path = tmp_path_factory.mktemp("lif") / "a.lif"
    write_lif(path, {"Overview": stack[:1, :1, :1], "Series 2": stack})
    with liffile.LifFile(path) as file:  # what is written here is a LIF to the library
        assert dict(file.images[1].sizes) == {"T": FRAMES, "Z": PLANES, "C": CHANNELS, "Y": HEIGHT, "X": WIDTH}
        np.testing.assert_array_equal(file.images[1].asarray(), stack)
    return path

"""What holds for the files of every microscope: threads, damage, missing extras, one culture from any of them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from microscope_files import (
    FRAMES,
    PIXEL_UM,
    attach_times,
    read,
    write_czi,
    write_folder,
    write_lif,
    write_nd2,
)

from calcigraph.errors import InputError, MissingExtraError
from calcigraph.ingest import Choice, IngestOptions, open_movie


@pytest.fixture(params=["nd2", "czi", "lif", "folder"])
def several(request, tmp_path, stack):
    """A file with several channels and z-planes, and what picks the movie stack[:, 1, 1] of it."""
    if request.param == "folder":
        return write_folder(tmp_path / "Default", stack), {"channel": "1", "z": "1"}
    more = {"scene": "1"} if request.param == "lif" else {}
    return request.getfixturevalue(f"{request.param}_file"), {"channel": "1", "z": "1", **more}


UNEVEN = 10.0 * np.array([0, 1, 2.3, 3, 4, 5, 6, 16, 17, 18, 19.2, 20])
"""s; a pause, and steps that are 20 to 30 % off."""


@pytest.mark.parametrize("kind", ["nd2", "czi", "lif", "folder"])
def test_uneven_times_are_kept_and_told_in_numbers(tmp_path, ready, kind):
    stack = np.random.default_rng(0).integers(1, 9, (len(UNEVEN), 1, 1, 8, 9)).astype(np.uint16)
    path = tmp_path / f"a.{kind}"
    if kind == "nd2":
        write_nd2(path, stack[:, None], times=UNEVEN)
    elif kind == "czi":
        attach_times(write_czi(path, stack), 100 + UNEVEN)
    else:
        (write_lif if kind == "lif" else write_folder)(path, {"S": stack} if kind == "lif" else stack, times=UNEVEN)
    _, timing, notes = ready(path)
    np.testing.assert_allclose(timing.times_s, UNEVEN, atol=2e-3)
    assert timing.interval_s == pytest.approx(10.0, abs=2e-3)
    assert "5 of 11 steps differ from the usual 10 s by more than 5%; they run from 7 to 100 s" in notes[-1]
    _, timing, _ = ready(path, frame_interval_s=10.0, trust_interval=True)
    assert (timing.times_s, timing.interval_s) == (None, 10.0)


def test_threads_read_what_one_reader_reads(several, stack):
    path, choice = several
    order = np.random.default_rng(0).integers(0, FRAMES, 500).tolist()
    with open_movie(str(path), choice=Choice(**choice)) as movie, ThreadPoolExecutor(4) as pool:
        for index, frame in zip(order, pool.map(movie.frame, order), strict=True):
            np.testing.assert_array_equal(frame, stack[index, 1, 1])


@pytest.mark.parametrize("ending", ["nd2", "czi", "lif", "avi", "mp4"])
@pytest.mark.parametrize("content", [b"", b"time,Mean1\n0,5\n", bytes(5000), np.random.default_rng(0).bytes(5000)])
def test_what_is_no_such_file(tmp_path, ending, content):
    (tmp_path / f"a.{ending}").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.{ending}: not a readable [^\n]*\Z"):
        open_movie(str(tmp_path / f"a.{ending}"))


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut(several, tmp_path, share):
    path, choice = several
    if path.is_dir():
        path, choice = path / "img_channel001_position000_time000000003_z001.tif", {}
        whole, cut = path, path
    else:
        whole, cut = path, tmp_path / f"cut{path.suffix}"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(share * len(data))])
    source = cut if choice else cut.parent
    with pytest.raises(InputError) as caught:
        read(source, **(choice or {"channel": "1", "z": "1"}))
    assert "\n" not in str(caught.value)
    assert "a." in str(caught.value) or cut.name in str(caught.value)


@pytest.mark.parametrize(
    ("ending", "module"), [("nd2", "nd2"), ("czi", "pylibCZIrw"), ("lif", "liffile"), ("avi", "av"), ("mp4", "av")]
)
def test_a_missing_extra_is_one_line(tmp_path, monkeypatch, ending, module):
    for name in (module, f"{module}.czi"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / f"a.{ending}").write_bytes(b"x")
    with pytest.raises(
        MissingExtraError, match=rf"a\.{ending}: .* are read with {module}, .*: pip install '[a-z]*\[formats\]'"
    ):
        open_movie(str(tmp_path / f"a.{ending}"))


@pytest.mark.parametrize("kind", ["nd2", "czi", "lif", "folder"])
def test_a_culture_is_the_same_from_any_file(tmp_path, run, again, tissue_movie, cells, kind):
    """Traces, and what the digest is made of, do not depend on the container."""
    film = np.clip(tissue_movie(12), 0, 65535).astype(np.uint16)
    plain = run(tmp_path, film, cells, pixel_size_um=PIXEL_UM)
    times = 10.0 * np.arange(len(film))
    stack = film[:, None, None]
    write = {
        "nd2": lambda: write_nd2(tmp_path / "a.nd2", stack[:, None], times=times),
        "czi": lambda: write_czi(tmp_path / "a.czi", stack),
        "lif": lambda: write_lif(tmp_path / "a.lif", {"Series": stack}, times=times),
        "folder": lambda: write_folder(tmp_path / "a", stack, times=times),
    }[kind]
    options = IngestOptions(masks=str(tmp_path / "masks.tif"), frame_interval_s=10.0, pixel_size_um=PIXEL_UM)
    found = again(tmp_path, options, write().name)
    np.testing.assert_array_equal(found.cells.intensity, plain.cells.intensity)
    assert found.culture.time_s is None
    assert found.culture.input_digest == plain.culture.input_digest

"""What libraries log or warn of does not reach the user."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile


def spoiled(path: Path) -> None:
    """A movie of which tifffile says that a tag has an unknown data type."""
    rng = np.random.default_rng(0)
    movie = rng.integers(400, 900, (6, 24, 24)).astype(np.uint16)
    tifffile.imwrite(path, movie, photometric="minisblack", software="spoiled", metadata=None)
    content = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    for entry in range(first + 2, first + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry)[0] == 305:  # Software
            struct.pack_into("<H", content, entry + 2, 99)
    path.write_bytes(content)


def calcigraph(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    return subprocess.run(
        [sys.executable, "-m", "calcigraph", "--workspace", str(folder / "ws"), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_file_that_tifffile_warns_of_comes_in_without_a_word_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoiled(tmp_path / "m.tif")
    labels = np.kron(np.arange(1, 10, dtype=np.uint16).reshape(3, 3), np.ones((8, 8), np.uint16))
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    with tifffile.TiffFile(tmp_path / "m.tif") as file:
        file.series  # noqa: B018
    assert "tifffile" in {record.name for record in caplog.records}
    done = calcigraph(
        tmp_path, "ingest", "m.tif", "--culture", "a", "--frame-interval", "5", "--masks", "labels.tif",
        "--min-area", "9",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("culture a: 9 cells")
    assert {line.split(":")[0] for line in lines[:-1]} <= {"warning", "masks"}, "the command's own words only"
    assert "tifffile" not in done.stderr


def test_a_warning_of_numpy_stays_inside() -> None:
    program = (
        "import warnings, logging, importlib; app = importlib.import_module('calcigraph.cli.app'); "
        "speak = lambda: (warnings.warn('divide by zero', RuntimeWarning), logging.getLogger('x').error('y')); "
        "app.run = lambda arguments: speak() and 0; app.main([])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_masks_that_are_a_folder_are_named_as_one(tmp_path: Path) -> None:
    from calcigraph.errors import InputError
    from calcigraph.ingest.masks import read_masks

    (tmp_path / "masks.zarr").mkdir()
    with pytest.raises(InputError, match=r"masks\.zarr: is a folder .* save its labels as a TIFF"):
        read_masks(str(tmp_path / "masks.zarr"), (8, 8))

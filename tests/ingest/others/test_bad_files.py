"""From the command line: what cannot be read is one line and exit code 1, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calcigraph.cli.app import run


def damaged(folder: Path) -> dict[str, list[str]]:
    """Files of every kind that cannot be read, and the options to read them with."""
    (folder / "empty").mkdir()
    (folder / "s2p").mkdir()
    np.save(folder / "s2p" / "stat.npy", np.ones(3))
    contents = {
        "zero.csv": b"",
        "noise.csv": np.random.default_rng(0).bytes(4000),
        "words.csv": b"a,b\nx,y\nz,w\nq,r\n",
        "place.csv": b"cell1,cell2\n1,2\n2,1\n3,5\n",
        "cut.nwb": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "cut.h5ad": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "cut.hdf5": b"\x89HDF\r\n\x1a\n",
        "rois.zip": b"PK\3\4",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {str(folder / name): [] for name in (*contents, "empty", "s2p", "nowhere")} | {
        str(folder / "place.csv"): ["--positions", str(folder / "none.csv")]
    }


def test_damaged_files_of_every_kind(tmp_path, capsys):
    pytest.importorskip("h5py")
    for path, options in damaged(tmp_path).items():
        words = ["--workspace", str(tmp_path / "ws"), "ingest-traces", path, "--culture", "a", "--frame-interval", "1"]
        assert run([*words, *options]) == 1, path
        spoken = capsys.readouterr()
        assert spoken.out == ""
        assert len(spoken.err.strip().splitlines()) == 1, spoken.err
        assert spoken.err.startswith("calcigraph: ")
        assert not (tmp_path / "ws").exists(), path


def test_wrong_options_are_told_before_anything_is_read(tmp_path, capsys):
    words = ["--workspace", str(tmp_path / "ws"), "ingest-traces", "none.csv", "--culture", "a"]
    for option in (["--columns", "zelle=a"], ["--mask-share", "2"], ["--neuropil", "-3"]):
        assert run([*words, *option]) == 1
        assert option[0] in capsys.readouterr().err
    assert not (tmp_path / "ws").exists()

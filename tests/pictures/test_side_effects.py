"""Drawing leaves files, settings and imports as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.render import draw


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, culture: PictureData
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match="No space left on device"):
        draw("cells", culture, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_file_is_replaced(tmp_path: Path, culture: PictureData) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    draw("cells", culture, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_users_matplotlib_settings_neither_matter_nor_change(tmp_path: Path, culture: PictureData) -> None:
    import matplotlib

    usual = draw("graph", culture, tmp_path / "a.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "savefig.dpi": 30, "image.origin": "lower"}):
        assert draw("graph", culture, tmp_path / "b.png").read_bytes() == usual
        assert matplotlib.rcParams["font.size"] == 30


def test_matplotlib_waits_until_something_is_drawn_and_pyplot_never_comes(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from calcigraph.pictures import PictureData, draw\n"
        "from calcigraph.store.types import Subgraph\n"
        "assert 'matplotlib' not in sys.modules\n"
        "one, none, pairs = np.ones(1), np.empty(0), np.empty((0, 2), int)\n"
        "graph = Subgraph('a', 1.0, np.array([1]), one, one, one < 0, np.ones((1, 3)), pairs, none, none)\n"
        "draw('cells', PictureData(subgraph=graph), sys.argv[1])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

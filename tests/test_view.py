"""A culture in napari: what its layers hold, with and without a window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from calcigraph import Workspace
from calcigraph.cli.app import run
from calcigraph.store.movie import StoredMovie, open_store
from calcigraph.viewing import fill, layers

SIZE = ("--cells", "30", "--frames", "60", "--size", "256", "--k", "0.02", "--seed", "1")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("lab")
    movie, words = str(folder / "a.tif"), ["--workspace", str(folder / "ws")]
    assert run(["simulate", movie, *SIZE]) == 0
    assert (
        run([*words, "ingest", movie, "--culture", "a", "--masks", str(folder / "a_labels.tif"), "--pixel-size", "0.5"])
        == 0
    )
    assert run([*words, "fit", "a", "--null", "0"]) == 0
    with Workspace(folder / "ws") as workspace:
        yield workspace


def opened(workspace: Workspace) -> StoredMovie:
    return open_store(workspace.folder / str(workspace.culture("a").movie))


def viewer_model() -> Any:
    components = pytest.importorskip("napari.components", reason="napari is not installed")
    return components.ViewerModel()


def test_layers_are_the_movie_cells_contacts_and_what_is_known(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, store, read = viewer_model(), opened(lab), []
    frame = StoredMovie.frame
    monkeypatch.setattr(StoredMovie, "frame", lambda self, number: (read.append(number), frame(self, number))[1])
    fill(viewer, layers(lab.graph, lab.culture("a"), store))
    assert [layer.name for layer in viewer.layers] == ["movie", "cells", "contacts", "centroids"]
    assert len(set(read)) <= 3  # a frame is read when it is looked at
    movie, cells, contacts, centroids = viewer.layers
    assert movie.data.shape == store.shape
    assert (np.asarray(movie.data[7]) == frame(store, 7)).all()
    assert (cells.data == store.labels).all()
    assert cells.editable
    assert viewer.layers.selection.active is cells
    assert viewer.dims.axis_labels == ("frame", "y", "x")
    assert viewer.dims.current_step[0] == 0  # the film begins at its beginning
    assert (viewer.canvas.overlays if hasattr(viewer, "canvas") else viewer).scale_bar.visible
    for layer in viewer.layers:
        assert [str(unit) for unit in layer.units[-2:]] == ["micrometer", "micrometer"]
        assert tuple(layer.scale[-2:]) == (0.5, 0.5)
    assert len(contacts.data) == len(lab.rows("contacts", culture="a")[1])
    known = lab.query("cells", culture="a")
    assert np.allclose(centroids.data, known[["y_px", "x_px"]])
    assert np.allclose(contacts.data[:, 0], known.set_index("label").loc[
        [row["label_a"] for row in lab.rows("contacts", culture="a")[1]], ["y_px", "x_px"]
    ])  # fmt: skip
    table = centroids.features.set_index("label")
    assert (table["robust_k_cell"].dropna() == known.set_index("label")["robust_k_cell"].dropna()).all()
    assert "event_rate_per_h" not in table
    assert list(cells.features["index"]) == list(known["label"])


def test_event_rates_are_in_the_table_where_events_were_looked_for(lab: Workspace) -> None:
    lab.events("a")
    viewer = viewer_model()
    fill(viewer, layers(lab.graph, lab.culture("a"), opened(lab)))
    rates = lab.query("rates", culture="a").set_index("label")["event_rate_per_h"]
    assert (viewer.layers["centroids"].features.set_index("label")["event_rate_per_h"] == rates).all()


def test_labels_that_are_mended_and_saved_can_be_curated(lab: Workspace, tmp_path: Path) -> None:
    viewer = viewer_model()
    fill(viewer, layers(lab.graph, lab.culture("a"), opened(lab)))
    cells = viewer.layers["cells"]
    cells.selected_label = 7
    row, column = (int(place.mean()) for place in np.nonzero(cells.data == 3))
    cells.fill((row, column), 7)
    # What File, Save Selected Layers calls; a viewer without a window has not looked for plugins.
    builtins = pytest.importorskip("napari_builtins.io", reason="napari is not installed")
    builtins.napari_write_labels(str(tmp_path / "edited.tif"), cells.data, {})
    assert tifffile.imread(tmp_path / "edited.tif").shape == (256, 256)
    changes = lab.curate("a", str(tmp_path / "edited.tif"))
    assert changes is not None
    assert changes.removed == (3,)


WINDOW = """
import sys
import napari
from calcigraph import Workspace
from calcigraph.store.movie import open_store
from calcigraph.viewing import TABLE, fill, layers
from vispy.gloo import gl
viewer = napari.Viewer(show=False)
try:
    gl.glGetParameter(gl.GL_EXTENSIONS)
except Exception:
    print("no OpenGL")
    sys.exit(77)
with Workspace(sys.argv[1]) as lab:
    about = lab.culture("a")
    fill(viewer, layers(lab.graph, about, open_store(lab.folder / about.movie)))
    viewer.window.add_plugin_dock_widget(*TABLE)
    print(len(viewer.layers))
viewer.close()
"""


def test_a_real_window_takes_them(lab: Workspace) -> None:
    pytest.importorskip("napari", reason="napari is not installed")
    words = [sys.executable, "-c", WINDOW, str(lab.folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=_offscreen())
    if done.returncode == 77 or done.returncode < 0 or "qt" in done.stderr.lower().partition("traceback")[2]:
        pytest.skip(f"Qt or OpenGL cannot start here: {(done.stdout + done.stderr).strip()[-200:]}")
    assert done.stdout.split() == ["4"], done.stderr


def _offscreen() -> dict[str, str]:
    import os

    return {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


def test_without_napari_it_is_one_line(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "napari", None)
    assert run(["--workspace", str(lab.folder), "view", "a"]) == 1
    assert "pip install 'calcigraph[napari]'" in capsys.readouterr().err.splitlines()[-1]


def test_without_a_screen_it_is_one_line(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("napari", reason="napari is not installed")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert run(["--workspace", str(lab.folder), "view", "a"]) == 1
    assert "there is no screen here" in capsys.readouterr().err

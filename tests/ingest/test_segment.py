"""Segmentation: finding weights without a download, and cells in tissue the shipped model has not seen."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import label as connected

from calcigraph.errors import InputError, MissingExtraError, NotFoundError
from calcigraph.ingest import IngestOptions, ingest_movie
from calcigraph.ingest import segment as segmentation
from calcigraph.ingest.segment import find_cells, find_weights
from calcigraph.models.synthetic.tissue import STYLES, confluent_labels, render
from calcigraph.store.types import LabelImage

VersionInfo = namedtuple("VersionInfo", ["major", "minor"])
needs_cellpose = pytest.mark.skipif(importlib.util.find_spec("cellpose") is None, reason="the extra segment is missing")


def tissue(style: str, across_px: float, seed: int, side: int = 224) -> tuple[LabelImage, np.ndarray]:
    rng = np.random.default_rng([seed, 99])
    labels = confluent_labels((side, side), round((side / across_px) ** 2), rng)
    light = rng.poisson(render(labels, rng, style) * 500)
    return labels, np.log1p(light.astype(float))


def average_precision(truth: LabelImage, found: LabelImage) -> float:
    """TP / (TP + FP + FN) at an intersection over union of 0.5."""
    hits = 0
    for one in np.unique(found[found > 0]):
        cell = found == one
        best = np.bincount(truth[cell]).argmax()
        hits += bool(best) and (cell & (truth == best)).sum() > 0.5 * (cell | (truth == best)).sum()
    return hits / (len(np.unique(truth[truth > 0])) + len(np.unique(found[found > 0])) - hits)


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked for, the network is not touched."""
    import socket

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """The shipped weights as a state dictionary, to be spoilt."""
    import torch

    loaded: dict[str, Any] = torch.load(find_weights().path, weights_only=True)
    return loaded


def save(state: dict[str, Any], path: Path) -> Path:
    import torch

    torch.save(state, path)
    return path


def test_importing_it_is_cheap() -> None:
    code = "import sys, calcigraph.ingest.segment; print(any(m in sys.modules for m in ('torch', 'cellpose', 'scipy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_shipped_model_is_small_and_known() -> None:
    weights = find_weights()
    assert weights.path.stat().st_size < 15e6
    assert weights.name == "confluent"
    assert len(weights.digest) == 64


def test_a_named_model_is_taken_from_cellposes_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match=r"cyto3 is not in .*downloads nothing.*model_path\('cyto3'\)"):
        find_weights("cyto3")
    (tmp_path / "cyto3").write_bytes(b"x")
    (tmp_path / "nucleitorch_0").write_bytes(b"x")
    assert find_weights("cyto3").path == tmp_path / "cyto3"
    assert find_weights("nuclei").path == tmp_path / "nucleitorch_0"


@pytest.mark.parametrize("where", ["missing.pt", "sub/missing", "."])
def test_a_path_without_a_file_is_refused(where: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no segmentation model at"):
        find_weights(str(tmp_path / where))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 64, 64)), "expected one picture"),
        (np.zeros((8, 64)), "expected one picture"),
        (np.full((64, 64), np.nan), "not finite"),
        (np.full((64, 64), 7.0), "no contrast"),
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_cells(image)


def test_a_missing_extra_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cellpose.models", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'calcigraph\[segment\]'") as caught:
        find_cells(tissue("membrane-dark", 30, 1)[1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("python", "words"), [((3, 12), "is not installed: pip"), ((3, 13), "cannot be on Python")])
def test_a_missing_extra_is_told_before_a_movie_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: tuple[int, int], words: str
) -> None:
    monkeypatch.setattr(segmentation.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(segmentation.sys, "version_info", VersionInfo(*python))
    with pytest.raises(MissingExtraError, match=words):
        ingest_movie(
            "nowhere.tif", culture="c", options=IngestOptions(), store_path=tmp_path / "c.ome.zarr", version="0"
        )


@needs_cellpose
@pytest.mark.segment
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("across_px", [18, 45])
def test_unseen_tissue_is_segmented(style: str, across_px: float) -> None:
    truth, image = tissue(style, across_px, seed=31)
    masks = find_cells(image)
    assert masks.labels.dtype == np.int32
    assert masks.labels.shape == image.shape
    assert np.unique(masks.labels[masks.labels > 0]).tolist() == list(range(1, masks.labels.max() + 1))
    assert all(connected(masks.labels == one)[1] == 1 for one in range(1, masks.labels.max() + 1))
    assert average_precision(truth, masks.labels) >= 0.85  # one small picture; the benchmark has the mean


@needs_cellpose
@pytest.mark.segment
def test_cells_beyond_the_trained_sizes_are_rescaled() -> None:
    truth, image = tissue("membrane-dark", 100, seed=5, side=400)
    assert average_precision(truth, find_cells(image).labels) >= 0.8


def squares(side: int, rows: int) -> LabelImage:
    """rows x rows cells of side x side px."""
    return np.kron(np.arange(1, rows * rows + 1).reshape(rows, rows), np.ones((side, side), int)).astype(np.int32)


@pytest.mark.parametrize(
    ("found", "asked", "taken"),
    [
        # Sides of 71, 142 px are diameters of 80, 160 px. The network has cells at 30 px; large ones are brought to 40.
        ([71, 142, 142], [60, 120], 142),
        ([35], [], 35),  # 40 px are within 12 to 60
        # Cells of 9 px in diameter are enlarged to 30 px, which is what `diameter` asks for.
        ([8, 9], [9], 9),
        # Enlarged, they show less of the picture: what was found first stays.
        ([8, 0], [9], 8),
    ],
)
def test_pictures_are_scaled_until_cells_fit(
    monkeypatch: pytest.MonkeyPatch, found: list[int], asked: list[int], taken: int
) -> None:
    looks = [squares(side, 4) if side else np.zeros((16, 16), np.int32) for side in found]
    diameters: list[float] = []

    def look(network: Any, weights: Any, picture: Any, diameter: float) -> LabelImage:
        diameters.append(diameter)
        return looks[len(diameters)]

    monkeypatch.setattr(segmentation, "_look", look)
    network = namedtuple("Network", ["diam_mean", "diam_labels"])(30.0, 30.0)
    labels = segmentation._looked_again(network, find_weights(), np.zeros((16, 16), np.float32), looks[0])
    assert diameters == pytest.approx(asked, rel=0.02)
    assert (labels == 1).sum() == taken**2


@needs_cellpose
@pytest.mark.segment
def test_the_same_picture_gives_the_same_masks_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    _, image = tissue("membrane-bright", 40, seed=2, side=160)
    stages: list[tuple[str, int, int]] = []
    first = find_cells(image, progress=lambda *step: stages.append(step))
    again = find_cells(3 * image + 5)  # the scale of the picture does not matter
    assert np.array_equal(find_cells(image).labels, first.labels)
    assert (again.labels != first.labels).mean() < 0.01
    assert (first.source, first.digest) == ("cellpose:confluent", find_weights().digest)
    assert stages[-1] == ("segment", 3, 3)
    assert capfd.readouterr() == ("", "")


@needs_cellpose
@pytest.mark.segment
def test_a_users_own_weights_are_used(tmp_path: Path, state: dict[str, Any]) -> None:
    path = save({name: value.float() for name, value in state.items()}, tmp_path / "mine.pt")
    truth, image = tissue("membrane-bright", 26, seed=3, side=160)
    masks = find_cells(image, str(path))
    assert masks.source == "cellpose:mine.pt"
    assert masks.digest != find_weights().digest
    assert average_precision(truth, masks.labels) >= 0.7


@needs_cellpose
@pytest.mark.segment
def test_no_cells_is_one_line_with_advice(
    tmp_path: Path, state: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    bias = state["output.2.bias"].clone()
    bias[2] = -1000
    path = save(state | {"output.2.bias": bias}, tmp_path / "blind.pt")
    with pytest.raises(InputError, match=r"no cells found by the model blind\.pt .*--segment-on") as caught:
        find_cells(tissue("membrane-dark", 30, 1, side=64)[1], str(path))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@needs_cellpose
@pytest.mark.segment
def test_files_that_are_no_cpnet_are_refused(tmp_path: Path, state: dict[str, Any]) -> None:
    image = tissue("membrane-dark", 30, 1, side=64)[1]
    junk = tmp_path / "junk.pt"
    junk.write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be read as Cellpose 3 weights"):
        find_cells(image, str(junk))
    partial = save({name: value for name, value in state.items() if "output" not in name}, tmp_path / "partial.pt")
    with pytest.raises(InputError, match="does not hold a default-width Cellpose 3 CPnet"):
        find_cells(image, str(partial))
    wide = save(state | {"output.2.weight": state["output.2.weight"].repeat(2, 1, 1, 1)}, tmp_path / "wide.pt")
    with pytest.raises(InputError, match="does not hold a default-width"):
        find_cells(image, str(wide))


def test_strays_and_fragments_are_dropped() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[:4, :4], labels[8, 8], labels[7, 7], labels[0, 8], labels[4:, :4] = 3, 3, 3, 2, 5
    cleaned = segmentation._cleaned(labels)
    assert np.unique(cleaned).tolist() == [0, 1, 2]
    assert (cleaned == 1).sum() == 16
    assert (cleaned == 2).sum() == 20
    assert cleaned[0, 8] == 0
    assert not segmentation._cleaned(np.zeros((4, 4), np.int32)).any()

"""Light that is no cell's: with `--background` coupling and dF/F0 are those of the cells alone, and without it not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from calcigraph import SyntheticOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import CalcigraphError
from calcigraph.ingest import IngestOptions
from calcigraph.models import make_culture
from calcigraph.models.synthetic.camera import movie_frames
from calcigraph.store.movie import open_store
from calcigraph.store.types import Culture

K, ADDED, EDGE = 0.02, 3000, 40
"""1/s; counts on every pixel, of cells with 300 to 5,000; px of empty space around the tissue."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """clean.tif; added.tif with a constant, drifting.tif with one that rises by 5 %; labels.tif, and empty.tif."""
    folder = tmp_path_factory.mktemp("film")
    culture = make_culture(SyntheticOptions(cells=49, frames=150, size_px=224, k=K, spikes=8, seed=2))
    rng = np.random.default_rng(0)
    dye = np.exp(0.9 * rng.standard_normal(int(culture.labels.max()) + 1)).clip(0.3, 6)
    light = np.stack(list(movie_frames(culture))) * dye[culture.labels]
    light = np.pad(light, ((0, 0), (EDGE, EDGE), (EDGE, EDGE))) + rng.normal(10, 4, (150, 304, 304))
    rise = np.linspace(0, 0.05 * ADDED, 150)[:, None, None]
    for name, added in (("clean", 0.0), ("added", ADDED), ("drifting", ADDED + rise)):
        frames = (light + added).clip(0, 65535).round().astype(np.uint16)
        tifffile.imwrite(folder / f"{name}.tif", frames, photometric="minisblack")
    tifffile.imwrite(folder / "short.tif", frames[:12], photometric="minisblack")
    labels = np.pad(culture.labels, EDGE).astype(np.uint16)
    tifffile.imwrite(folder / "labels.tif", labels)
    empty = np.zeros(labels.shape, np.uint8)
    empty[:20] = 255
    tifffile.imwrite(folder / "empty.tif", empty)
    return folder


def brought(workspace: Workspace, film: Path, name: str, movie: str, background: str | float | None) -> Culture:
    masks = str(film / "labels.tif")
    options = IngestOptions(masks=masks, frame_interval_s=10.0, min_area=100, background=background)
    return workspace.ingest(str(film / movie), name, options)[0]


def dff(workspace: Workspace, name: str) -> float:
    """The mean dF/F0 of the larger half of the events."""
    workspace.events(name)
    sizes = np.sort([row["dff"] for row in workspace.rows("events", culture=name)[1]])
    return float(sizes[len(sizes) // 2 :].mean())


def test_a_constant_bends_coupling_and_dff_and_background_takes_it_out(film: Path, workspace: Path) -> None:
    with Workspace(workspace) as opened:
        brought(opened, film, "clean", "clean.tif", 10)
        brought(opened, film, "raw", "added.tif", None)
        assert brought(opened, film, "auto", "drifting.tif", "auto").doubts == ()
        k = {name: opened.fit(name).k for name in ("raw", "auto")}
        size = {name: dff(opened, name) for name in ("clean", "raw", "auto")}
    assert k["raw"] < 0.65 * K
    assert size["raw"] < 0.6 * size["clean"]
    assert k["auto"] == pytest.approx(K, rel=0.1)
    assert size["auto"] == pytest.approx(size["clean"], rel=0.1)


GIVEN = {
    "auto": ("auto", "counts taken off (the darker half of the pixels without cells; 30"),
    "5.0%": ("5%", "counts taken off (percentile 5 of the pixels without cells; 30"),
    "3010": ("3010.0", "3010 counts taken off (counts as given);"),
    "empty.tif": ("mask:", "counts taken off (median of empty.tif; 30"),
}
"""What `--background` is given, how the culture's options have it, and what `status` says."""


def test_the_level_is_kept_and_shown(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = ["--masks", str(film / "labels.tif"), "--min-area", "100", "--frame-interval", "10"]
    command = ["ingest", str(film / "short.tif"), "--culture", "c1", *masks, "--background", "5.0%"]
    assert run(["--workspace", str(tmp_path / "w"), *command]) == 0
    with Workspace(tmp_path / "w") as opened:
        for number, given in enumerate(GIVEN):
            background = str(film / given) if given.endswith(".tif") else given
            brought(opened, film, f"c{number}", "short.tif", background)  # c1 is there already
        cultures = [opened.culture(f"c{number}") for number in range(len(GIVEN))]
    capsys.readouterr()
    assert run(["--workspace", str(tmp_path / "w"), "status"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for (kept, line), culture in zip(GIVEN.values(), cultures, strict=True):
        assert line in shown
        assert culture.options["background"].startswith(kept)
        assert culture.light["background_off"] == pytest.approx(ADDED + 10, abs=10)


def test_mended_masks_need_the_mask_of_the_background_no_more(film: Path, tmp_path: Path, workspace: Path) -> None:
    labels = tifffile.imread(film / "labels.tif")
    row, column = np.nonzero(labels == 24)
    labels[row[:60], column[:60]] = 0
    tifffile.imwrite(tmp_path / "mended.tif", labels)
    empty = tmp_path / "gone.tif"
    options: dict[str, Any] = {"frame_interval_s": 10.0, "min_area": 100, "background": str(empty)}
    with Workspace(workspace) as opened:
        for name, masks in (("a", film / "labels.tif"), ("fresh", tmp_path / "mended.tif")):
            empty.write_bytes((film / "empty.tif").read_bytes())
            opened.ingest(str(film / "short.tif"), name, IngestOptions(masks=str(masks), **options))
        empty.unlink()
        assert opened.curate("a", str(tmp_path / "mended.tif")) is not None
        found, fresh = opened.culture("a"), opened.culture("fresh")
        stores = [open_store(opened.folder / str(culture.movie)) for culture in (found, fresh)]
    assert found.input_digest == fresh.input_digest
    assert {**found.light, "background_from": ""} == {**fresh.light, "background_from": ""}
    np.testing.assert_array_equal(stores[0].traces, stores[1].traces)


@pytest.mark.parametrize(
    ("background", "words"),
    [
        ("nothere.tif", "--background nothere.tif: no such file; expected auto, a percentile"),
        ("3400", "is no brighter than"),
        ("90 %%", "expected auto, a percentile"),
        ("small.tif", "--background .*small.tif: masks of shape"),
    ],
)
def test_what_cannot_be_taken_off(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("small.tif", np.ones((20, 20), np.uint8))
    with Workspace(tmp_path / "w") as opened, pytest.raises(CalcigraphError, match=words):
        brought(opened, film, "a", "short.tif", background)


def test_a_mask_that_lies_in_cells_is_told(film: Path, tmp_path: Path, workspace: Path) -> None:
    empty = tifffile.imread(film / "empty.tif")
    empty[100:102, 100:110] = 255
    tifffile.imwrite(tmp_path / "empty.tif", empty)
    with Workspace(workspace) as opened:
        culture = brought(opened, film, "a", "short.tif", str(tmp_path / "empty.tif"))
    assert "background: 20 of the 6100 pixels of its mask lie in cells; draw it between them" in culture.warnings


def test_traces_are_scaled_by_the_light_above_the_background(film: Path, workspace: Path) -> None:
    """Eq. 23 of a movie with a constant, once it is taken off, is nearly that of the movie without."""
    with Workspace(workspace) as opened:
        clean = brought(opened, film, "clean", "clean.tif", "10")
        found = brought(opened, film, "auto", "added.tif", "auto")
        scale = (found.intensity_gain, found.intensity_offset)
        traces = [opened.subgraph(name).intensity for name in ("clean", "auto")]
    assert scale == pytest.approx((clean.intensity_gain, clean.intensity_offset), rel=0.02, abs=0.2)
    assert np.abs(traces[0] - traces[1]).mean() < 0.02

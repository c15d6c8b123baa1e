"""Mended masks: what comes of them is what an ingest with them gives, and what was made of the older ones is stale."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import tifffile
from forecast_runs import build_forecast

from calcigraph import Workspace
from calcigraph.cli.app import run
from calcigraph.errors import ConflictError, InputError, NotFoundError
from calcigraph.ingest import IngestOptions
from calcigraph.ingest import trace_sums as sums
from calcigraph.ingest.polygons import outlines
from calcigraph.store.movie import open_store
from calcigraph.store.types import Culture

SIZE = ("--cells", "30", "--frames", "60", "--size", "256", "--k", "0.02", "--waves", "1", "--seed", "1")
OWN = ("uid", "created", "movie", "movie_uri", "experiment")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with its labels, and with mended ones: one cell is two, two are one, one is gone, one lost a corner."""
    folder = tmp_path_factory.mktemp("film")
    assert run(["simulate", str(folder / "a.tif"), *SIZE]) == 0
    tifffile.imwrite(folder / "mended.tif", mended(tifffile.imread(folder / "a_labels.tif")))
    return folder


def mended(labels: np.ndarray) -> np.ndarray:
    labels = labels.astype(np.uint16)
    row, column = np.nonzero(labels == 20)
    half = column > column.mean()
    labels[row[half], column[half]] = 300
    one, other = next((a, b) for a, b in touching(labels) if not {a, b} & {20, 300, 12, 3})
    labels[labels == other] = one
    labels[labels == 12] = 0
    row, column = np.nonzero(labels == 3)
    labels[row[:40], column[:40]] = 0
    return labels


def touching(labels: np.ndarray) -> list[tuple[int, int]]:
    a, b = labels[:, :-1].ravel(), labels[:, 1:].ravel()
    apart = (a != b) & (a > 0) & (b > 0)
    pairs, counts = np.unique(np.stack([a[apart], b[apart]], axis=1), axis=0, return_counts=True)
    return [(int(pair[0]), int(pair[1])) for pair in pairs[counts > 10]]


def ingest(workspace: Workspace, film: Path, name: str, masks: str, **options: Any) -> Culture:
    given = IngestOptions(masks=str(film / masks), **options)
    return workspace.ingest(str(film / "a.tif"), name, given)[0]


def everything(workspace: Workspace, name: str) -> dict[str, Any]:
    """All that graph and store hold of a culture but what an ingest gives anew each time."""
    culture = workspace.culture(name)
    store = open_store(workspace.folder / str(culture.movie))
    text = f"MATCH (:Culture {{uid: '{name}'}})-[:HAS_CELL]->(c:Cell)"
    cells = workspace.graph.read(f"{text} RETURN c.label AS label, properties(c) AS cell ORDER BY label")
    contacts = workspace.graph.read(
        f"{text} MATCH (c)-[r:ADJACENT]->(b:Cell) RETURN c.label AS a, b.label AS b, properties(r) AS r ORDER BY a, b"
    )
    node = workspace.graph.read(f"MATCH (k:Culture {{uid: '{name}'}}) RETURN properties(k) AS k")[0]["k"]
    own = {"uid", "name", "place"}
    return {
        "culture": replace(culture, uid="", created="", movie=None, movie_uri=None, movie_digest=None),
        "node": {
            key: value
            for key, value in node.items()
            if key not in {*OWN, "name", "curated", "last_fit", "fits_written", "seals", "movie_digest"}
        },
        "cells": [{key: value for key, value in row["cell"].items() if key not in own} for row in cells],
        "contacts": contacts,
        "labels": store.labels.tolist(),
        "rows": store.cells.tolist(),
        "arrays": [store.traces.tobytes(), store.denoised_traces.tobytes(), (store.log_traces + 0.0).tobytes()],
        "frames": [store.frame(t).tobytes() for t in range(store.shape[0])],
        "about": {key: value for key, value in store.about.items() if key not in ("culture", "files", "source")},
    }


CASES: dict[str, dict[str, Any]] = {
    "usual": {},
    "deep": {"trace_inset": 3, "min_area": 300},
    "light": {"crosstalk": True, "detrend": "global"},
}


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_that_of_an_ingest_with_these_masks_to_the_last_bit(
    film: Path, workspace: Path, case: str
) -> None:
    with Workspace(workspace) as opened:
        ingest(opened, film, "a", "a_labels.tif", **CASES[case])
        changes = opened.curate("a", str(film / "mended.tif"))
        ingest(opened, film, "fresh", "mended.tif", **CASES[case])
        found, wanted = everything(opened, "a"), everything(opened, "fresh")
        assert changes is not None
        for part in wanted:
            assert found[part] == wanted[part], part
        assert changes.added == (300,)
        assert 12 in changes.removed
        assert {3, 20} <= set(changes.changed)
        assert len(changes.changed) + changes.kept + 1 == len(wanted["rows"])
        assert opened.graph.history("a") == [changes]
        if case == "usual":
            assert changes.kept > len(changes.changed)
        assert opened.curate("a", str(film / "mended.tif")) is None
        assert [path.name for path in opened._movies.of("a")] == [Path(str(opened.culture("a").movie)).name]


def write_rois(path: Path, labels: np.ndarray, numbered: bool) -> Path:
    """The cells' outlines as ImageJ's ROIs, in another order than that of the labels."""
    roifile = pytest.importorskip("roifile")
    values = np.unique(labels[labels > 0])
    numbers = np.zeros(int(labels.max()) + 1, np.int32)
    numbers[values] = np.arange(1, len(values) + 1)
    rois = []
    for label, text in zip(values.tolist(), outlines(numbers[labels], len(values)), strict=True):
        shape = max(shapely.get_parts(shapely.from_wkt(text)), key=shapely.area)
        corners = np.asarray(shape.exterior.coords)[:-1]
        y, x = corners.mean(axis=0)[::-1].astype(int)
        rois.append(roifile.ImagejRoi.frompoints(corners, name=str(label) if numbered else f"{y:04d}-{x:04d}"))
    roifile.roiwrite(path, rois[::-1], mode="w")
    return path


@pytest.mark.parametrize("numbered", [True, False])
def test_rois_give_what_the_same_masks_give_as_tiff(
    film: Path, workspace: Path, tmp_path: Path, numbered: bool
) -> None:
    masks = tifffile.imread(film / "mended.tif")
    masks[masks == 3] = 0  # an outline has no second piece; what is cut off a cell may be one
    masks[masks == 300] = 0 if not numbered else 300  # a new cell without a number gets the next one that is free
    tifffile.imwrite(tmp_path / "mended.tif", masks)
    rois = write_rois(tmp_path / "RoiSet.zip", masks, numbered)
    with Workspace(workspace) as opened:
        for name, file in (("a", rois), ("b", tmp_path / "mended.tif")):
            ingest(opened, film, name, "a_labels.tif")
            changes = opened.curate(name, str(file))
            assert changes is not None
            assert changes.added == ((300,) if numbered else ())
        found, wanted = everything(opened, "a"), everything(opened, "b")
        told = [each for each in opened.culture("a").warnings if each.startswith("masks:")]
    for part in ("cells", "contacts", "labels", "rows", "arrays", "frames"):
        assert found[part] == wanted[part], part
    assert found["culture"].input_digest == wanted["culture"].input_digest
    said = f"masks: the ROIs have no numbers; {len(np.unique(masks)) - 1} took the label of the cell that they lie on"
    assert told == ([] if numbered else [said])


def test_a_new_roi_and_two_that_overlap(film: Path, workspace: Path, tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile")
    labels = tifffile.imread(film / "a_labels.tif").astype(np.uint16)
    row, column = (int(each.mean()) for each in np.nonzero(labels == 20))
    rois = write_rois(tmp_path / "RoiSet.zip", labels, numbered=False)
    square = np.add([[-9, -9], [9, -9], [9, 9], [-9, 9]], [column, row])
    roifile.roiwrite(rois, [roifile.ImagejRoi.frompoints(square, name="new")], mode="a")
    with Workspace(workspace) as opened:
        ingest(opened, film, "a", "a_labels.tif", min_area=100)
        changes = opened.curate("a", str(rois))
        told = opened.culture("a").warnings
    assert changes is not None
    assert changes.removed == ()
    assert changes.added == (labels.max() + 1,)
    assert any(each.startswith("masks: 324 pixels belong to several cells; each went to") for each in told)
    assert any(each.endswith(f"1 got new labels from {labels.max() + 1} on") for each in told)


def test_only_what_changed_is_measured(film: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calcigraph.ingest import curating

    measured = []

    def watched(store: Any, pixels: Any, progress: Any) -> sums.CellSums:
        measured.append((len(pixels.counts), store.shape[1]))
        return sums.sums_of_store(store, pixels, progress)

    monkeypatch.setattr(curating, "sums_of_store", watched)
    labels = tifffile.imread(film / "a_labels.tif")
    row, column = np.nonzero(labels == 3)
    labels[row[:40], column[:40]] = 0
    tifffile.imwrite(film / "corner.tif", labels)
    with Workspace(workspace) as opened:
        ingest(opened, film, "a", "a_labels.tif")
        opened.curate("a", str(film / "corner.tif"))
    assert len(measured) == 1
    assert measured[0][0] <= 6  # the cell and those that it touches, whose inset follows
    assert measured[0][1] < 256


def test_fits_and_events_are_stale_told_and_left_out(
    film: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--workspace", str(workspace)]
    for name in ("a", "b"):
        source = ["ingest", str(film / "a.tif"), "--culture", name, "--masks", str(film / "a_labels.tif")]
        assert run([*words, *source]) == 0
    assert run([*words, "annotate", "a", "kind=astrocyte", "--cells", "3,7"]) == 0
    assert run([*words, "fit", "a", "b", "--null", "0"]) == 0
    assert run([*words, "events", "a", "b"]) == 0
    with Workspace(workspace) as opened:
        opened.graph.write_forecast(build_forecast("a", opened.subgraph("a").labels), "2026-01-02T03:04:05", "0.1.0")
    capsys.readouterr()
    assert run([*words, "curate", "a", "--masks", str(film / "mended.tif")]) == 0
    said = capsys.readouterr().err.splitlines()[-1]
    assert " 1 added, " in said
    assert "1 fit, the events and the forecast are stale: run `calcigraph fit a --model robust`" in said
    assert said.endswith("`calcigraph events a` and `calcigraph forecast a`")
    with Workspace(workspace) as opened:
        kinds = opened.cypher("MATCH (:Culture {uid: 'a'})-[:HAS_CELL]->(c) WHERE c.kind IS NOT NULL RETURN c.label")
        assert sorted(kinds.iloc[:, 0]) == [3, 7]
        told = [row["value"] for row in opened.status() if row["culture"] == "a" and row["item"] == "warning"]
        assert any(each.startswith("stale: 1 fit, the events and the forecast, because") for each in told)
        orphans = opened.graph.read("MATCH (e:Event {culture: 'a'}) WHERE NOT (e)<-[:HAS_EVENT]-() RETURN e.uid")
        assert orphans == []
    page = film / "stale.html"
    assert run([*words, "report", "a", "b", "-o", str(page)]) == 0
    assert "stale: 1 fit, the events and the forecast, because its masks were mended" in page.read_text(
        encoding="utf-8"
    )
    assert run([*words, "compare", "a", "b"]) == 1
    assert "stale and left out; --stale takes it" in capsys.readouterr().err
    assert run([*words, "compare", "a", "b", "--stale"]) == 0
    assert run([*words, "fit", "a", "--null", "0"]) == 0
    assert run([*words, "events", "a"]) == 0
    with Workspace(workspace) as opened:
        assert [row["model"] for row in opened.graph.stale()] == ["forecast"]
        opened.graph.write_forecast(build_forecast("a", opened.subgraph("a").labels), "2026-01-02T03:04:05", "0.1.0")
        assert opened.graph.stale() == []
        assert not any(str(row["value"]).startswith("stale:") for row in opened.status())
    assert run([*words, "compare", "a", "b"]) == 0


def test_the_old_command_does_not_undo_it_without_a_word(film: Path, workspace: Path) -> None:
    with Workspace(workspace) as opened:
        ingest(opened, film, "a", "a_labels.tif")
        opened.curate("a", str(film / "mended.tif"))
        with pytest.raises(ConflictError, match=r"masks of culture 'a' were mended .* would undo it"):
            ingest(opened, film, "a", "a_labels.tif")
        assert opened.culture("a").masks == "file:mended.tif"
        given = IngestOptions(masks=str(film / "mended.tif"))
        assert opened.ingest(str(film / "a.tif"), "a", given)[1] is False
        opened.ingest(str(film / "a.tif"), "a", IngestOptions(masks=str(film / "a_labels.tif")), replace=True)
        assert opened.graph.history("a") == []


@pytest.mark.parametrize("at", ["store", "graph", "removal"])
def test_a_killed_curate_leaves_a_whole_culture_and_the_same_command_finishes_it(
    film: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    from calcigraph.store.curated import curate
    from calcigraph.store.folder import MovieFolder

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with Workspace(workspace) as opened:
        ingest(opened, film, "a", "a_labels.tif")
        before = everything(opened, "a")
        with monkeypatch.context() as patch:
            if at == "store":
                patch.setattr("calcigraph.store.staging._Folder.put_in_place", die)
            elif at == "graph":
                patch.setattr("calcigraph.store.curated.write_contacts", die)
            else:
                real = MovieFolder.remove
                patch.setattr(
                    MovieFolder, "remove", lambda self, name, keep=(): die() if done else real(self, name, keep)
                )
                done: list[int] = []
                patch.setattr("calcigraph.store.curated.curate", lambda *a: (curate(*a), done.append(1))[0])
            with pytest.raises(Killed):
                opened.curate("a", str(film / "mended.tif"))
    with Workspace(workspace) as opened:
        assert at == "removal" or everything(opened, "a") == before
        left = [row["value"] for row in opened.status() if row["item"] == "incomplete"]
        assert all("run the same command again" in each for each in left)
        assert len(left) == (at != "store")
        opened.curate("a", str(film / "mended.tif"))
        ingest(opened, film, "fresh", "mended.tif")
        assert everything(opened, "a") == everything(opened, "fresh")
        assert len(opened.graph.history("a")) == 1
        assert len(opened._movies.of("a")) == 1
        assert not [row for row in opened.status() if row["item"] == "incomplete"]


def test_what_cannot_be_curated(film: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path / "ws") as opened:
        ingest(opened, film, "a", "a_labels.tif")
        before = everything(opened, "a")
        with pytest.raises(NotFoundError, match="no such file"):
            opened.curate("a", str(film / "none.tif"))
        tifffile.imwrite(film / "small.tif", np.ones((10, 10), np.uint16))
        with pytest.raises(InputError, match="masks of shape"):
            opened.curate("a", str(film / "small.tif"))
        with pytest.raises(NotFoundError):
            opened.curate("nowhere", str(film / "mended.tif"))
        assert everything(opened, "a") == before
        store = open_store(opened.folder / str(opened.culture("a").movie))
        os.rename(store.path, store.path.with_name("away"))
        with pytest.raises(NotFoundError, match="missing"):
            opened.curate("a", str(film / "mended.tif"))


def test_masks_that_differ_in_nothing_but_their_name(film: Path, tmp_path: Path) -> None:
    labels = tifffile.imread(film / "a_labels.tif")
    np.save(film / "same.npy", labels)
    with Workspace(tmp_path / "ws") as opened:
        ingest(opened, film, "a", "a_labels.tif")
        assert opened.curate("a", str(film / "same.npy")) is None

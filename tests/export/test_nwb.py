"""NWB files are valid, nwbinspector finds nothing critical in them, and they have the culture's values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from nwbinspector import Importance, inspect_nwbfile

from calcigraph import SyntheticOptions, Workspace
from calcigraph.errors import InputError
from calcigraph.export.archive import write_nwb
from calcigraph.export.collected import Collected
from calcigraph.ingest import IngestOptions
from calcigraph.store.graph import Graph
from calcigraph.store.movie import open_store


@pytest.fixture(scope="module")
def lab(embedded_lab: Graph) -> Graph:
    """On one engine: what was read from either is the same, as test_folders.py shows."""
    return embedded_lab


GRAVE = (Importance.CRITICAL, Importance.ERROR, Importance.PYNWB_VALIDATION)


def checked(path: Path, more_cells_than_frames: bool = False) -> None:
    """Fail for a file that is not valid, or in which nwbinspector finds anything critical.

    It takes the longer axis for time, so that a culture with more cells than frames looks turned to it.
    """
    assert pynwb.validate(path=str(path)) == []
    found = [message for message in inspect_nwbfile(nwbfile_path=path) if message.importance in GRAVE]
    told = [f"{message.check_function_name}: {message.message}" for message in found]
    if more_cells_than_frames:
        told = [line for line in told if not line.startswith("check_data_orientation")]
    assert told == []


def test_cells_traces_and_events(each: Collected, tmp_path: Path) -> None:
    notes = write_nwb(each, tmp_path / "a.nwb")
    checked(tmp_path / "a.nwb", more_cells_than_frames=len(each.cells) > each.culture.frames)
    graph = each.subgraph
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        file = io.read()
        cells = file.processing["ophys"]["ImageSegmentation"]["cells"]
        assert cells.id[:].tolist() == graph.labels.tolist()
        assert [
            (int(v["x"]), int(v["y"])) for v in (cells["voxel_mask"][i][0] for i in range(len(graph.labels)))
        ] == list(zip(np.rint(graph.x_px).astype(int).tolist(), np.rint(graph.y_px).astype(int).tolist(), strict=True))
        traces = file.processing["ophys"]["Fluorescence"]["traces"]
        np.testing.assert_array_equal(traces.data[:], graph.intensity.T)
        assert json.loads(file.notes)["culture"] == each.culture.uid
        relative = file.processing["ophys"].data_interfaces.get("DfOverF")
        assert (relative is None) == (each.dff is None)
        if relative is not None and each.dff is not None:
            rows = relative["dff"].rois.data[:]
            assert rows.tolist() == [row for row in range(30) if row != 2]
            np.testing.assert_array_equal(relative["dff"].data[:], each.dff[rows].T)
        if "events" in each.tables:
            events = file.intervals["calcium_events"].to_dataframe()
            assert len(events) == len(each.tables["events"].frame)
            assert sorted(events["start_time"]) == sorted(each.tables["events"].frame["onset_s"])
            assert file.experimenter == ('O\'Hara; "Ann" <a&b>',)
            np.testing.assert_array_equal(cells["robust_k_cell"][:], each.cells["robust_k_cell"])
    assert "when the recording began" in notes[0]


def test_what_was_annotated_fills_the_fields_of_nwb(rich: Collected, tmp_path: Path) -> None:
    said = {
        "session_start_time": "2026-05-04T09:30:00+02:00", "experimenter": "Hara, Ann; Li, Bo", "lab": "L",
        "indicator": "GCaMP6s", "emission_nm": 510, "species": "Drosophila melanogaster", "sex": "U", "age": "P3D",
        "description": "x", "subject_id": "s1",
    }  # fmt: skip
    found = replace(rich, culture=replace(rich.culture, annotations=said))
    assert write_nwb(found, tmp_path / "a.nwb") == ()
    checked(tmp_path / "a.nwb", more_cells_than_frames=True)
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        file = io.read()
        assert file.session_start_time.isoformat() == "2026-05-04T09:30:00+02:00"
        assert file.experimenter == ("Hara, Ann", "Li, Bo")
        assert (file.lab, file.subject.species, file.subject.subject_id) == ("L", "Drosophila melanogaster", "s1")
        plane: Any = file.imaging_planes["ImagingPlane"]
        assert (plane.indicator, plane.optical_channel[0].emission_lambda) == ("GCaMP6s", 510.0)
        assert plane.grid_spacing[:].tolist() == [0.5, 0.5]


def test_a_movie_in_another_workspace_is_said(rich: Collected, tmp_path: Path) -> None:
    found = replace(rich, culture=replace(rich.culture, movie="movies/A.ome.zarr"))
    assert write_nwb(found, tmp_path / "a.nwb")[-1].startswith("masks (the movie store is not in this workspace")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"session_start_time": "May 4"}, "session_start_time is 'May 4', expected ISO 8601"),
        ({"emission_nm": "510 nm"}, "emission_nm is '510 nm', expected a number in nm"),
        ({"excitation_nm": True}, "excitation_nm is True, expected a number"),
    ],
)
def test_annotations_that_nwb_cannot_take_are_refused(
    rich: Collected, said: dict[str, Any], says: str, tmp_path: Path
) -> None:
    found = replace(rich, culture=replace(rich.culture, annotations=said))
    with pytest.raises(InputError, match=says):
        write_nwb(found, tmp_path / "a.nwb")


def test_any_annotation_of_a_subject_is_taken(rich: Collected, tmp_path: Path) -> None:
    said = {"age": "14 days", "sex": "female", "species": "mouse", "weight": 0.02, "keywords": 3, "session_id": 7}
    found = replace(rich, culture=replace(rich.culture, annotations=said))
    write_nwb(found, tmp_path / "a.nwb")
    assert pynwb.validate(path=str(tmp_path / "a.nwb")) == []


def test_masks_are_those_of_the_movie(tmp_path: Path) -> None:
    movie = str(tmp_path / "a.tif")
    with Workspace(tmp_path / "ws") as workspace:
        workspace.simulate(movie, SyntheticOptions(cells=12, frames=30, size_px=96))
        culture, _ = workspace.ingest(movie, "a", IngestOptions(masks=str(tmp_path / "a_labels.tif")))
        workspace.export("a", tmp_path / "a.nwb")
        store = open_store(workspace.folder / str(culture.movie))
        labels, denoised, order = store.labels, store.denoised_traces, store.cells
    checked(tmp_path / "a.nwb")
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        ophys = io.read().processing["ophys"]
        cells = ophys["ImageSegmentation"]["cells"]
        drawn = np.zeros_like(labels)
        for number, label in enumerate(cells.id[:].tolist()):
            mask = cells["pixel_mask"][number]
            drawn[mask["y"], mask["x"]] = label
        np.testing.assert_array_equal(drawn, labels)
        rows = np.searchsorted(order, cells.id[:])
        np.testing.assert_array_equal(ophys["Fluorescence"]["denoised"].data[:], denoised[rows].T)
        assert ophys["Fluorescence"]["denoised"].rate == pytest.approx(1 / culture.frame_interval_s)

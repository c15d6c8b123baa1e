"""Folders of suite2p, written as suite2p writes them."""

from __future__ import annotations

import datetime
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from calcigraph import Workspace
from calcigraph.cli.app import run
from calcigraph.errors import InputError
from calcigraph.ingest.cells import find_tissue
from calcigraph.ingest.masks import masks_and_notes
from calcigraph.ingest.options import IngestOptions, TraceOptions
from calcigraph.ingest.polygons import outlines
from calcigraph.store.types import Masks


def test_traces_are_suite2ps_and_contacts_those_of_the_masks(tmp_path, tissue, write_suite2p, read):
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces)
    data = read(folder)
    fluorescence, around = np.load(folder / "F.npy"), np.load(folder / "Fneu.npy")
    assert np.allclose(data.cells.intensity, fluorescence.astype(float) - 0.7 * around, rtol=1e-12)
    assert data.cells.labels.tolist() == list(range(1, len(fluorescence) + 1))
    expected = find_tissue(Masks(tissue.labels, "", ""), min_area=1, max_gap=0)
    assert (expected.labels == np.unique(tissue.labels[tissue.labels > 0])).all()
    place = np.searchsorted(expected.labels, [expected.contacts.label_a, expected.contacts.label_b]) + 1
    assert (np.stack([data.contacts.label_a, data.contacts.label_b]) == place).all()
    assert (data.contacts.shared_border_px == expected.contacts.shared_border_px).all()
    assert (data.cells.area_px == expected.area_px).all()
    assert (data.cells.border == expected.border).all()
    assert data.cells.polygons == outlines(expected.cells, len(expected.labels))
    culture = data.culture
    assert (culture.frame_interval_s, culture.masks, culture.movie) == (5.0, "traces:suite2p", None)
    assert (culture.height_px, culture.width_px) == tissue.labels.shape
    assert culture.options["neuropil"] == 0.7
    assert culture.options["max_gap"] == 0
    assert culture.doubts == ()
    assert culture.tissue["found"] == len(fluorescence)


def test_neuropil_and_what_is_no_cell(tmp_path, tissue, write_suite2p, read):
    iscell = np.ones((len(tissue.traces), 2))
    iscell[3, 0] = 0
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces, iscell=iscell)
    some, every = read(folder, neuropil=0.0), read(folder, neuropil=0.0, all_regions=True)
    assert 4 not in some.cells.labels
    assert 4 in every.cells.labels
    assert (every.cells.intensity == np.load(folder / "F.npy").astype(float)).all()
    assert any("1 of" in warning and "--all-regions" in warning for warning in some.culture.warnings)
    digests = {read(folder, **words).culture.input_digest for words in ({}, {"neuropil": 0.5}, {"all_regions": True})}
    assert len(digests) == 3


@pytest.mark.parametrize("given", ["plane0", "plane0/stat.npy", "", "suite2p"])
def test_the_folder_is_found(tmp_path, tissue, write_suite2p, read, given):
    base = tmp_path / "plane0" if given.startswith("plane0") else tmp_path / "suite2p" / "plane0"
    write_suite2p(base, tissue.labels, tissue.traces)
    assert len(read(tmp_path / given).cells) == len(tissue.traces)


def test_version_1_has_settings_and_db(tmp_path, tissue, write_suite2p, read):
    height, width = tissue.labels.shape
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces, ops=None)
    np.save(folder / "settings.npy", {"fs": 0.5, "extraction": {"neuropil_coefficient": 0.7}}, allow_pickle=True)
    np.save(folder / "db.npy", {"Ly": height, "Lx": width, "data_path": [Path("/x")]}, allow_pickle=True)
    assert read(folder).culture.frame_interval_s == 2.0


def test_paths_and_dates_in_ops_do_no_harm(tmp_path, tissue, write_suite2p, read):
    height, width = tissue.labels.shape
    zone = datetime.timezone(datetime.timedelta(hours=1))
    ops = {"fs": np.float32(0.5), "Ly": np.int64(height), "Lx": width, "date_proc": datetime.datetime.now(zone)}
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces, ops=ops)
    assert read(folder).culture.frame_interval_s == 2.0


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {Evil.mark}",)

    mark: Path


@pytest.mark.parametrize("name", ["ops", "stat", "iscell", "F"])
def test_a_malicious_pickle_runs_nothing(tmp_path, tissue, write_suite2p, read, name):
    Evil.mark = tmp_path / "stolen"
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces)
    np.save(folder / f"{name}.npy", np.array([{"fs": Evil()}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=f"{name}.npy: names posix.system, which is no data") as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    assert not Evil.mark.exists()
    pickle.loads(pickle.dumps(Evil()))  # a plain load would have run it
    assert Evil.mark.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"F": None}, "F.npy: no such file"),
        ({"F": np.ones((3, 80))}, "they are of different runs"),
        ({"Fneu": np.ones((3, 80))}, "Fneu.npy: shape"),
        ({"iscell": np.zeros((3, 2))}, "iscell.npy: 3 rows"),
        ({"stat": np.ones(4)}, "no list of cells"),
        ({"stat": np.array([{"ypix": np.ones(3)}], dtype=object)}, "no list of cells"),
        ({"ops": {"fs": 10.0}}, "size of the frames"),
        ({"ops": {"Ly": 256, "Lx": 256}}, "--frame-interval"),
        ({"ops": {"fs": 10.0, "Ly": 20, "Lx": 20}}, "frames are 20 rows of 20"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(tmp_path, tissue, write_suite2p, read, changes, words):
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces, **changes)
    with pytest.raises((InputError, LookupError), match=words) as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def test_nothing_is_a_cell(tmp_path, tissue, write_suite2p, read):
    none = np.zeros((len(tissue.traces), 2))
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces, iscell=none)
    with pytest.raises(InputError, match="--all-regions"):
        read(folder)


def test_a_damaged_file_is_one_line(tmp_path, tissue, write_suite2p, read):
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces)
    for name in ("stat.npy", "F.npy"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match=f"{name}: not a readable .npy") as caught:
            read(folder)
        assert "\n" not in str(caught.value)
        (folder / name).write_bytes(content)


def test_several_planes_are_listed(tmp_path, tissue, write_suite2p, read):
    for plane in ("plane0", "plane1"):
        write_suite2p(tmp_path / "suite2p" / plane, tissue.labels, tissue.traces)
    with pytest.raises(InputError, match=r"plane0, plane1.*give the folder of one"):
        read(tmp_path)


@pytest.mark.parametrize("option", [{"max_distance_px": 30.0}])
def test_options_of_positions_are_refused(tmp_path, tissue, write_suite2p, read, option):
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces)
    with pytest.raises(InputError, match="--max-gap"):
        read(folder, **option)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"neuropil": -1.0}, "--neuropil -1.0: expected a number from 0 to 10"),
        ({"mask_share": 1.5}, "--mask-share 1.5: expected a number from 0 to 1"),
        ({"min_border": 0}, "--min-border 0: expected a whole number from 1 up"),
        ({"max_gap": -1}, "--max-gap -1: expected a whole number from 0 up"),
    ],
)
def test_limits(option, words):
    with pytest.raises(InputError, match=words):
        TraceOptions(**option)


@pytest.mark.parametrize("name", ["m.tif", "rois.zip", "a_seg.npy"])
def test_masks_and_movies_have_no_traces(tmp_path, read, name):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(InputError, match=r"has no traces.*--masks"):
        read(tmp_path / name)


def test_masks_with_options_that_need_them(tmp_path):
    for option in ({"mask_share": 0.5}, {"all_regions": True}):
        with pytest.raises(InputError, match="goes with --masks"):
            IngestOptions(**option)
    tifffile.imwrite(tmp_path / "m.tif", np.ones((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"--mask-share.*no weights"):
        masks_and_notes(str(tmp_path / "m.tif"), (4, 4), share=0.5)


def test_options_of_suite2p_are_refused_for_tables(tmp_path, read):
    (tmp_path / "t.csv").write_text("Mean1,XM1,YM1\n1,2,3\n2,3,4\n")
    with pytest.raises(InputError, match="--neuropil goes with suite2p"):
        read(tmp_path / "t.csv", neuropil=0.5, frame_interval_s=1.0)
    with pytest.raises(InputError, match="--max-gap goes with masks"):
        read(tmp_path / "t.csv", max_gap=3, frame_interval_s=1.0)


def test_a_culture_of_suite2p_is_fitted_queried_and_drawn(tmp_path, tissue, write_suite2p, capsys):
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces)
    speak = ["--workspace", str(tmp_path / "ws")]
    assert run([*speak, "ingest-traces", str(folder), "--culture", "s2p", "--neuropil", "0"]) == 0
    assert run([*speak, "ingest-traces", str(folder), "--culture", "s2p", "--neuropil", "0"]) == 0
    assert "nothing changed" in capsys.readouterr().err
    assert run([*speak, "ingest-traces", str(folder), "--culture", "s2p"]) == 1
    assert run([*speak, "fit", "s2p", "--null", "0"]) == 0
    assert run([*speak, "events", "s2p"]) == 0
    assert run([*speak, "picture", "s2p", "cells", "--out", str(tmp_path / "o.png")]) == 0
    assert (tmp_path / "o.png").stat().st_size > 1000
    with Workspace(tmp_path / "ws") as workspace:
        graph = workspace.subgraph("s2p")
        assert graph.has_borders
        assert (graph.intensity == np.load(folder / "F.npy").astype(float)).all()

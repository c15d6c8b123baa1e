"""NWB files with optical physiology, written by pynwb."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.ingest import read_masks

pynwb = pytest.importorskip("pynwb")
ophys = pytest.importorskip("pynwb.ophys")


def write(
    path: Path,
    labels: np.ndarray,
    traces: np.ndarray,
    mask: str = "image_mask",
    times: dict[str, Any] | None = None,
    series: tuple[str, ...] = ("RoiResponseSeries",),
    ids: Any = None,
    accepted: Any = None,
    **of_series: Any,
) -> Path:
    """NWB has x before y in masks, and time before regions in series."""
    file = pynwb.NWBFile(session_description="s", identifier="i", session_start_time=datetime(2026, 1, 1, tzinfo=UTC))
    device = file.create_device(name="microscope")
    channel = ophys.OpticalChannel(name="c", description="d", emission_lambda=500.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="d",
        device=device,
        excitation_lambda=488.0,
        indicator="GCaMP6",
        location="dish",
        grid_spacing=[0.5, 0.5],
        grid_spacing_unit="micrometers",
    )
    movie = ophys.TwoPhotonSeries(
        name="movie", imaging_plane=plane, dimension=list(labels.T.shape), external_file=["m.tif"], rate=0.5,
        starting_frame=[0], format="external", unit="n.a.", num_samples=80,
    )  # fmt: skip
    file.add_acquisition(movie)
    module = file.create_processing_module(name="ophys", description="d")
    segmentation = ophys.ImageSegmentation()
    module.add(segmentation)
    table = segmentation.create_plane_segmentation(name="cells", description="d", imaging_plane=plane)
    values = np.unique(labels[labels > 0])
    for place, value in enumerate(values):
        y, x = np.nonzero(labels == value)
        y, x = (y[:1], x[:1]) if mask == "point" else (y, x)
        given = {
            "point": [(x[0], y[0], 0, 1.0)],
            "image_mask": (labels == value).T.astype(float),
            "pixel_mask": [(a, b, 0.5) for a, b in zip(x, y, strict=True)],
            "voxel_mask": [(a, b, z, 0.5) for a, b in zip(x, y, strict=True) for z in range(2)],
        }[mask]
        table.add_roi(
            **{mask if mask != "point" else "voxel_mask": given}, id=int(place if ids is None else ids[place])
        )
    if accepted is not None:
        table.add_column(name="accepted", description="d", data=accepted)
    region = table.create_roi_table_region(region=list(range(len(values))), description="all")
    fluorescence = ophys.Fluorescence()
    if series:
        module.add(fluorescence)
    for name in series:
        fluorescence.create_roi_response_series(
            name=name, data=traces.T, rois=region, unit="n.a.", **(times or {"rate": 0.5}), **of_series
        )
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


@pytest.mark.parametrize("mask", ["image_mask", "pixel_mask", "voxel_mask"])
def test_values_are_pynwbs_and_masks_lie_as_they_should(tmp_path, tissue, read, mask):
    path = write(tmp_path / "a.nwb", tissue.labels, tissue.traces, mask, conversion=2.0, offset=1.0)
    data = read(path)
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        series = file.processing["ophys"]["Fluorescence"]["RoiResponseSeries"]
        assert (data.cells.intensity == series.get_data_in_units().T).all()
    assert np.allclose(data.cells.intensity, 2 * tissue.traces + 1)
    values = np.unique(tissue.labels[tissue.labels > 0])
    assert data.cells.labels.tolist() == list(range(1, len(values) + 1))
    for row in (0, 7, 20):
        y, x = np.nonzero(tissue.labels == values[row])
        assert (data.cells.x_px[row], data.cells.y_px[row]) == pytest.approx((x.mean(), y.mean()))
        assert data.cells.area_px[row] == len(x)
    culture = data.culture
    assert (culture.height_px, culture.width_px) == tissue.labels.shape
    assert (culture.frame_interval_s, culture.pixel_size_um, culture.masks) == (2.0, 0.5, "traces:NWB")
    assert (data.contacts.shared_border_px > 0).all()


def test_single_pixels_are_positions(tmp_path, tissue, read):
    path = write(tmp_path / "a.nwb", tissue.labels, tissue.traces, "point")
    data = read(path)
    assert np.isnan(data.contacts.shared_border_px).all()
    assert len(data.contacts) > 40
    y, x = np.nonzero(tissue.labels == np.unique(tissue.labels[tissue.labels > 0])[3])
    assert (data.cells.x_px[3], data.cells.y_px[3]) == (x[0], y[0])
    assert any("taken as its position" in each for each in data.culture.warnings)
    with pytest.raises(InputError, match="but no masks"):
        read_masks(str(path), tissue.labels.shape)


def test_ids_are_labels_where_they_can_be(tmp_path, tissue, read):
    ids = 3 * np.arange(1, len(tissue.traces) + 1)[::-1]
    data = read(write(tmp_path / "a.nwb", tissue.labels, tissue.traces, ids=ids))
    assert data.cells.labels.tolist() == sorted(ids.tolist())
    assert (data.cells.intensity == tissue.traces[::-1]).all()


def test_timestamps_are_kept(tmp_path, tissue, read):
    stamps = np.arange(tissue.traces.shape[1]) * 3.0 + 17
    even = read(write(tmp_path / "a.nwb", tissue.labels, tissue.traces, times={"timestamps": stamps}))
    assert (even.culture.frame_interval_s, even.culture.time_s) == (3.0, None)
    stamps[40:] += 30
    gap = read(write(tmp_path / "b.nwb", tissue.labels, tissue.traces, times={"timestamps": stamps}))
    assert gap.culture.time_s is not None
    assert gap.culture.time_s[40] == pytest.approx(stamps[40] - 17)
    assert "timestamps of RoiResponseSeries" in gap.culture.warnings[0]


def test_several_series_are_listed(tmp_path, tissue, read):
    path = write(tmp_path / "a.nwb", tissue.labels, tissue.traces, series=("Raw", "Neuropil"))
    with pytest.raises(InputError, match="Fluorescence/Raw, Fluorescence/Neuropil"):
        read(path)
    for signal in ("Raw", "Fluorescence/Neuropil"):
        assert len(read(path, signal=signal).cells) == len(tissue.traces)
    with pytest.raises(InputError, match="--signal Deconvolved: is not there"):
        read(path, signal="Deconvolved")


def test_regions_that_are_no_cells(tmp_path, tissue, read):
    accepted = np.ones(len(tissue.traces), bool)
    accepted[[2, 4]] = False
    path = write(tmp_path / "a.nwb", tissue.labels, tissue.traces, accepted=accepted)
    assert not {3, 5} & set(read(path).cells.labels.tolist())
    assert len(read(path, all_regions=True).cells) == len(tissue.traces)


def test_a_file_without_traces_is_one_line(tmp_path, tissue, read):
    path = write(tmp_path / "a.nwb", tissue.labels, tissue.traces, series=())
    with pytest.raises(InputError, match="no RoiResponseSeries"):
        read(path)
    content = write(tmp_path / "b.nwb", tissue.labels, tissue.traces).read_bytes()
    (tmp_path / "c.nwb").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="not readable") as caught:
        read(tmp_path / "c.nwb")
    assert "\n" not in str(caught.value)

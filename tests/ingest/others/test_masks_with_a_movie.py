"""Another program's regions as the masks of a movie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from calcigraph.cli.app import run
from calcigraph.errors import InputError
from calcigraph.ingest import read_masks

roifile = pytest.importorskip("roifile")

SHAPE = (60, 80)


def square(x0: int, y0: int, side: int = 20) -> np.ndarray:
    return np.array([[x0, y0], [x0 + side, y0], [x0 + side, y0 + side], [x0, y0 + side]])


def rois(folder: Path, *each: roifile.ImagejRoi) -> str:
    roifile.roiwrite(folder / "rois.zip", each, mode="w")
    return str(folder / "rois.zip")


def test_polygons_fill_the_pixels_whose_centres_they_hold(tmp_path):
    path = rois(tmp_path, *(roifile.ImagejRoi.frompoints(square(x, 10), name=str(x)) for x in (5, 30)))
    labels = read_masks(path, SHAPE).labels
    expected = np.zeros(SHAPE, int)
    expected[10:30, 5:25], expected[10:30, 30:50] = 5, 30  # names that are whole numbers are labels
    assert (labels == expected).all()
    corners = roifile.roiread(path)[0].coordinates()
    assert (corners.min(axis=0), corners.max(axis=0)) == (pytest.approx((5, 10)), pytest.approx((25, 30)))


def test_shared_pixels_go_to_the_smaller_roi(tmp_path):
    path = rois(tmp_path, *(roifile.ImagejRoi.frompoints(square(5, 10, side)) for side in (12, 40)))
    labels = read_masks(path, SHAPE).labels
    assert (labels[10:22, 5:17] == 1).all()
    assert (labels == 2).sum() == 40 * 40 - 12 * 12


@pytest.mark.parametrize("kind", ["RECT", "OVAL"])
def test_rectangles_and_ovals(tmp_path, kind):
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE[kind]
    roi.left, roi.top, roi.right, roi.bottom, roi.name = 10, 20, 30, 50, "a"
    labels = read_masks(rois(tmp_path, roi), SHAPE).labels
    inside = labels[20:50, 10:30]
    assert labels.sum() == inside.sum()
    assert inside.sum() == (600 if kind == "RECT" else pytest.approx(np.pi * 10 * 15, rel=0.02))


def test_sub_pixel_outlines_and_a_single_roi(tmp_path):
    roi = roifile.ImagejRoi.frompoints(square(5, 10) + 0.4)
    roi.tofile(tmp_path / "one.roi")
    assert (read_masks(str(tmp_path / "one.roi"), SHAPE).labels[10:30, 5:25] == 1).all()
    roi = roifile.ImagejRoi.frompoints(square(5, 10) + 0.6)
    roi.tofile(tmp_path / "two.roi")
    assert (read_masks(str(tmp_path / "two.roi"), SHAPE).labels[11:31, 6:26] == 1).all()


def test_what_has_no_inside_is_told_or_refused(tmp_path):
    line = roifile.ImagejRoi()
    line.roitype, line.name = roifile.ROI_TYPE.LINE, "scale bar"
    with pytest.raises(InputError, match="none of its 1 ROIs has an inside"):
        read_masks(rois(tmp_path, line), SHAPE)
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(InputError, match="not readable as ImageJ ROIs") as caught:
        read_masks(str(tmp_path / "bad.zip"), SHAPE)
    assert "\n" not in str(caught.value)


def test_suite2p_gives_the_same_masks_as_its_labels(tmp_path, tissue, write_suite2p):
    folder = write_suite2p(tmp_path / "plane0", tissue.labels, tissue.traces)
    labels = read_masks(str(folder), tissue.labels.shape).labels
    values = np.concatenate([[0], np.unique(tissue.labels[tissue.labels > 0])])
    assert (values[labels] == tissue.labels).all()
    with pytest.raises(InputError, match="masks of shape"):
        read_masks(str(folder), (10, 10))


def test_ingest_takes_rois_and_tells_what_overlaps(tmp_path, capsys):
    rng = np.random.default_rng(0)
    movie = rng.integers(500, 900, (12, *SHAPE)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    path = rois(tmp_path, *(roifile.ImagejRoi.frompoints(square(x, 10)) for x in (5, 23, 43)))
    command = ["--workspace", str(tmp_path / "ws"), "ingest", str(tmp_path / "m.tif"), "--masks", path]
    command += ["--culture", "a", "--frame-interval", "2", "--min-area", "100"]
    assert run(command) == 0
    told = capsys.readouterr().err
    assert "40 pixels belong to several cells" in told
    assert "3 cells" in told
    assert run(command) == 0
    assert "nothing changed" in capsys.readouterr().err
    assert run([*command, "--all-regions"]) == 1
    assert "--all-regions goes with suite2p" in capsys.readouterr().err

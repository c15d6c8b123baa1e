import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest import read_masks

LABELS = np.kron(np.array([[1, 5], [0, 300]]), np.ones((4, 6), int))


def write(path, image):
    if path.suffix == ".npy":
        np.save(path, {"masks": image, "filename": "x.tif", "flows": [np.zeros((2, 2))]}, allow_pickle=True)
    elif path.suffix == ".png":
        cv2.imwrite(str(path), image)
    else:
        tifffile.imwrite(path, image)
    return str(path)


@pytest.mark.parametrize("name", ["m.tif", "m.png", "m_seg.npy"])
def test_labels_come_as_they_are(tmp_path, name):
    masks = read_masks(write(tmp_path / name, LABELS.astype(np.uint16)), LABELS.shape)
    assert (masks.labels == LABELS).all()
    assert masks.labels.dtype == np.int32
    assert masks.source == f"file:{name}"


def test_the_digest_is_of_the_labels_not_the_file(tmp_path):
    one = read_masks(write(tmp_path / "a.png", LABELS.astype(np.uint16)), LABELS.shape)
    other = read_masks(write(tmp_path / "b_seg.npy", LABELS.astype(np.int64)), LABELS.shape)
    changed = read_masks(write(tmp_path / "c.png", (LABELS + 1).astype(np.uint16)), LABELS.shape)
    assert one.digest == other.digest != changed.digest


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.ones((6, 4), np.uint16), "shape"),
        (LABELS.T.astype(np.uint16), "transposed"),
        (np.full(LABELS.shape, 0.5, np.float32), "whole numbers"),
        (np.zeros(LABELS.shape, np.uint8), "no cell"),
        (np.full(LABELS.shape, -1, np.int16), "expected 0 to"),
        (np.zeros((*LABELS.shape, 3), np.uint8), "expected one grey image"),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path, image, words):
    options = {"photometric": "rgb"} if image.ndim == 3 else {}
    tifffile.imwrite(tmp_path / "m.tif", image, **options)
    with pytest.raises(InputError, match=words):
        read_masks(str(tmp_path / "m.tif"), LABELS.shape)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        read_masks(str(tmp_path / "m.tif"), LABELS.shape)
    for name in ("m.png", "m.tif", "m_seg.npy"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(InputError, match=name):
            read_masks(str(tmp_path / name), LABELS.shape)


class Evil:
    def __reduce__(self):
        return (open, ("stolen", "w"))


def test_a_seg_npy_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "m_seg.npy", {"masks": LABELS, "other": Evil()}, allow_pickle=True)
    with pytest.raises(InputError, match=r"m_seg.npy: names io\.open, which is no data"):
        read_masks("m_seg.npy", LABELS.shape)
    assert not (tmp_path / "stolen").exists()
    assert pickle.dumps(Evil())  # it would have been written by a plain load


@pytest.mark.parametrize("protocol", range(2, 6))
def test_seg_npy_of_every_version_of_cellpose_and_pickle(tmp_path, protocol):
    """As version 0 (cells from -1), 2 and 4 save them: with paths, manual changes and parameters beside the masks."""
    contents = {
        "0": {"masks": LABELS.astype(np.int32) - 1, "outlines": LABELS, "img": np.zeros((2, 2)), "est_diam": 30.0},
        "2": {
            "masks": LABELS.astype(np.uint16),
            "model_path": Path("/m"),
            "ismanual": np.zeros(3, bool),
            "zdraw": [None],
        },
        "4": {
            "masks": LABELS[None].astype(np.uint32),
            "manual_changes": [["06/01/2025, 10:00:00", "added mask", [np.arange(3), np.arange(3)]]],
            "normalize_params": {"percentile": [1.0, 99.0], "lowhigh": None, "norm3D": np.bool_(True)},
            "diameter": np.float64(30),
            "flows": [np.zeros((2, 2)), [], [np.zeros(2)]],
        },
    }
    for version, content in contents.items():
        file = tmp_path / f"v{version}_seg.npy"
        boxed = np.array(content, dtype=object)
        with file.open("wb") as handle:
            header = np.lib.format.header_data_from_array_1_0(boxed)
            np.lib.format.write_array_header_1_0(handle, header)
            pickle.dump(boxed, handle, protocol=protocol)
        assert (np.load(file, allow_pickle=True).item()["masks"] == content["masks"]).all()
        assert (read_masks(str(file), LABELS.shape).labels == LABELS).all()


def test_a_seg_npy_without_masks(tmp_path):
    np.save(tmp_path / "m_seg.npy", {"outlines": LABELS}, allow_pickle=True)
    with pytest.raises(InputError, match="no 'masks'"):
        read_masks(str(tmp_path / "m_seg.npy"), LABELS.shape)

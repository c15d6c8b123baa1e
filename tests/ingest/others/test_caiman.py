"""CaImAn's HDF5, with the layout that its CNMF.save() writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from calcigraph.errors import InputError
from calcigraph.ingest import read_masks

h5py = pytest.importorskip("h5py")


def save(file: Any, path: str, content: dict[str, Any]) -> None:
    """As caiman.utils.utils.recursively_save_dict_contents_to_group does."""
    for key, item in content.items():
        if isinstance(item, dict):
            save(file, f"{path}{key}/", item)
        elif isinstance(item, str):
            file.require_group(path).attrs[key] = item
        elif item is None:
            file[path + key] = "NoneType"
        elif isinstance(item, csc_matrix):
            for part in ("data", "indptr", "indices"):
                file[f"{path}{key}/{part}"] = getattr(item, part)
            file[f"{path}{key}/shape"] = item.shape
        else:
            file[path + key] = np.array(item)


def components(labels: np.ndarray, weight: float = 0.3) -> csc_matrix:
    """(pixels in Fortran order, cells); each column of length 1, as CaImAn's."""
    values = np.unique(labels[labels > 0])
    columns = np.stack([(labels == value).ravel(order="F") for value in values], axis=1)
    return csc_matrix(columns * weight)


def content(labels: np.ndarray, traces: np.ndarray, **estimates: Any) -> dict[str, Any]:
    residual = 0.01 * traces[:, ::-1]
    return {
        "dims": labels.shape,
        "params": {"data": {"fr": 0.5, "decay_time": 0.4, "dims": None, "caiman_version": "1.12"}, "spatial": {}},
        "estimates": {
            "A": components(labels),
            "C": traces,
            "YrA": residual,
            "F_dff": traces / 2,
            "S": None,
            "dims": labels.shape,
            "idx_components": None,
        }
        | estimates,
        "dview": None,
    }


@pytest.fixture
def write(tmp_path, tissue):
    def write(name: str = "results.hdf5", **estimates: Any) -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            save(file, "/", content(tissue.labels, tissue.traces, **estimates))
        return tmp_path / name

    return write


def test_traces_are_caimans_and_masks_its_components(write, tissue, read):
    data = read(write())
    assert np.allclose(data.cells.intensity, tissue.traces + 0.01 * tissue.traces[:, ::-1], rtol=1e-14)
    areas = np.bincount(tissue.labels.ravel())[1:]
    assert (data.cells.area_px == areas[areas > 0]).all()
    assert data.culture.frame_interval_s == 2.0
    assert (data.culture.height_px, data.culture.width_px) == tissue.labels.shape
    assert data.culture.masks == "traces:CaImAn"
    assert data.culture.options["signal"] == "C+YrA"
    y, x = np.nonzero(tissue.labels == np.unique(tissue.labels[tissue.labels > 0])[5])
    assert (data.cells.x_px[5], data.cells.y_px[5]) == pytest.approx((x.mean(), y.mean()))
    assert (data.contacts.shared_border_px > 0).all()


def test_the_signal_and_the_accepted_components(write, tissue, read):
    path = write(idx_components=np.array([0, 2, 5]))
    data = read(path, signal="F_dff")
    assert data.cells.labels.tolist() == [1, 3, 6]
    assert (data.cells.intensity == tissue.traces[[0, 2, 5]] / 2).all()
    assert any("37 of 40 components were not accepted" in each for each in data.culture.warnings)
    assert len(read(path, all_regions=True).cells) == 40
    for signal in ("S", "nonsense"):
        with pytest.raises(InputError, match=r"C\+YrA, C, F_dff"):
            read(path, signal=signal)


def test_a_pixel_goes_to_the_heaviest_component(write, tissue, read):
    """Components that overlap, of unlike height, with faint tails over the whole picture."""
    values = np.unique(tissue.labels[tissue.labels > 0])
    heights = np.linspace(1, 9, len(values))
    tail = 0.1 * heights
    dense = np.stack([(tissue.labels == value).ravel(order="F") for value in values], axis=1) * heights
    data = read(write(A=csc_matrix(np.maximum(dense, tail))))
    areas = np.bincount(tissue.labels.ravel())[1:]
    assert (data.cells.area_px == areas[areas > 0]).all()
    all_of_it = read(write(A=csc_matrix(np.maximum(dense, tail))), mask_share=0.0)
    assert all_of_it.cells.area_px.sum() == tissue.labels.size
    assert any("belong to several cells" in each for each in all_of_it.culture.warnings)


@pytest.mark.parametrize(
    ("estimates", "words"),
    [
        ({"A": None}, "has no components"),
        ({"dims": (7, 9)}, "do not fit frames of 7 x 9"),
        ({"dims": (7, 9, 3)}, "one plane"),
        ({"YrA": None}, "has no YrA"),
        ({"YrA": np.zeros((40, 3))}, "of shapes"),
        ({"C": np.zeros((3, 80))}, "has no C of its 40 components"),
        ({"idx_components": np.array([99])}, "--all-regions"),
    ],
)
def test_what_does_not_fit_together_is_one_line(write, read, estimates, words):
    with pytest.raises(InputError, match=words) as caught:
        read(write(**estimates))
    assert "\n" not in str(caught.value)


def test_another_hdf5_and_a_broken_one(tmp_path, write, read):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = np.zeros(3)
    with pytest.raises(InputError, match=r"not known \(it has image\)"):
        read(tmp_path / "other.h5")
    content = write().read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="not readable as HDF5") as caught:
        read(tmp_path / "cut.hdf5")
    assert "\n" not in str(caught.value)


def test_components_as_masks_of_a_movie(write, tissue):
    labels = read_masks(str(write()), tissue.labels.shape).labels
    values = np.concatenate([[0], np.unique(tissue.labels[tissue.labels > 0])])
    assert (values[labels] == tissue.labels).all()

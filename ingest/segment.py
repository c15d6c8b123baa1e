"""From a picture of the culture to cell masks, with Cellpose 3 and the model that calcigraph ships.

The shipped model (`weights/`) was trained by `training/train_segmenter.py` from synthetic tissue. Nothing is ever
downloaded: a model that is not on this machine is an error. torch and cellpose are imported only when cells are
looked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError, MissingExtraError, NotFoundError
from calcigraph.store.types import LabelImage, Masks, Progress, silent

_SHIPPED = Path(__file__).resolve().parent / "weights" / "confluent.pt"
_INSTALL = "pip install 'calcigraph[segment]' (Python 3.11 or 3.12), or give --masks"


@dataclass(frozen=True)
class Weights:
    """A file of CPnet weights, and the cell diameters it sees well (of circles of equal area, after its rescaling)."""

    path: Path
    name: str
    smallest_px: float
    largest_px: float
    large_tiles: bool
    """Whether a tile may be larger than cellpose's 224 px: fewer overlaps, half the time."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def require_cellpose() -> None:
    """Raise MissingExtraError where cellpose is not installed, before a movie is read for it."""
    if importlib.util.find_spec("cellpose") is not None:
        return
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    why = "" if sys.version_info < (3, 13) else f", and cannot be on Python {here}, for which it has no numpy"
    raise MissingExtraError(f"cells are found with cellpose 3, which is not installed{why}: {_INSTALL}")


def find_weights(model: str | None = None) -> Weights:
    """Find a segmentation model on this machine, without loading it.

    Parameters
    ----------
    model : None for the shipped one; the path of a file of Cellpose 3 (CPnet) weights; or the name of a Cellpose 3
        model, such as cyto3, that lies in Cellpose's own folder ($CELLPOSE_LOCAL_MODELS_PATH or ~/.cellpose/models).

    Raises
    ------
    NotFoundError : a named model that is not on this machine.
    InputError : a path without a file.
    """
    if model is None:
        return Weights(_SHIPPED, "confluent", smallest_px=14, largest_px=72, large_tiles=True)
    path = Path(model).expanduser()
    if not path.is_file():
        if path.is_dir() or path.name != model or path.suffix:
            raise InputError(f"no segmentation model at {model}: expected a file of Cellpose 3 (CPnet) weights")
        path = _local_model(model)
    return Weights(path, Path(model).name, smallest_px=20, largest_px=45, large_tiles=False)


def find_cells(image: NDArray[Any], model: str | None = None, progress: Progress = silent) -> Masks:
    """Find the cells in a picture.

    The picture is looked at in its own resolution first; when the cells found are smaller or larger than the model can
    see well, it is looked at again, rescaled to their median diameter. The same picture and model give the same masks.

    Parameters
    ----------
    image : (Y, X), any scale, brighter where there is more light; usually the mean of the normalised frames.
    model : as in `find_weights`.
    progress : called with stage "segment".

    Returns
    -------
    Masks with labels 1..n, each one 4-connected piece; `digest` is the SHA-256 of the weights.

    Raises
    ------
    InputError : not a picture with contrast, weights that are not a CPnet, or no cells found.
    NotFoundError, InputError : as `find_weights`.
    MissingExtraError : cellpose is not installed, or not version 3.
    """
    picture = _checked(image)
    weights = find_weights(model)
    progress("segment", 0, 3)
    with _quiet():
        network = _load(weights)
        progress("segment", 1, 3)
        labels = _look(network, weights, picture, None)
        progress("segment", 2, 3)
        diameter = _median_diameter(labels)
        seen = diameter * float(network.diam_mean / network.diam_labels)
        if diameter and not weights.smallest_px <= seen <= weights.largest_px:
            labels = _look(network, weights, picture, diameter)
    if not labels.any():
        raise InputError(
            f"no cells found by the model {weights.name} in the {picture.shape[0]} x {picture.shape[1]} px picture: "
            "try --segment-on max or a frame number, another --cellpose-model, or give --masks"
        )
    progress("segment", 3, 3)
    return Masks(labels, f"cellpose:{weights.name}", weights.digest)


def _checked(image: NDArray[Any]) -> NDArray[np.float32]:
    picture = np.asarray(image)
    if picture.ndim != 2 or min(picture.shape) < 16 or not np.issubdtype(picture.dtype, np.number):
        raise InputError(f"cannot segment an array of shape {picture.shape}: expected one picture, (Y, X), >= 16 px")
    picture = picture.astype(np.float32)
    if not np.isfinite(picture).all():
        raise InputError("the picture to segment has values that are not finite: expected numbers in every pixel")
    low, high = np.percentile(picture, (1, 99))
    if not high > low:
        raise InputError("the picture to segment has no contrast: try --segment-on max, or give --masks")
    return picture


def _local_model(name: str) -> Path:
    """Where Cellpose 3 keeps a model it has downloaded before."""
    home = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
    folder = Path(home) if home else Path.home() / ".cellpose" / "models"
    path = folder / (f"{name}torch_0" if name in ("cyto", "cyto2", "nuclei") else name)
    if not path.is_file():
        raise NotFoundError(
            f"the Cellpose model {name} is not in {folder}, and calcigraph downloads nothing: fetch it once with "
            f"python -c \"from cellpose.models import model_path; model_path('{name}')\", or give a path"
        )
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep cellpose and torch off stdout and their notices (deprecations, progress, "no masks") to themselves."""
    logger = logging.getLogger("cellpose")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _load(weights: Weights) -> Any:
    """The network on the CPU, in the memory layout that is three times faster there."""
    try:
        import torch
        from cellpose.models import CellposeModel
    except ImportError as error:
        raise MissingExtraError(f"segmentation needs cellpose 3 ({error}): {_INSTALL}") from error
    _require_cpnet(weights.path)
    network = CellposeModel(gpu=False, pretrained_model=str(weights.path), mkldnn=False)
    network.net = network.net.to(memory_format=torch.channels_last)
    return network


def _require_cpnet(path: Path) -> None:
    """Refuse what cellpose would load without a word, or not at all: it skips every weight whose name it lacks."""
    from importlib.metadata import version
    from pickle import UnpicklingError

    import torch
    from cellpose.resnet_torch import CPnet

    if not version("cellpose").startswith("3."):
        raise MissingExtraError(f"segmentation needs cellpose 3, found {version('cellpose')}: {_INSTALL}")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        shapes = {name: tuple(value.shape) for name, value in found.items()}
    except (UnpicklingError, RuntimeError, EOFError, AttributeError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as Cellpose 3 weights: {str(error).splitlines()[0]}") from error
    for name, value in CPnet([2, 32, 64, 128, 256], 3, sz=3).state_dict().items():
        optional = name.startswith("diam_") or name.endswith("num_batches_tracked")
        if shapes.get(name, tuple(value.shape) if optional else None) != tuple(value.shape):
            raise InputError(f"{path} does not hold a default-width Cellpose 3 CPnet (at {name}): give such a file")


def _look(network: Any, weights: Weights, picture: NDArray[np.float32], diameter: float | None) -> LabelImage:
    scale = float(network.diam_mean) / (diameter or float(network.diam_labels))
    tile = _tile_px(scale * max(picture.shape)) if weights.large_tiles else 224
    masks = network.eval(picture, channels=[0, 0], diameter=diameter, bsize=tile, batch_size=8 if tile <= 224 else 1)[0]
    return _cleaned(np.asarray(masks, np.int32))


def _tile_px(side_px: float) -> int:
    """One tile if it fits 640 px, else the size that covers the side with the fewest tiles, overlapping by a tenth."""
    padded = 16 * int(np.ceil(side_px / 16)) + 32
    tiles = int(np.ceil(padded / 640))
    return padded if tiles == 1 else 16 * int(np.ceil(1.2 * padded / tiles / 16)) + 16


def _median_diameter(labels: LabelImage) -> float:
    areas = np.bincount(labels.ravel())[1:]
    return float(2 * np.sqrt(np.median(areas[areas > 0]) / np.pi)) if (areas > 0).any() else 0.0


def _cleaned(labels: LabelImage) -> LabelImage:
    """Each cell's largest 4-connected piece, without fragments below a tenth of the median area; labels 1..n.

    Strays would make contacts between cells that are far apart, and a fragment would make its neighbours border cells.
    """
    from scipy.ndimage import find_objects, label

    cleaned = labels.copy()
    for number, window in enumerate(find_objects(labels), 1):
        if window is not None:
            pieces, count = label(labels[window] == number)
            if count > 1:
                largest = np.bincount(pieces.ravel())[1:].argmax() + 1
                cleaned[window][(pieces > 0) & (pieces != largest)] = 0
    areas = np.bincount(cleaned.ravel())
    areas[0] = 0
    kept = areas >= 0.1 * np.median(areas[areas > 0]) if areas.any() else areas > 0
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[cleaned]

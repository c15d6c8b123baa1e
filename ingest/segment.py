"""From a picture of the culture to cell masks, with Cellpose 3 and the model that calcigraph ships.

The shipped model (`weights/`) was trained on synthetic tissue by `training/train_segmenter.py`. Nothing is ever
downloaded: a model that is not on this machine is an error. torch and cellpose are imported only when cells are to be
found.
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
from calcigraph.ingest.cell_sizes import likeness
from calcigraph.ingest.movie import first_line
from calcigraph.store.types import LabelImage, Masks, Progress, silent

_SHIPPED = Path(__file__).resolve().parent / "weights" / "confluent.pt"
_TILE_PX = 224
"""Side of cellpose's tiles."""
_LARGE_TILE_PX = 640
"""Largest side of the shipped model's tiles."""
LOOKS = 2
"""Times that a picture is scaled anew, at most."""
_FRAGMENT = 0.1
"""Pieces below this share of the median area are no cells."""
_INSTALL = "pip install 'calcigraph[segment]' (Python 3.11 or 3.12), or give --masks"


@dataclass(frozen=True)
class Weights:
    """A file of CPnet weights and what its network can see; made by `find_weights`."""

    path: Path
    name: str
    smallest_px: float
    """Diameter of the smallest cells that it sees well, after its rescaling; of a circle of the cell's area."""
    largest_px: float
    """Diameter of the largest, likewise."""
    aim_px: float
    """Diameter to which larger cells are scaled down."""
    large_tiles: bool
    """Whether a tile may be larger than cellpose's: fewer overlaps, half the time."""

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
    model
        None for the shipped one; the path of a file of Cellpose 3 (CPnet) weights; or the name of a Cellpose 3 model,
        such as cyto3, that lies in Cellpose's own folder ($CELLPOSE_LOCAL_MODELS_PATH or ~/.cellpose/models).

    Raises
    ------
    NotFoundError
        A named model is not on this machine.
    InputError
        There is no file at the path.

    Examples
    --------
    >>> find_weights().name
    'confluent'
    """
    if model is None:
        return Weights(path=_SHIPPED, name="confluent", smallest_px=12, largest_px=60, aim_px=40, large_tiles=True)
    path = Path(model).expanduser()
    if not path.is_file():
        if path.is_dir() or path.name != model or path.suffix:
            raise InputError(f"no segmentation model at {model}: expected a file of Cellpose 3 (CPnet) weights")
        path = _local_model(model)
    return Weights(path=path, name=Path(model).name, smallest_px=20, largest_px=45, aim_px=30, large_tiles=False)


def find_cells(image: NDArray[Any], model: str | None = None, progress: Progress = silent) -> Masks:
    """Find the cells in a picture.

    The network sees the picture in its own resolution first. If the cells that it finds are smaller or larger than it
    sees well, it sees the picture again, rescaled by their median diameter, and once more if they are still so. The
    same picture and model give the same masks.

    Parameters
    ----------
    image
        (Y, X), on any scale, brighter where there is more light; usually the mean of the normalised frames.
    model
        As for `find_weights`.
    progress
        Called with the stage "segment".

    Returns
    -------
    Masks with labels 1..n, each one 4-connected piece; `digest` is the SHA-256 of the weights.

    Raises
    ------
    InputError
        It is no picture with contrast, the weights are not a CPnet, or no cells are found.
    NotFoundError, InputError
        As `find_weights`.
    MissingExtraError
        cellpose is not installed, or not version 3.
    """
    picture = _checked(image)
    weights = find_weights(model)
    progress("segment", 0, 3)
    with _quiet():
        network = _load(weights)
        progress("segment", 1, 3)
        labels = _look(network, weights, picture, None)
        progress("segment", 2, 3)
        labels = _looked_again(network, weights, picture, labels)
    if not labels.any():
        raise InputError(
            f"no cells found by the model {weights.name} in the {picture.shape[0]} x {picture.shape[1]} px picture: "
            "try another --segment-on (max, or a frame number), another --cellpose-model, or give --masks"
        )
    progress("segment", 3, 3)
    return Masks(labels, f"cellpose:{weights.name}", weights.digest)


def _checked(image: NDArray[Any]) -> NDArray[np.float32]:
    """The picture as the network takes it. Raises InputError."""
    picture = np.asarray(image)
    if picture.ndim != 2 or min(picture.shape) < 16 or not np.issubdtype(picture.dtype, np.number):
        raise InputError(f"cannot segment an array of shape {picture.shape}: expected one picture, (Y, X), >= 16 px")
    picture = picture.astype(np.float32)
    if not np.isfinite(picture).all():
        raise InputError("the picture to segment has values that are not finite: expected numbers in every pixel")
    # Between these percentiles cellpose scales a picture; where they agree it would divide by 0.
    low, high = np.percentile(picture, (1, 99))
    if not high > low:
        raise InputError("the picture to segment has no contrast: try another --segment-on, or give --masks")
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
    """Keep cellpose and torch off stdout, and silence their notices (deprecations, progress, "no masks")."""
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
    # Always on the CPU, so that a machine's graphics card does not change the masks.
    network = CellposeModel(gpu=False, pretrained_model=str(weights.path), mkldnn=False)
    network.net = network.net.to(memory_format=torch.channels_last)
    return network


def _require_cpnet(path: Path) -> None:
    """Refuse weights of another network: cellpose skips every weight whose name it lacks, and says nothing."""
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
        raise InputError(f"{path} cannot be read as Cellpose 3 weights: {first_line(error)}") from error
    for name, value in CPnet([2, 32, 64, 128, 256], 3, sz=3).state_dict().items():
        # Files of older versions lack these; what they hold is not needed, or has a default.
        optional = name.startswith("diam_") or name.endswith("num_batches_tracked")
        if shapes.get(name, tuple(value.shape) if optional else None) != tuple(value.shape):
            raise InputError(f"{path} does not hold a default-width Cellpose 3 CPnet (at {name}): give such a file")


def _looked_again(network: Any, weights: Weights, picture: NDArray[np.float32], labels: LabelImage) -> LabelImage:
    """The cells at a size that the network sees well; scaled twice at most, as what it first sees may be pieces."""
    # The network scales a picture so that cells of this diameter have its own, `diam_mean`.
    scaled_from = float(network.diam_labels)
    for _ in range(LOOKS):
        diameter = _median_diameter(labels)
        seen = diameter * float(network.diam_mean) / scaled_from
        if not diameter or weights.smallest_px <= seen <= weights.largest_px:
            break
        aim = weights.aim_px if seen > weights.largest_px else float(network.diam_mean)
        scaled_from = diameter * float(network.diam_mean) / aim
        again = _look(network, weights, picture, scaled_from)
        # Larger pieces of noise are not cells: small ones must show as much of the picture when they are enlarged.
        if not again.any() or (seen < weights.smallest_px and likeness(again).score < likeness(labels).score):
            break
        labels = again
    return labels


def _look(network: Any, weights: Weights, picture: NDArray[np.float32], diameter: float | None) -> LabelImage:
    """The cells in the picture, rescaled from `diameter` px to the network's own; None for no rescaling."""
    scale = float(network.diam_mean) / (diameter or float(network.diam_labels))
    tile = _tile_px(scale * max(picture.shape)) if weights.large_tiles else _TILE_PX
    batch = 8 if tile <= _TILE_PX else 1  # large tiles one by one, because of memory
    masks = network.eval(picture, channels=[0, 0], diameter=diameter, bsize=tile, batch_size=batch)[0]
    return _cleaned(np.asarray(masks, np.int32))


def _tile_px(side_px: float) -> int:
    """Side of the tiles for a picture of this side: one tile if it is small enough, else as few as possible.

    Tiles overlap by a tenth, and a side is a multiple of 16, as the network halves it four times.
    """
    padded = 16 * int(np.ceil(side_px / 16)) + 32
    tiles = int(np.ceil(padded / _LARGE_TILE_PX))
    return padded if tiles == 1 else 16 * int(np.ceil(1.2 * padded / tiles / 16)) + 16


def _median_diameter(labels: LabelImage) -> float:
    """Of circles of the cells' areas, px; 0 without cells."""
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else 0.0


def _cleaned(labels: LabelImage) -> LabelImage:
    """Each cell's largest 4-connected piece, without fragments of less than a tenth of the median area; labels 1..n.

    A cell's other pieces would make contacts between cells that are far apart. A fragment would make its neighbours
    border cells, because it is too small for a cell.
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
    areas[0] = 0  # the background
    kept = areas >= _FRAGMENT * np.median(areas[areas > 0]) if areas.any() else areas > 0
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return numbers[cleaned]

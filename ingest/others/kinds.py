"""Which program made a file or folder, and its reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calcigraph.errors import InputError
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.others.results import Results
from calcigraph.option import declared, value_of


@dataclass(frozen=True)
class Kind:
    """A kind of file or folder that other programs leave."""

    name: str
    is_it: Callable[[Path], bool]
    read: Callable[[Path, TraceOptions, bool], Results]
    """Of the path and the options; the last one tells whether traces are wanted, or masks alone."""
    takes: frozenset[str] = frozenset()
    """The options of some kinds that it takes."""


def _is_suite2p(path: Path) -> bool:
    from calcigraph.ingest.others.suite2p import is_suite2p

    return is_suite2p(path)


def _suite2p(path: Path, options: TraceOptions, traces: bool) -> Results:
    from calcigraph.ingest.others.suite2p import read_suite2p

    return read_suite2p(path, neuropil=value_of(options, "neuropil"), all_regions=options.all_regions, traces=traces)


def _is_nwb(path: Path) -> bool:
    return _program(path) == "NWB"


def _nwb(path: Path, options: TraceOptions, traces: bool) -> Results:
    from calcigraph.ingest.others.nwb import read_nwb

    return read_nwb(path, signal=options.signal, all_regions=options.all_regions, traces=traces)


def _is_anndata(path: Path) -> bool:
    return _program(path) == "AnnData"


def _anndata(path: Path, options: TraceOptions, traces: bool) -> Results:
    from calcigraph.ingest.others.h5ad import read_anndata

    if not traces:
        raise InputError(f"{path}: AnnData has no masks; expected a label image, or masks of suite2p, CaImAn or NWB")
    return read_anndata(path, signal=options.signal)


def _is_caiman(path: Path) -> bool:
    return _program(path) == "CaImAn"


def _caiman(path: Path, options: TraceOptions, traces: bool) -> Results:
    from calcigraph.ingest.others.caiman import read_caiman

    return read_caiman(path, signal=options.signal, all_regions=options.all_regions, traces=traces)


def _program(path: Path) -> str | None:
    from calcigraph.ingest.others.hdf5 import program_of

    return program_of(path)


KINDS = (
    Kind("suite2p", _is_suite2p, _suite2p, frozenset({"neuropil", "all_regions"})),
    Kind("CaImAn", _is_caiman, _caiman, frozenset({"signal", "all_regions"})),
    Kind("NWB", _is_nwb, _nwb, frozenset({"signal", "all_regions"})),
    Kind("AnnData", _is_anndata, _anndata, frozenset({"signal"})),
)
"""In the order in which they are asked."""

MASKS_ONLY = (".roi", ".zip", ".npy", ".tif", ".tiff", ".png")
"""Of files that tell where cells are, but not their traces."""


def kind_of(path: Path) -> Kind | None:
    """The kind of a file or folder; None for tables and whatever else."""
    return next((kind for kind in KINDS if kind.is_it(path)), None)


def read_results(path: Path, options: TraceOptions, traces: bool = True) -> Results | None:
    """What another program's file tells; None where no other program made it.

    Parameters
    ----------
    path
        A file or folder.
    options
        What the user chose.
    traces
        Whether traces are wanted, or masks alone.

    Raises
    ------
    InputError, NotFoundError
        The file is damaged, or an option does not go with it.
    MissingExtraError
        The library that reads it is not installed.
    """
    kind = kind_of(path)
    if kind is None and traces and path.suffix.lower() in MASKS_ONLY and path.is_file():
        raise InputError(
            f"{path}: has no traces; bring in a movie by `calcigraph ingest`, and masks by its option --masks"
        )
    _check_taken(path, options, frozenset() if kind is None else kind.takes)
    return None if kind is None else kind.read(path, options, traces)


def _check_taken(path: Path, options: TraceOptions, takes: frozenset[str]) -> None:
    """Refuse options of other kinds."""
    for each in declared(TraceOptions):
        owners = [other.name for other in KINDS if each.name in other.takes]
        if owners and each.name not in takes and getattr(options, each.name) != each.default:
            raise InputError(f"{each.flag} goes with {' and '.join(owners)}, and {path} is no such file; leave it out")


def read_regions(path: Path, shape: tuple[int, int], all_regions: bool = False) -> Results | None:
    """Masks in another program's file, for frames of that shape, (Y, X); None where no other program made it.

    Raises as `read_results`, and InputError where frames are of another shape.
    """
    from calcigraph.ingest.others.rois import is_rois, read_rois

    options = TraceOptions(all_regions=all_regions)
    if is_rois(path):
        _check_taken(path, options, frozenset())
        return read_rois(path, shape)
    results = read_results(path, options, traces=False)
    if results is not None and results.regions is None:
        raise InputError(f"{path}: has positions of cells, but no masks; expected masks for frames of {shape}")
    if results is not None and results.regions is not None and results.regions.shape != shape:
        there = results.regions.shape
        turned = "; they are transposed" if there == shape[::-1] else ""
        raise InputError(f"{path}: masks of shape {there}, frames of {shape}{turned}; expected equal shapes")
    return results

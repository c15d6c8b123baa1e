"""NWB (Neurodata Without Borders): cells, traces and events of a culture as archives such as DANDI take them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import InputError, command, spelt
from calcigraph.export.collected import Collected
from calcigraph.export.extra import exchange
from calcigraph.export.nwb_tables import dynamic_table, frame_columns, intervals
from calcigraph.export.provenance import about
from calcigraph.export.roi_masks import mask_columns
from calcigraph.store.movie import open_store
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.ophys import PlaneSegmentation

START = "session_start_time"
OF_SESSION = (
    "experimenter", "institution", "keywords", "lab", "pharmacology", "protocol", "session_id", "stimulus_notes",
    "surgery", "virus",
)  # fmt: skip
"""Fields of an NWB file that annotations of these names fill."""
OF_SUBJECT = ("age", "genotype", "sex", "species", "strain", "subject_id", "weight")
"""Fields of an NWB subject, likewise."""
LISTS = ("experimenter", "keywords")
UNKNOWN = "unknown"
EXAMPLE = "2026-05-04T09:30:00+02:00"
NO_TIME = "1970-01-01T00:00:00+00:00"


def write_nwb(found: Collected, path: Path) -> tuple[str, ...]:
    """Write an NWB file.

    Returns
    -------
    What is not known, or could not be taken along, one sentence each.

    Raises
    ------
    MissingExtraError
        pynwb is not installed.
    """
    pynwb = exchange("pynwb", "the format nwb")
    file, notes = nwb_file(found)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return notes


def nwb_file(found: Collected) -> tuple[NWBFile, tuple[str, ...]]:
    """The culture as pynwb.NWBFile, and what is not known of it.

    Parameters
    ----------
    found
        The culture, n cells and T frames.

    Returns
    -------
    The processing module `ophys` has the plane segmentation `cells` (pixel masks, or voxels at the centroids, and a
    column for all that is known of the cells), the traces (T, n) and dF/F; the module `graph` has contacts and fits.
    Events and waves are tables of intervals.
    """
    file, notes = _session(found)
    module = file.create_processing_module("ophys", "cells, and their traces")
    cells, more = _segmentation(found, file)
    from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation

    module.add(ImageSegmentation(plane_segmentations=[cells]))
    traces = Fluorescence(name="Fluorescence")
    module.add(traces)
    for name, description, unit, values in _traces(found):
        traces.add_roi_response_series(_series(found, cells, name, description, unit, values))
    if found.dff is not None:
        relative = DfOverF(name="DfOverF")
        module.add(relative)
        relative.add_roi_response_series(_series(found, cells, "dff", "dF/F", "n.a.", found.dff))
    graph = file.create_processing_module("graph", "contacts between cells, and fits of coupling to them")
    for name in ("contacts", "fits", "parameters"):
        if name in found.tables and len(found.tables[name].frame):
            graph.add(dynamic_table(found.tables[name]))
    for table in intervals(found):
        file.add_time_intervals(table)
    return file, (*notes, *more)


def _session(found: Collected) -> tuple[NWBFile, tuple[str, ...]]:
    """The file with what is known of the recording; annotations of NWB's own names fill its fields."""
    from pynwb import NWBFile
    from pynwb.file import Subject

    culture, said = found.culture, found.culture.annotations
    start, notes = _start(found)
    given: dict[str, Any] = {name: _field(name, said[name]) for name in OF_SESSION if name in said}
    if "operator" in said and "experimenter" not in given:
        given["experimenter"] = [str(said["operator"])]
    condition = f", {culture.condition}" if culture.condition else ""
    file = NWBFile(
        session_description=f"Calcium imaging of the cell culture {culture.uid}{condition}",
        identifier=f"calcigraph:{culture.uid}:{culture.input_digest}",
        session_start_time=start,
        experiment_description=culture.experiment,
        notes=json.dumps(about(culture), ensure_ascii=False),
        **{"session_id": culture.uid, "keywords": ["calcium imaging", "cell culture"]} | given,
    )
    subject = {name: str(said[name]) for name in OF_SUBJECT if name in said}
    # An age from 0 days on is how archives write that it is not known.
    unknown = {"subject_id": culture.uid, "description": f"cell culture {culture.uid}", "sex": "U", "age": "P0D/"}
    file.subject = Subject(**unknown | subject)
    if not {"species", "age"} <= subject.keys():
        how = command("annotate", [culture.uid], "species='Mus musculus'", "age=P14D")
        notes = (*notes, f"species and age of the animal, which archives ask for (`{how}`)")
    return file, notes


def _field(name: str, value: Any) -> Any:
    return [part.strip() for part in str(value).split(";")] if name in LISTS else str(value)


def _start(found: Collected) -> tuple[datetime, tuple[str, ...]]:
    """When the recording began, and what to say if that is not known: NWB asks for it."""
    given, uid = found.culture.annotations.get(START), found.culture.uid
    notes: tuple[str, ...] = ()
    if given is None:
        how = command("annotate", [uid], f"{START}={EXAMPLE}")
        notes = (f"when the recording began (the time of its ingest stands for it: `{how}`)",)
    try:
        start = datetime.fromisoformat(str(given or found.culture.created or NO_TIME))
    except ValueError as error:
        raise InputError(
            f"culture {spelt(uid)}: {START} is {given!r}, expected ISO 8601, such as {EXAMPLE}: annotate it anew"
        ) from error
    return (start if start.tzinfo else start.replace(tzinfo=UTC)), notes


def _segmentation(found: Collected, file: NWBFile) -> tuple[PlaneSegmentation, tuple[str, ...]]:
    """The plane and the cells in it."""
    from pynwb.ophys import OpticalChannel, PlaneSegmentation

    said, size = found.culture.annotations, found.culture.pixel_size_um
    plane = file.create_imaging_plane(
        name="ImagingPlane",
        description="the plane of the culture; x is the column and y the row of a pixel, y down",
        device=file.create_device(
            name="Microscope",
            description=str(said.get("microscope", UNKNOWN)),
            manufacturer=_text(said, "manufacturer"),
        ),
        optical_channel=OpticalChannel(
            name="OpticalChannel",
            description=str(said.get("channel", "the channel of the indicator")),
            emission_lambda=_number(said, "emission_nm"),
        ),
        excitation_lambda=_number(said, "excitation_nm"),
        indicator=str(said.get("indicator", UNKNOWN)),
        location=str(said.get("location", "cell culture")),
        imaging_rate=1 / found.culture.frame_interval_s,
        **({} if size is None else {"grid_spacing": [size, size], "grid_spacing_unit": "micrometers"}),
    )
    masks, notes = mask_columns(found)
    cells = PlaneSegmentation(
        name="cells",
        description=f"the cells; masks from {found.culture.masks}",
        imaging_plane=plane,
        id=found.subgraph.labels.tolist(),
        columns=[*masks, *frame_columns(found.attributes, PlaneSegmentation)],
    )
    return cells, notes


def _text(said: Mapping[str, Any], name: str) -> str | None:
    return None if said.get(name) is None else str(said[name])


def _number(said: Mapping[str, Any], name: str) -> float:
    """A wavelength in nm; NaN, as NWB has it, where it is not known."""
    value = said.get(name)
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"the annotation {name} is {value!r}, expected a number in nm: annotate it anew")
    return float(value)


def _traces(found: Collected) -> list[tuple[str, str, str, FloatArray]]:
    """Name, description, unit and (n, T) of the series of traces."""
    graph = found.subgraph
    given = found.culture.movie is None
    what = "as they were given" if given else "normalised: (log(light + 1) - offset) gain, arXiv:2505.20327, eq. 23"
    series = [("traces", f"mean traces of the cells, {what}", "n.a.", graph.intensity)]
    if found.movie is not None:
        movie = open_store(found.movie)
        rows = np.searchsorted(movie.cells, graph.labels)
        light = movie.denoised_traces[rows]
        series.append(("denoised", "mean of each cell's denoised pixels, in the movie's own counts", "counts", light))
    return series


def _series(
    found: Collected, cells: PlaneSegmentation, name: str, description: str, unit: str, values: FloatArray
) -> Any:
    """A series of the cells for which all values are known."""
    from pynwb import H5DataIO
    from pynwb.ophys import RoiResponseSeries

    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    uneven = found.subgraph.time_s
    times = {"rate": 1 / found.culture.frame_interval_s} if uneven is None else {"timestamps": uneven}
    return RoiResponseSeries(
        name=name,
        description=description,
        unit=unit,
        data=H5DataIO(np.ascontiguousarray(values[rows].T), compression="gzip"),
        rois=cells.create_roi_table_region(region=rows.tolist(), description="the cells, one a column"),
        **times,
    )

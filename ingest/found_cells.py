"""From masks to the cells of a culture: cleaned, with the gaps between them measured, and checked as a tissue."""

from __future__ import annotations

from dataclasses import dataclass, replace

from calcigraph.ingest.cells import Tissue, find_tissue
from calcigraph.ingest.gaps import Gaps, measure_gaps
from calcigraph.ingest.inset import TracePixels, trace_pixels
from calcigraph.ingest.mask_cleaning import Cleaned, clean
from calcigraph.ingest.masks import digest, masks_and_notes
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.tissue_check import TissueCheck, check_tissue
from calcigraph.store.types import Cells, FloatArray, LabelImage, Masks, Progress


@dataclass(frozen=True)
class MeasuredMasks:
    """Masks, and the gaps between their cells; made by `read_given` and `measure`."""

    masks: Masks
    cleaned: Cleaned | None
    """What was found in masks that the user gave."""
    gaps: Gaps
    max_gap: int
    """The gap that is to be closed, px."""
    notes: tuple[str, ...] = ()
    """What was decided in reading them, for the user."""


@dataclass(frozen=True)
class FoundCells:
    """The cells, the pixels that their traces are taken from, and what is to be said of them; made by `find_in`."""

    masks: Masks
    tissue: Tissue
    pixels: TracePixels
    check: TissueCheck
    max_gap: int
    """The gap that was closed, px."""
    inset: int
    """Of the pixels, px."""


def read_given(
    path: str, shape: tuple[int, int], options: IngestOptions, known: LabelImage | None = None
) -> MeasuredMasks:
    """Read the user's masks and clean them, unless `keep_masks` says not to.

    Their digest is that of the labels as they are used. Parameters and errors are those of `masks_and_notes`.
    """
    masks, notes = masks_and_notes(path, shape, options.mask_share, options.all_regions, known)
    cleaned = clean(masks.labels, options.min_area, options.keep_masks)
    if cleaned.labels is not masks.labels:
        masks = Masks(cleaned.labels, masks.source, digest(cleaned.labels))
    return replace(measure(masks, options, cleaned), notes=notes)


def measure(masks: Masks, options: IngestOptions, cleaned: Cleaned | None = None) -> MeasuredMasks:
    """Measure the gaps between cells; `--max-gap` is what they ask for, unless it is given."""
    gaps = measure_gaps(masks.labels, min_area=options.min_area, min_border=options.min_border)
    max_gap = options.max_gap
    if max_gap is None:
        max_gap = options.usual_gap if gaps.max_gap is None else gaps.max_gap
    return MeasuredMasks(masks=masks, cleaned=cleaned, gaps=gaps, max_gap=max_gap)


def find_in(measured: MeasuredMasks, options: IngestOptions) -> FoundCells:
    """Find the cells and their contacts; `min_area`, `min_border` and `trace_inset` of the options are used.

    Raises InputError if no cell is large enough.
    """
    max_gap = measured.max_gap
    tissue = find_tissue(measured.masks, min_area=options.min_area, min_border=options.min_border, max_gap=max_gap)
    return FoundCells(
        masks=measured.masks,
        tissue=tissue,
        pixels=trace_pixels(tissue.cells, len(tissue.labels), options.trace_inset),
        check=check_tissue(tissue, measured.gaps, max_gap, options.min_area, measured.cleaned),
        max_gap=max_gap,
        inset=options.trace_inset,
    )


def cells_with(found: FoundCells, traces: FloatArray, progress: Progress) -> Cells:
    """The cells as the graph stores them, with their outlines and (n, T) traces; `progress` is called with "cells"."""
    from calcigraph.ingest.polygons import outlines

    tissue = found.tissue
    progress("cells", 0, 1)
    polygons = outlines(tissue.cells, len(tissue.labels))
    progress("cells", 1, 1)
    return Cells(
        labels=tissue.labels,
        area_px=tissue.area_px,
        x_px=tissue.x_px,
        y_px=tissue.y_px,
        border=tissue.border,
        polygons=polygons,
        intensity=traces,
        flags=found.pixels.flags,
        open_px=tissue.open_px,
    )

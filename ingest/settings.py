"""What an ingest will do: the options, with what the movie and the masks say where nothing was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from calcigraph.errors import InputError
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.prepare import Prepared
from calcigraph.ingest.times import Timing, recorded_times
from calcigraph.option import declared
from calcigraph.store.types import MovieInfo

if TYPE_CHECKING:
    from calcigraph.ingest.background import EmptyMask
    from calcigraph.ingest.found_cells import MeasuredMasks

LATER = frozenset(
    {"frames", "drop_repeats", "trust_interval", "scale", "keep_masks", "crosstalk", "background", "axes"}
    | {"mask_share", "all_regions", "register"}
)
"""Options that version 0.1 did not have."""
PICKS = ("channel", "segment_channel", "scene", "z")
"""Options that are recorded as what they picked (`Prepared.picked`), not as they were given."""


@dataclass(frozen=True)
class Settings:
    """The options after the file's metadata and the defaults are filled in."""

    timing: Timing
    pixel_size_um: float | None
    recorded: Mapping[str, Any]
    """`Culture.options`: those that decide the result."""
    notes: tuple[str, ...]
    """What the user is told of the movie before its pixels are read, and of the masks."""
    of_film: tuple[str, ...]
    """Those of the movie alone."""
    given: MeasuredMasks | None
    """The masks of the user; None where cells are to be found."""
    empty: EmptyMask | None
    """The user's mask of pixels without cells."""


def settings_of(ready: Prepared, options: IngestOptions) -> Settings:
    """Raises InputError for a frame that the movie does not have."""
    info = ready.movie.info
    if isinstance(options.segment_on, int) and options.segment_on >= info.shape[0]:
        raise InputError(
            f"--segment-on {options.segment_on}: the movie has frames 0 to {info.shape[0] - 1}; expected one of them"
        )
    pixel = options.pixel_size_um if options.pixel_size_um is not None else info.pixel_size_um
    given, empty = _given_masks(info, options), _empty_pixels(info, options)
    recorded = asdict(options) | {"pixel_size_um": pixel} | recorded_times(ready.timing) | _recorded_gap(given, options)
    # Left out: what has a place of its own in the culture, and what masks make meaningless.
    if options.detrend == "global":
        recorded["detrended"] = "traces"  # versions to 0.2 divided whole frames
    if options.light_off is not None:
        recorded["background"] = options.light_off.named if empty is None else f"mask:{empty.digest}"
    for name in ("experiment", "condition", "masks", *PICKS) + (
        ("cellpose_model", "segment_on") if options.masks else ()
    ):
        del recorded[name]
    # So that a movie which was ingested before these options came has the same digest as then.
    for each in declared(IngestOptions):
        if each.name in LATER and recorded[each.name] == each.default:
            del recorded[each.name]
    recorded |= ready.picked
    notes = ready.notes if given is None else (*ready.notes, *given.notes)
    return Settings(
        timing=ready.timing,
        pixel_size_um=pixel,
        recorded=recorded,
        notes=notes,
        of_film=ready.notes,
        given=given,
        empty=empty,
    )


def _given_masks(info: MovieInfo, options: IngestOptions) -> MeasuredMasks | None:
    if options.masks is None:
        return None
    from calcigraph.ingest.found_cells import read_given

    return read_given(options.masks, info.shape[1:], options)


def _empty_pixels(info: MovieInfo, options: IngestOptions) -> EmptyMask | None:
    if options.light_off is None or options.light_off.mask is None:
        return None
    from calcigraph.ingest.background import read_empty

    return read_empty(options, info.shape[1:])


def _recorded_gap(given: MeasuredMasks | None, options: IngestOptions) -> dict[str, Any]:
    """What the digest says of the gap that is closed between cells.

    The gap of cells that are yet to be found follows from them, so that its usual value may stand for it; the user's
    own choice of that value is told apart.
    """
    if given is not None:
        return {"max_gap": given.max_gap}
    if options.max_gap is None:
        return {"max_gap": options.usual_gap}
    return {"max_gap": options.max_gap} | ({"gap_given": True} if options.max_gap == options.usual_gap else {})


def masks_digest(settings: Settings, options: IngestOptions) -> str:
    """`Masks.digest` before there are masks."""
    if settings.given is not None:
        return settings.given.masks.digest
    from calcigraph.ingest.segment import find_weights

    return find_weights(options.cellpose_model).digest

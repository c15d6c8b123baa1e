"""Whether a culture has what a kind of picture draws; if not, one line says why and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from calcigraph.errors import InputError, NotFoundError, command
from calcigraph.models.table import TABLE as MODELS
from calcigraph.models.table import model_named
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import TABLE, Kind


def check(kind: Kind, data: PictureData, frame: int, cells: tuple[int, ...]) -> None:
    """Refuse a picture that cannot be drawn.

    Raises
    ------
    InputError
        No such frame, or a culture without the movie or the outlines that the kind draws.
    NotFoundError
        No such cell, or no fit or events that the kind could draw.
    """
    for cell in cells:
        data.row(cell)
    _check_frame(data, frame)
    if data.dff and kind.name != "raster":
        raise InputError(f"--dff is for raster, not for {kind.name}: leave it out")
    if kind.needs_movie:
        _check_image(kind, data, frame)
    if kind.needs_outlines and data.from_traces:
        others = _names(other for other in TABLE if not (other.needs_outlines or other.needs_results))
        raise InputError(f"culture {data.culture!r} has no cell outlines; choose one of {others}")
    if kind.needs_events and data.firing is None:
        raise NotFoundError(
            f"culture {data.culture!r} has no events, which {kind.name} draws; run: {command('events', [data.culture])}"
        )
    if kind.needs_forecast and data.forecast is None:
        raise NotFoundError(
            f"culture {data.culture!r} has no forecast, which {kind.name} draws; "
            f"run: {command('forecast', [data.culture])}"
        )
    own_check = kind.checker()
    if own_check is not None:
        own_check(data, cells)
    if kind.needs_fit:
        _check_fit(kind, data)


def _check_frame(data: PictureData, frame: int) -> None:
    frames = data.subgraph.intensity.shape[1]
    if not 0 <= frame < frames:
        raise InputError(f"there is no frame {frame}; culture {data.culture!r} has frames 0 to {frames - 1}")


def _check_image(kind: Kind, data: PictureData, frame: int) -> None:
    if data.image is None:
        unlike = ("needs_movie", "needs_events", "needs_forecast", "check")
        others = _names(other for other in TABLE if not any(getattr(other, name) for name in unlike))
        raise InputError(f"culture {data.culture!r} has no movie, which {kind.name} draws; choose one of {others}")
    if data.image_frame != frame:
        raise InputError(f"frame {frame} was asked for, the image given is frame {data.image_frame}")


def _check_fit(kind: Kind, data: PictureData) -> None:
    without_traces = kind.needs_model_traces and not data.traces
    if without_traces or not data.fitted(kind.fitted_values).any():
        raise NotFoundError(
            f"culture {data.culture!r} has no {data.model} fit, which {kind.name} draws; {_advice(data)}"
        )


def _advice(data: PictureData) -> str:
    """What to do where the model has no fit. A fit that the recording is too short for is not advised."""
    others = " or ".join(f"--model {name}" for name in data.other_models)
    frames, fewest = data.subgraph.intensity.shape[1], model_named(data.model).fewest_frames
    if frames >= fewest:
        run = f"run: {command('fit', [data.culture], '--model', data.model)}"
        return f"to draw the fit that there is, add {others}; or {run}" if others else run
    short = f"it needs {fewest} frames, and the recording has {frames}"
    if others:
        return f"{short}: draw the fit that there is with {others}"
    possible = next((model.name for model in MODELS if model.fewest_frames <= frames), None)
    if possible is None:
        return f"{short}, which no model can be fitted to"
    return f"{short}: run: {command('fit', [data.culture], '--model', possible)}, and draw with --model {possible}"


def _names(kinds: Iterable[Kind]) -> str:
    return ", ".join(kind.name for kind in kinds)

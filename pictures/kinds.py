"""The kinds of picture, one row each. A new kind takes a drawing function, a row of `TABLE` and a test.

This file imports nothing that draws: the help of `calcigraph picture` lists the kinds and must start fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from calcigraph.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calcigraph.pictures.data import PictureData

    Painter = Callable[[PictureData, int, tuple[int, ...]], Figure]
    Check = Callable[[PictureData, tuple[int, ...]], None]


@dataclass(frozen=True)
class Kind:
    """A kind of picture: what draws it, and what it needs of a culture."""

    name: str
    draws: str
    """The painter as "module:function". The module is in this folder and is imported when something is drawn. The
    function takes the culture, the frame and the labels of chosen cells (or none); it returns the figure."""
    detail: str = ""
    """What the help says about it, in brackets after the name."""
    needs_movie: bool = False
    """It draws `PictureData.image`, one frame of the movie."""
    needs_outlines: bool = False
    """It draws `PictureData.polygons`; cultures that came as traces have none."""
    fitted_values: tuple[str, ...] = ()
    """It draws a fit, which must have at least one of these values in at least one cell. Empty: it draws no fit."""
    needs_model_traces: bool = False
    """It draws `PictureData.traces` and `sourced`, the runs of the fitted model."""
    needs_events: bool = False
    """It draws `PictureData.firing`, the events and waves that were found."""
    needs_forecast: bool = False
    """It draws `PictureData.forecast`."""
    draws_curves: bool = False
    """It draws what the training of a model left: `PictureData.training` or `network`, if there is any."""
    moves: bool = False
    """It is a film, written by film.py, and no page."""
    check: str = ""
    """A condition of its own, as "module:function". The function takes the culture and the labels of chosen
    cells; it raises InputError or NotFoundError. Such a kind is not proposed in place of another one."""

    @property
    def needs_fit(self) -> bool:
        return bool(self.fitted_values)

    @property
    def needs_results(self) -> bool:
        """Whether another command must have found something first."""
        return self.needs_fit or self.needs_events or self.needs_forecast

    def painter(self) -> Painter:
        """The function that draws it."""
        painter: Painter = _function(self.draws)
        return painter

    def checker(self) -> Check | None:
        """The function that checks its own condition, if it has one."""
        return _function(self.check) if self.check else None


def _function(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(f"calcigraph.pictures.{module}"), name)


FILM = "film"
ANY_VALUE = ("k_cell", "k", "feed", "mse_train", "mse_test")
"""Every model gives a fitted cell at least one of these."""

TABLE = (
    Kind(name="frame", draws="maps:draw_frame", needs_movie=True),
    Kind(name="outlines", draws="maps:draw_outlines", needs_movie=True, needs_outlines=True),
    Kind(name="cells", draws="maps:draw_cells", detail="coloured by intensity"),
    Kind(name="graph", draws="maps:draw_graph"),
    Kind(
        name="traces",
        draws="traces:draw_traces",
        detail="with the cells' own sources",
        fitted_values=ANY_VALUE,
        needs_model_traces=True,
        draws_curves=True,
    ),
    Kind(
        name="error",
        draws="fit_error:draw_error",
        detail="of the model beside noise",
        fitted_values=ANY_VALUE,
        needs_model_traces=True,
    ),
    Kind(
        name="parameters",
        draws="parameters:draw_parameters",
        detail="with 95 % intervals",
        fitted_values=("k_cell", "k", "feed"),
    ),
    Kind(
        name="training",
        draws="training:draw_training",
        detail="losses of model pinn",
        fitted_values=ANY_VALUE,
        draws_curves=True,
        check="training:check_training",
    ),
    Kind(
        name="contacts",
        draws="contact_map:draw_contacts",
        detail="coupling of each",
        fitted_values=("k", "k_cell"),
    ),
    Kind(name="raster", draws="cell_raster:draw_raster", detail="cells by time"),
    Kind(name="events", draws="raster:draw_events", detail="of every cell against time", needs_events=True),
    Kind(
        name="waves",
        draws="wave_maps:draw_waves",
        detail="when each cell rose",
        needs_events=True,
        check="wave_maps:check_waves",
    ),
    Kind(
        name="shifts",
        draws="shifts:draw_shifts",
        detail="that --register took out",
        check="shifts:check_shifts",
    ),
    Kind(name="forecast", draws="forecast:draw_forecast", detail="and how good it is", needs_forecast=True),
    Kind(name=FILM, draws="film:write_film", detail="MP4", moves=True),
)
KINDS = tuple(kind.name for kind in TABLE)
"""The names of all kinds of picture."""


def named(name: str) -> Kind:
    """The kind of this name.

    Raises InputError if there is none.

    >>> named("parameters").fitted_values
    ('k_cell', 'k', 'feed')
    """
    for kind in TABLE:
        if kind.name == name:
            return kind
    raise InputError(f"there is no picture {name!r}; choose one of {', '.join(KINDS)}")

"""What a workspace gives away: pictures, films, reports, files for other programs, a view in napari."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from calcigraph.bringing import Bringing
from calcigraph.errors import InputError, NotFoundError
from calcigraph.models.table import DEFAULT_MODEL, MODELS
from calcigraph.store.progress import Progress, silent

if TYPE_CHECKING:
    import geopandas
    import pandas
    import xarray
    from matplotlib.figure import Figure

    from calcigraph.export import Exported
    from calcigraph.store.location import Location
    from calcigraph.store.types import Culture


class Giving(Bringing):
    """The part of `Workspace` that gives pictures, reports and files."""

    def strip_plot(self, compared: pandas.DataFrame, out: str, *, dpi: int = 200, width: str | None = None) -> Path:
        """Draw what `compare` returned: a panel for each quantity, a dot for each culture. Options as for `picture`.

        Raises InputError for a file that cannot be written, and where there is nothing to draw.
        """
        from calcigraph.pictures.strips import draw_comparison

        return draw_comparison(compared, out, dpi=dpi, width=width)

    @overload
    def picture(
        self,
        culture: str,
        kind: str,
        out: str,
        *,
        model: str = ...,
        frame: int = ...,
        cell: int | Sequence[int] | None = ...,
        wave: int | None = ...,
        dff: bool = ...,
        dpi: int = ...,
        width: str | None = ...,
    ) -> Path: ...
    @overload
    def picture(
        self,
        culture: str,
        kind: str,
        out: None = ...,
        *,
        model: str = ...,
        frame: int = ...,
        cell: int | Sequence[int] | None = ...,
        wave: int | None = ...,
        dff: bool = ...,
        dpi: int = ...,
        width: str | None = ...,
    ) -> Figure: ...
    def picture(
        self,
        culture: str,
        kind: str,
        out: str | None = None,
        *,
        model: str = DEFAULT_MODEL,
        frame: int = 0,
        cell: int | Sequence[int] | None = None,
        wave: int | None = None,
        dff: bool = False,
        dpi: int = 200,
        width: str | None = None,
    ) -> Path | Figure:
        """Draw a culture into a PNG, PDF or SVG file, and return its path; without a file, return the figure.

        Parameters
        ----------
        kind
            One of calcigraph.pictures.KINDS, such as "graph" or "parameters".
        out
            The file. None: a matplotlib Figure is returned, which Jupyter shows.
        model
            Whose latest fit is drawn, by the kinds that draw a fit.
        frame
            From 0; for the kinds that draw one frame.
        cell
            The label of a cell, or several. Kind traces draws these alone; on maps their outlines are marked.
        wave
            The number of one wave, which kind waves draws alone.
        dff
            dF/F0 in place of intensity, in kind raster.
        dpi
            Pixels per inch, 50 to 1200.
        width
            Of the page: "single" (89 mm), "double" (183 mm) or millimetres; None for the usual one of the kind.

        Raises
        ------
        NotFoundError for no such culture, cell, wave, fit or events; InputError for no such kind or frame, for a
        culture without the movie that is needed, and for a file that cannot be written.
        """
        from calcigraph.pictures import draw, figure_of, picture_data

        about = self.culture(culture)
        check_model(model)
        movie = None if about.movie is None else self.folder / about.movie
        if _needs_movie(kind) and not self._movies.has(about.movie):
            raise NotFoundError(f"culture {about.uid}: {self._movies.whereabouts(about)}")
        data = picture_data(self.graph, about, movie, kind=kind, model=model, frame=frame, wave=wave, dff=dff)
        if out is None:
            return figure_of(kind, data, frame=frame, cell=cell, width=width)
        return draw(kind, data, out, frame=frame, cell=cell, dpi=dpi, width=width)

    def film(
        self,
        culture: str,
        out: str,
        *,
        show: str | None = None,
        fps: int = 24,
        cell: int | Sequence[int] | None = None,
        dpi: int = 200,
        width: str | None = None,
        progress: Progress = silent,
    ) -> Path:
        """Write a culture as a film, an MP4 file, and return its path. Needs the extra `formats`.

        Parameters
        ----------
        show
            "movie" (denoised, normalised) or "cells" (coloured by intensity); None: the movie where there is one.
        fps
            Frames a second, 1 to 120.
        cell, dpi, width
            As for `picture`; outlines of the cells are marked.

        Raises
        ------
        NotFoundError for no such culture, cell or movie, InputError for a culture without a movie that is to be shown
        and for a file that cannot be written, MissingExtraError without PyAV.
        """
        from calcigraph.pictures import picture_data
        from calcigraph.pictures.film import frames_of, write_film

        about = self.culture(culture)
        frames = frames_of(about, show, self._movies)
        data = picture_data(self.graph, about, None, kind="film", model=DEFAULT_MODEL, frame=0)
        return write_film(data, out, frames, fps=fps, cell=cell, dpi=dpi, width=width, progress=progress)

    def report(
        self,
        cultures: Sequence[str],
        out: str,
        *,
        experiment: str | Sequence[str] | None = None,
        by: str = "condition",
        reference: str | None = None,
        progress: Progress = silent,
    ) -> Path:
        """Write cultures, or those of an experiment, into one HTML file to share. See `report.write_report`."""
        from calcigraph.report import write_report

        return write_report(
            self.graph, cultures, out, experiment=experiment, by=by, reference=reference, progress=progress
        )

    def export(self, culture: str, out: str | Path, form: str | None = None, *, replace: bool = False) -> Exported:
        """Write a culture for other programs into a file or a folder, which appears whole or not at all.

        Parameters
        ----------
        out
            The file or folder.
        form
            One of calcigraph.export.FORMATS, such as "csv" or "nwb"; None: what the ending of `out` says.
        replace
            Whether a folder that holds an export may be replaced. A file is replaced in any case.

        Raises
        ------
        NotFoundError for no such culture; InputError for no such format or a place that cannot be written;
        MissingExtraError without the extra `exchange`, where the format needs it.
        """
        from calcigraph.export import export

        about = self.culture(culture)
        return export(self.graph, about, Path(out), form, replace=replace, movie=self._movie(about))

    def cells(self, culture: str) -> geopandas.GeoDataFrame:
        """The cells with their outlines and all that is known of them, by label; px, y down. Needs `exchange`.

        Raises NotFoundError for no such culture, MissingExtraError without the extra `exchange`.
        """
        from calcigraph.export import cells_frame, collect

        return cells_frame(collect(self.graph, self.culture(culture), events=False))

    def traces(self, culture: str) -> xarray.DataArray:
        """The normalised traces, (cells, frames), with labels, times, places and units. Raises as `cells`."""
        from calcigraph.export import traces_array

        return traces_array(self.subgraph(culture))

    def _movie(self, culture: Culture) -> Location | None:
        """The movie store, where this workspace has it."""
        there = culture.movie is not None and self._movies.has(culture.movie)
        return self.folder / str(culture.movie) if there else None

    def view(self, culture: str) -> None:
        """Open a culture in napari, and return when its window is closed. See `viewing.layers` for what is shown.

        Raises NotFoundError for no such culture or movie; MissingExtraError without napari; InputError for a culture
        without a movie, or where there is no screen.
        """
        from calcigraph.store.movie import open_store
        from calcigraph.viewing import layers, open_napari, require_napari

        require_napari()
        about = self.culture(culture)
        if about.movie is None:
            raise InputError(f"culture {culture} came as traces, without a movie: `calcigraph picture` draws its cells")
        if not self._movies.has(about.movie):
            raise NotFoundError(f"culture {about.uid}: {self._movies.whereabouts(about)}")
        open_napari(f"calcigraph: {culture}", layers(self.graph, about, open_store(self.folder / about.movie)))


def _needs_movie(kind: str) -> bool:
    from calcigraph.pictures.kinds import named

    return named(kind).needs_movie


def check_model(model: str) -> None:
    """Raise InputError for a model that does not exist."""
    if model not in MODELS:
        raise InputError(f"unknown model {model!r}; there are {', '.join(MODELS)}")

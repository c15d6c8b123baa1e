"""From a movie or a table of traces to cells, contacts and intensities."""

from typing import TYPE_CHECKING

from calcigraph.late import late_names

if TYPE_CHECKING:
    from calcigraph.ingest.axes import Choice
    from calcigraph.ingest.formats import open_movie
    from calcigraph.ingest.masks import read_masks
    from calcigraph.ingest.movie import Movie
    from calcigraph.ingest.options import IngestOptions
    from calcigraph.ingest.pipeline import ingest_movie, input_digest
    from calcigraph.ingest.traces import ingest_traces, traces_digest

__all__ = [
    "Choice",
    "IngestOptions",
    "Movie",
    "ingest_movie",
    "ingest_traces",
    "input_digest",
    "open_movie",
    "read_masks",
    "traces_digest",
]

__getattr__ = late_names(
    __name__,
    {
        "axes": "Choice",
        "formats": "open_movie",
        "masks": "read_masks",
        "movie": "Movie",
        "options": "IngestOptions",
        "pipeline": "ingest_movie input_digest",
        "traces": "ingest_traces traces_digest",
    },
)

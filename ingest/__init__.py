"""From a movie or a table of traces to cells, contacts and intensities."""

from calcigraph.ingest.formats import open_movie
from calcigraph.ingest.masks import read_masks
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.pipeline import ingest_movie, input_digest
from calcigraph.ingest.traces import ingest_traces, traces_digest

__all__ = [
    "IngestOptions",
    "Movie",
    "ingest_movie",
    "ingest_traces",
    "input_digest",
    "open_movie",
    "read_masks",
    "traces_digest",
]

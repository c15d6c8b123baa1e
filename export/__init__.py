"""Files for other programs: a culture as tables, graphs, maps, archives and databases."""

from calcigraph.late import late_names

__all__ = ["FORMATS", "Exported", "cells_frame", "collect", "export", "traces_array"]

__getattr__ = late_names(
    __name__,
    {
        "collected": "collect",
        "formats": "FORMATS",
        "frames": "cells_frame traces_array",
        "writing": "Exported export",
    },
)

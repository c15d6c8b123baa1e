"""A report of cultures: one HTML file that opens offline in any browser."""

from typing import TYPE_CHECKING

from calcigraph.late import late_names

if TYPE_CHECKING:
    from calcigraph.report.write import write_report

__all__ = ["write_report"]

__getattr__ = late_names("calcigraph.report", {"write": "write_report"})

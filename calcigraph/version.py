"""The version, in this one place: pyproject.toml, `calcigraph --version`, fits and cultures take it from here."""

__version__ = "0.2.0"
"""The version of calcigraph that is installed."""

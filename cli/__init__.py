"""The command line: `calcigraph [--workspace DIR] COMMAND`. One file a command, each a thin skin over Workspace."""

from calcigraph.cli.app import app, main

__all__ = ["app", "main"]

"""What keeps a graph right: its rows against their seals, broken-off work swept, cultures from another graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from calcigraph.store import cultures, mended, refill, seals
from calcigraph.store.bolt import Bolt, Row
from calcigraph.store.types import CultureData, Progress, silent


class Upkeep:
    """A part of `Graph`."""

    _bolt: Bolt

    if TYPE_CHECKING:

        def read(self, text: str, **parameters: Any) -> list[Row]:
            """See Graph.read."""

    @property
    def identity(self) -> str:
        """When this graph was made, to tell it from another: the same by whatever address it is reached."""
        return str(self.read("MATCH (m:Meta {name: 'calcigraph'}) RETURN m.created AS created")[0]["created"])

    def require_writable(self) -> None:
        """Raise WorkspaceError where nothing could be stored, on a disk that is full or may only be read."""
        self._bolt.require_writable()

    def contents(self, culture: str) -> seals.Contents:
        """All that the graph has of a complete culture, and the seals that go with it. Raises as `read`."""
        return mended.contents(self, culture)

    def reseal(self, culture: str) -> None:
        """Record what the rows of a culture are, in place of what was recorded."""
        self._bolt.run(lambda tx: seals.reseal(tx, culture), write=True)

    def mend_rows(self, data: CultureData) -> None:
        """Make cells, contacts and culture what `data` says, and write nothing else. See `mended.mend_rows`."""
        mended.mend_rows(self._bolt, data)

    def mend_parameters(self, contents: seals.Contents) -> None:
        """Give cells the parameters of the latest fits. See `mended.mend_parameters`."""
        mended.mend_parameters(self._bolt, contents)

    def distrust_events(self, run: str) -> None:
        """Have the next search write its events, also where they are those of this damaged run."""
        mended.distrust_events(self._bolt, run)

    def sweep(self, culture: str) -> None:
        """Delete what was broken off of a culture: an ingest, a replacement, a deletion, a search for events."""
        cultures.sweep(self._bolt, culture)

    def refill(self, lines: Iterable[str], changes: Row, progress: Progress = silent) -> None:
        """Write a culture that `refill.lines_of` read from some graph. See `refill.write_lines`."""
        refill.write_lines(self._bolt, lines, changes, progress)

    def forget(self, contents: seals.Contents) -> None:
        """Delete what a `refill` of this culture that was broken off has left. Raises ConflictError if it was not."""
        refill.forget(self._bolt, contents)

    def orphans(self) -> list[str]:
        """Nodes of an embedded graph that nothing holds, such as "3 Cell"; on a server they may be others'."""
        return [] if self._bolt.endpoint.kind == "neo4j" else mended.orphans(self)

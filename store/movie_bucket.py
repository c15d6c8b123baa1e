"""Movie stores on object storage, where a lease holds a culture for one writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from calcigraph.store.lease import Lease, alive, take
from calcigraph.store.location import Location
from calcigraph.store.movies import Movies
from calcigraph.store.objects import ObjectPath
from calcigraph.store.staging import ROOT


class MovieBucket(Movies):
    """See `Movies`.

    Parameters
    ----------
    workspace
        `s3://bucket/prefix`; the bucket is there.
    """

    folder: ObjectPath

    def __init__(self, workspace: ObjectPath) -> None:
        super().__init__(workspace)
        self._leases: dict[str, Lease] = {}

    def require_writable(self) -> None:
        """Whether it may be written is known when something is."""

    def has(self, name: str | None) -> bool:
        """A store is whole when its zarr.json is there, which is put last."""
        return name is None or (self.workspace / name / ROOT).exists()

    def uri(self, name: str) -> str:
        return str(self.workspace / name)

    def of(self, culture: str) -> list[Location]:
        """Without a list of all the others."""
        depth = self.folder.key.count("/") + 1
        keys = [each.key.split("/")[: depth + 1] for each in (self.folder / f"{culture}.").beginning_so()]
        stores = sorted({"/".join(parts) for parts in keys})
        return self.of_culture(culture, [ObjectPath(self.folder.bucket, key) for key in stores])

    def _lock(self, culture: str) -> ObjectPath:
        return self.folder / f".{culture}.lock"

    def _busy(self, culture: str) -> bool:
        return alive(self._lock(culture))

    @contextmanager
    def locked(self, culture: str) -> Iterator[None]:
        """Waits for a writer that may be dead; see `lease.take`."""
        lease = take(self._lock(culture))
        if lease is None:
            raise self.held_by_another(culture)
        self._leases[culture] = lease
        try:
            yield
        finally:
            del self._leases[culture]
            lease.release()

    def require_held(self, culture: str) -> None:
        if not self._leases[culture].held():
            raise self.held_by_another(culture)

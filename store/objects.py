"""A place on object storage, `s3://bucket/key`, with the few methods of a `Path` that a workspace needs.

There are no folders and no renames: an object appears whole, with one put, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcigraph.store.storage import asking, bucket, library

PIECE_BYTES = 8 * 2**20
"""Of a large file, sent at once; a smaller file is sent whole."""
DELETERS = 8
_AT_ONCE = 1000
"""Objects that one request deletes, by S3's own limit."""


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object, or what stands for a folder of objects: those whose keys begin with its own and a slash.

    >>> place = ObjectPath("lab", "films") / "movies" / "a.ome.zarr"
    >>> str(place), place.name, place.below(ObjectPath("lab", "films"))
    ('s3://lab/films/movies/a.ome.zarr', 'a.ome.zarr', 'movies/a.ome.zarr')
    """

    bucket: str
    key: str
    """Without slashes at its ends; "" for the whole bucket."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, part: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{part}".strip("/"))

    def joinpath(self, *parts: str) -> ObjectPath:
        """The object of this name below this one."""
        return self / "/".join(parts)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    def below(self, root: ObjectPath) -> str:
        """The key, relative to that of `root`."""
        return self.key.removeprefix(root.key).lstrip("/")

    def resolve(self) -> ObjectPath:
        """Itself: it is absolute."""
        return self

    def read_bytes(self) -> bytes:
        """The whole object. Raises FileNotFoundError, StorageError."""
        with asking(self):
            return bytes(library().get(bucket(self.bucket), self.key).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole object as text. Raises FileNotFoundError, StorageError."""
        return self.read_bytes().decode(encoding)

    def span(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on, which counts from the end if it is negative: then they are the last ones."""
        wanted = (start, start + length) if start >= 0 else {"suffix": -start}
        with asking(self):
            found = library().get(bucket(self.bucket), self.key, options={"range": wanted})
            return bytes(found.bytes())

    def pieces(self) -> Iterator[bytes]:
        """The whole object, in pieces as they come. Raises FileNotFoundError, StorageError."""
        with asking(self):
            for piece in library().get(bucket(self.bucket), self.key).stream():
                yield bytes(piece)

    def write_bytes(self, data: bytes) -> None:
        """Put an object, whole or not at all. Raises StorageError."""
        self.put(data)

    def put(self, data: bytes | Path, mode: Any = "overwrite") -> str:
        """Put what `data` is, or the file has.

        Parameters
        ----------
        data
            A file is sent in pieces, one at a time, so that memory does not grow with it.
        mode
            "create": only where there is no such object. {"e_tag": ...}: only where it is the one of this tag.

        Returns
        -------
        The tag of the new object.

        Raises
        ------
        FileExistsError
            The condition does not hold.
        StorageError
            The storage cannot be reached, or refuses.
        """
        with asking(self):
            conditional: dict[str, Any] = {"mode": mode, "use_multipart": False} if mode != "overwrite" else {}
            done = library().put(
                bucket(self.bucket), self.key, data, chunk_size=PIECE_BYTES, max_concurrency=1, **conditional
            )
        return str(done["e_tag"])

    def tag(self) -> str | None:
        """Of the object as it is now; None for no such object. Raises StorageError."""
        try:
            with asking(self):
                return str(library().head(bucket(self.bucket), self.key)["e_tag"])
        except FileNotFoundError:
            return None

    def exists(self) -> bool:
        """Whether there is such an object. Raises StorageError, also for no such bucket."""
        if self.tag() is not None:
            return True
        self.is_dir()  # a bucket that is not there answers as an object does
        return False

    def is_file(self) -> bool:
        """Whether there is such an object. Raises StorageError."""
        return self.exists()

    def is_dir(self) -> bool:
        """Whether there are objects below it. Raises StorageError."""
        with asking(self):
            return any(library().list(bucket(self.bucket), self.key or None, chunk_size=1))

    def files(self) -> list[ObjectPath]:
        """Every object below it, by name. Raises StorageError."""
        with asking(self):
            found = library().list(bucket(self.bucket), self.key or None).collect()
        return sorted(ObjectPath(self.bucket, each["path"]) for each in found)

    def names(self) -> list[str]:
        """What lies in it, as folders list their names. Raises StorageError."""
        with asking(self):
            found = library().list_with_delimiter(bucket(self.bucket), self.key or None)
        keys = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return sorted(ObjectPath(self.bucket, key).name for key in keys)

    def beginning_so(self) -> Iterator[ObjectPath]:
        """Every object whose key begins with this one, which need not end where a name does. Raises StorageError."""
        folder = self.key.rpartition("/")[0]
        with asking(self):
            for page in library().list(bucket(self.bucket), folder or None, offset=self.key):
                for each in page:
                    if not each["path"].startswith(self.key):
                        return
                    yield ObjectPath(self.bucket, each["path"])

    def copy_from(self, source: ObjectPath) -> None:
        """Have the storage copy an object of the same bucket here. Raises FileNotFoundError, StorageError."""
        with asking(source):
            library().copy(bucket(self.bucket), source.key, self.key)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object; one that is not there is none too many. Raises StorageError."""
        delete([self])


def delete(places: list[ObjectPath]) -> None:
    """Delete objects of one bucket; those that are not there are none too many. Raises StorageError."""

    def some(first: int) -> None:
        part = places[first : first + _AT_ONCE]
        with asking(part[0]):
            library().delete(bucket(part[0].bucket), [place.key for place in part])

    with ThreadPoolExecutor(DELETERS) as pool:
        list(pool.map(some, range(0, len(places), _AT_ONCE)))

"""Small disks of one's own, for power cuts and for disks that fill up: ext4 in a file, mounted by a loop device."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from breaking.calls import cut_power


class NoDisk(Exception):
    """No such disk can be had here; the text says why."""


class Disk:
    """An ext4 that commits its journal by itself only every ten minutes, so that what is not flushed is lost."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.image, self.at = folder / "disk.img", folder / "disk"
        for tool in ("mkfs.ext4", "mount", "umount", "fsck.ext4"):
            if shutil.which(tool) is None:
                raise NoDisk(f"there is no {tool} here")
        if os.geteuid() != 0:
            raise NoDisk("only root may mount a disk")
        self.at.mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        _do("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image))
        self.mount()

    def mount(self) -> None:
        """Mount it; the journal is replayed."""
        _do("mount", "-o", "loop,commit=600,noauto_da_alloc", str(self.image), str(self.at))

    def unmount(self) -> None:
        """Unmount it."""
        _do("umount", str(self.at))

    def cut(self) -> None:
        """Cut its power."""
        cut_power(str(self.at))

    def back(self) -> str:
        """After a cut, mount it again; what fsck complains of, which should be nothing."""
        self.unmount()
        self.mount()
        self.unmount()
        checked = subprocess.run(["fsck.ext4", "-fn", str(self.image)], capture_output=True, text=True)
        self.mount()
        return "" if checked.returncode == 0 else checked.stdout[-500:]

    def flush(self) -> None:
        """Have on the disk what is in memory."""
        _do("sync", "-f", str(self.at))

    def close(self) -> None:
        """Unmount and remove it."""
        subprocess.run(["umount", "-l", str(self.at)], capture_output=True)
        self.image.unlink(missing_ok=True)

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise NoDisk(f"{words[0]}: {done.stderr.strip()[:200]}")

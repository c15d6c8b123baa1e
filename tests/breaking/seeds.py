"""Whole files of every kind that is read, small, from which mutants are made."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import zarr

FRAMES, SIDE = 12, 32
LABELS = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((16, 16), int)).astype(np.uint16)
PLAN = """[ingest]
min-area = 20
frame-interval = 2
[fit]
null = 0
model = "robust"
[events]
min-snr = 4.5
[[cultures]]
files = "movie.tif"
name = "{stem}"
masks = "labels.tif"
condition = "control"
annotate = { dish = 3, dose = 2.5, note = "b" }
[[cultures]]
table = "others.csv"
"""


@dataclass(frozen=True)
class Seed:
    """A whole file or folder."""

    kind: str
    path: Path
    role: str
    """movie, masks, traces, plan or words."""
    telling: tuple[str, ...] = ()
    """Damages that its format lets one tell: `cut` (a file cut short), `lost` (a file of several is missing)."""


def movie(seed: int = 0) -> np.ndarray:
    """(FRAMES, SIDE, SIDE) uint16 of four cells."""
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(0, 0.05, (FRAMES, 5)), axis=0)
    return rng.poisson(800 * np.exp(slow[:, LABELS])).astype(np.uint16)


def make_seeds(folder: Path) -> list[Seed]:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, found = movie(), []

    def add(kind: str, name: str, role: str, *telling: str) -> Path:
        found.append(Seed(kind, folder / name, role, telling))
        return folder / name

    plain = add("tiff", "movie.tif", "movie", "cut")
    tifffile.imwrite(plain, pixels, photometric="minisblack")
    with tifffile.TiffWriter(add("tiff pages", "pages.tif", "movie", "cut")) as writer:
        for frame in pixels:
            writer.write(frame, photometric="minisblack", contiguous=False, compression="zlib", rowsperstrip=8)
    tifffile.imwrite(
        add("imagej", "imagej.tif", "movie", "cut"), pixels, imagej=True, metadata={"axes": "TYX", "finterval": 2.0}
    )
    tifffile.imwrite(
        add("ome-tiff", "film.ome.tif", "movie", "cut"), pixels, photometric="minisblack", ome=True,
        metadata={"axes": "TYX", "TimeIncrement": 2.0, "PhysicalSizeX": 0.5},
    )  # fmt: skip
    tifffile.imwrite(add("bigtiff", "big.tif", "movie", "cut"), pixels, bigtiff=True, photometric="minisblack")
    series = add("series", "series", "movie", "lost", "cut")
    series.mkdir()
    for number, frame in enumerate(pixels):
        tifffile.imwrite(series / f"t{number:03}.tif", frame)
    for version in (2, 3):
        _zarr(add(f"zarr v{version}", f"v{version}.zarr", "movie", "lost", "cut"), pixels, version)
    _microscopes(folder, pixels, found)
    tifffile.imwrite(add("labels", "labels.tif", "masks"), LABELS)
    np.save(add("labels.npy", "labels.npy", "masks"), LABELS)
    np.save(add("_seg.npy", "a_seg.npy", "masks"), {"masks": LABELS, "outlines": LABELS * 0, "filename": Path("a.tif")})  # type: ignore[arg-type]
    _tables(folder, pixels, found)
    add("plan", "plan.toml", "plan").write_text(PLAN)
    (folder / "others.csv").write_text("file;name;masks;dose\nmovie.tif;B 1;labels.tif;2,5\n")
    return found


def _zarr(path: Path, pixels: np.ndarray, version: int) -> None:
    """OME-Zarr 0.4 or 0.5."""
    group = zarr.create_group(path, zarr_format=version)
    keys = (
        {"dimension_names": ["t", "y", "x"]}
        if version == 3
        else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    )
    array = group.create_array("0", shape=pixels.shape, dtype=pixels.dtype, chunks=(4, SIDE, SIDE), **keys)  # type: ignore[arg-type]
    array[:] = pixels
    axes = [{"name": "t", "type": "time", "unit": "second"}, *({"name": name, "type": "space"} for name in "yx")]
    scale = [{"type": "scale", "scale": [2.0, 1.0, 1.0]}]
    scales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}], "version": "0.4"}]
    group.attrs.update({"ome": {"version": "0.5", "multiscales": scales}} if version == 3 else {"multiscales": scales})


def _tables(folder: Path, pixels: np.ndarray, found: list[Seed]) -> None:
    traces = np.stack([pixels[:, label == LABELS].mean(axis=1) for label in range(1, 5)], axis=1)
    wide = folder / "wide.csv"
    np.savetxt(wide, traces, delimiter=",", header="1,2,3,4", comments="", fmt="%.3f")
    with (folder / "long.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", "frame", "time", "value", "x", "y"])
        for label in range(1, 5):
            writer.writerows(
                [label, t, 2 * t, round(float(value), 3), label % 2 * 10, label // 2 * 10]
                for t, value in enumerate(traces[:, label - 1])
            )
    (folder / "places.csv").write_text("cell,x,y\n1,5,5\n2,20,5\n3,5,20\n4,20,20\n")
    found += [Seed("csv wide", wide, "traces"), Seed("csv long", folder / "long.csv", "traces")]


def _microscopes(folder: Path, pixels: np.ndarray, found: list[Seed]) -> None:
    """ND2, CZI and LIF, where the libraries that read them are installed."""
    try:
        import microscope_files as wrote
    except ImportError:
        return
    times = 2.0 * np.arange(5)
    stack = pixels[:5, None, None]
    wrote.write_nd2(folder / "a.nd2", stack[:, None], times=times)
    wrote.write_czi(folder / "a.czi", stack, names=("one",))
    found += [Seed("nd2", folder / "a.nd2", "movie", ("cut",)), Seed("czi", folder / "a.czi", "movie")]
    try:
        wrote.write_lif(folder / "a.lif", {"film": stack}, times=times)
    except Exception as error:
        raise RuntimeError("a LIF cannot be written") from error
    found.append(Seed("lif", folder / "a.lif", "movie", ("cut",)))


def json_of(path: Path) -> object:
    """A JSON file."""
    return json.loads(path.read_text())

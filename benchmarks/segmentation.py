"""How well the shipped model segments tissue it has never seen: AP@0.5 by style and size, and simulated movies.

    python benchmarks/segmentation.py [--seeds 5] [--model PATH]
    python benchmarks/segmentation.py --real FOLDER [--most 10] [--model PATH]

The second form measures pictures of real tissue instead; real_tissue.py tells what FOLDER holds.

Seeds start at 10,000; training uses none of these generators. AP is TP / (TP + FP + FN) over cells matched at an
intersection over union of 0.5. On the movies: the share of the true inner cells that are matched, the share of the true
contacts between matched cells that are found, the share of found ones that are false, and the share of matched cells
whose border flag is right.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from real_tissue import best_watershed, examples, judged_precision

from calcigraph.errors import InputError
from calcigraph.ingest.cells import find_tissue
from calcigraph.ingest.segment import find_cells
from calcigraph.models import SyntheticOptions, make_culture, movie_frames
from calcigraph.models.synthetic import tissue
from calcigraph.store.types import LabelImage, Masks

FIRST_SEED = 10_000
MAX_GAP_PX = 6  # what ingest uses with Cellpose
ACROSS_PX = (15, 20, 30, 40, 49, 60)


@dataclass(frozen=True)
class Score:
    """What one image gave; shares from 0 to 1."""

    ap: float
    inner: float
    found: float
    false: float
    flags: float


def matches(truth: LabelImage, found: LabelImage) -> dict[int, int]:
    """True label to found label, for pairs whose intersection over union is above 0.5 (so at most one each)."""
    width = int(found.max()) + 1
    joint, common = np.unique(truth.astype(np.int64) * width + found, return_counts=True)
    size_true, size_found = np.bincount(truth.ravel()), np.bincount(found.ravel())
    pairs = {}
    for (a, b), overlap in zip(((int(j) // width, int(j) % width) for j in joint), common.tolist(), strict=True):
        if a and b and overlap > 0.5 * (size_true[a] + size_found[b] - overlap):
            pairs[a] = b
    return pairs


def average_precision(truth: LabelImage, found: LabelImage) -> float:
    hits = len(matches(truth, found))
    return hits / max(len(np.unique(truth[truth > 0])) + len(np.unique(found[found > 0])) - hits, 1)


def tissue_of(labels: LabelImage, max_gap: int) -> tuple[set[int], set[tuple[int, int]], set[int]]:
    """Cells, contacts and border cells, as ingest takes them from masks."""
    found = find_tissue(Masks(labels, "benchmark", ""), max_gap=max_gap)
    pairs = zip(found.contacts.label_a.tolist(), found.contacts.label_b.tolist(), strict=True)
    return set(found.labels.tolist()), set(pairs), set(found.labels[found.border].tolist())


def score(truth: LabelImage, found: LabelImage) -> Score:
    true_cells, true_contacts, true_border = tissue_of(truth, 0)
    found_cells, found_contacts, found_border = tissue_of(found, MAX_GAP_PX)
    pairs = {a: b for a, b in matches(truth, found).items() if a in true_cells and b in found_cells}
    inner = true_cells - true_border
    matched = set(pairs.values())
    expected = {tuple(sorted((pairs[a], pairs[b]))) for a, b in true_contacts if a in pairs and b in pairs}
    seen = {(a, b) for a, b in found_contacts if a in matched and b in matched}
    return Score(
        ap=average_precision(truth, found),
        inner=sum(label in pairs for label in inner) / max(len(inner), 1),
        found=len(seen & expected) / max(len(expected), 1),
        false=len(seen - expected) / max(len(seen), 1),
        flags=sum((a in true_border) == (b in found_border) for a, b in pairs.items()) / max(len(pairs), 1),
    )


def picture_of_movie(culture: Any) -> NDArray[np.float64]:
    """What ingest segments by default: the mean over frames of log(median-filtered + 1)."""
    frames = [np.log1p(cv2.medianBlur(frame, 3).astype(np.float64)) for frame in movie_frames(culture)]
    return np.asarray(np.mean(frames, axis=0))


def still(style: str, across_px: float, seed: int, side: int) -> tuple[LabelImage, NDArray[np.float64]]:
    """One noisy picture of tissue with cells of that size."""
    rng = np.random.default_rng([seed, round(across_px)])
    labels = tissue.confluent_labels((side, side), max(4, round((side / across_px) ** 2)), rng)
    light = tissue.render(labels, rng, style) * 300
    return labels, np.log1p(rng.poisson(light).astype(np.float64))


def line(name: str, values: list[float]) -> str:
    parts = (f"{word} {kind(values):.3f}" for word, kind in (("mean", np.mean), ("median", np.median), ("worst", min)))
    return f"{name:>28}  {'  '.join(parts)}  spread {np.std(values):.3f}"


def real(folder: Path, model: str | None, most: int | None) -> None:
    """Print the AP@0.5 of every set, beside that of the watershed which is best for the set."""
    print("AP@0.5, real tissue")
    for each in sorted(each for each in folder.iterdir() if each.is_dir()):
        some = list(examples(each, most))
        cells = sum(len(np.unique(one.labels[one.labels > 0])) for one in some)
        print(f"{each.name}: {len(some)} pictures, {cells} labelled cells")
        print(line("model", [judged_precision(one, found_in(one.image, model), matches) for one in some]), flush=True)
        values, setting = best_watershed(some, matches)
        print(f"{line('watershed', values)}  ({setting})", flush=True)


def found_in(image: NDArray[np.float64], model: str | None) -> LabelImage:
    """The model's cells; none where it finds none."""
    try:
        return find_cells(image, model).labels
    except InputError:
        return np.zeros(image.shape, np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model")
    parser.add_argument("--frames", type=int, default=361)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="measure the sets of real tissue in it instead")
    parser.add_argument("--most", type=int, help="pictures of a real set, at most")
    options = parser.parse_args()
    if options.real:
        real(options.real, options.model, options.most)
        return
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    print(f"AP@0.5, stills, {options.seeds} seeds")
    for style in tissue.STYLES:
        for across in ACROSS_PX:
            stills = [still(style, across, seed, 256 if across <= 30 else 384) for seed in seeds]
            values = [average_precision(labels, find_cells(image, options.model).labels) for labels, image in stills]
            print(line(f"{style} {across} px", values), flush=True)
    print(f"simulated movies, 108 cells in 512 x 512 px, {options.seeds} seeds a style")
    for style in tissue.STYLES:
        scores, seconds = [], []
        for seed in seeds:
            culture = make_culture(SyntheticOptions(seed=seed, style=style, frames=options.frames))
            image = picture_of_movie(culture)
            began = time.perf_counter()
            found = find_cells(image, options.model).labels
            seconds.append(time.perf_counter() - began)
            scores.append(score(culture.labels, found))
        for name in ("ap", "inner", "found", "flags"):
            print(line(f"{style} {name}", [getattr(one, name) for one in scores]))
        worst = max(one.false for one in scores)
        print(f"{style + ' false':>28}  worst {worst:.3f}; {np.median(seconds):.1f} s a picture", flush=True)


if __name__ == "__main__":
    main()

"""Train the segmentation model that calcigraph ships: a default-width CPnet, from synthetic tissue only.

Needs the extra `segment`. From the repository root:

    python training/train_segmenter.py --out ingest/weights/confluent.pt

This trains in one run. It takes a quarter of an hour on two idle cores that have bfloat16 instructions, and several
times that without; on a graphics card, larger batches and more worker processes pay (--batch, --workers). The shipped
file was made in runs that continue one another; their commands are in ingest/weights/README.md.

Every image is drawn from models/synthetic/tissue.py or, with --variety, from varied_tissue.py, with a seed of its own:
sample i uses the generator [seed, i]. The order of crops is seeded too. The number of worker processes changes the
speed only. So two runs on the same machine agree up to the order in which it adds. `benchmarks/segmentation.py`
measures the result on other seeds and on pictures of real tissue.

What the network sees:

* cells of 13 to 64 px across (root of the area), at their native size, in all `STYLES` of models/synthetic/options.py;
* gaps of 0 to 4 px between them or none, whole or cut cells at the image edge, stretched cells;
* patches without cells, lone cells, round cells among fibres and specks;
* with --variety: cells of 11 to 95 px, of unlike sizes, ruffled or stretched, in the looks of varied_tissue.py;
* additional differences in brightness between cells; linear, logarithmic or bent intensity scales;
* shot and read noise, the 3 x 3 median of ingest, blur and low contrast.

Loss and targets are cellpose's.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
import warnings
from collections import deque
from collections.abc import Iterator
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from varied_tissue import varied_labels, varied_look

from calcigraph.models.synthetic import tissue
from calcigraph.models.synthetic.options import STYLES

SIDE_PX = 224
"""Side of a training image."""
PAD_PX = 12
"""Zeros around it: cellpose pads images before the network."""
IMAGES_AHEAD = 16
"""Images that the workers may be ahead, each one once more for every worker."""

Array = NDArray[np.float32]


def synthetic_labels(rng: np.random.Generator, clutter: float) -> NDArray[np.int32]:
    """A piece of tissue, (SIDE_PX, SIDE_PX): whole or cut at the edge, stretched or not, confluent or not.

    `clutter` is the share of images with empty regions that get round cells. The order of the draws decides the image.
    """
    across = math.exp(rng.uniform(math.log(13), math.log(64)))
    # A margin is cut off afterwards, and with it the edge cells: those at the new edge are cut.
    margin = int(rng.integers(0, 2) * rng.uniform(0.2, 1.0) * across)
    stretch = rng.uniform(1, 1.7) if rng.uniform() < 0.3 else 1.0
    side = SIDE_PX + 2 * margin
    canvas = (side, int(side / stretch))
    cells = max(1, round(canvas[0] * canvas[1] / across**2))
    gap = int(rng.choice([0, 0, 0, 1, 2, 3, 4])) if across > 20 else int(rng.integers(0, 2))
    labels = tissue.confluent_labels(canvas, cells, rng, gap, rng.uniform(0.3, 1.3))
    # A narrow canvas, made square again, stretches its cells.
    labels = cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST)
    labels = labels[margin : margin + SIDE_PX, margin : margin + SIDE_PX]
    if rng.uniform() < 0.5:
        labels = labels.T
    if rng.uniform() < 0.4:
        labels = _with_empty_regions(labels, cells, rng)
        if clutter and rng.uniform() < clutter:
            labels = _rounded(labels, rng.uniform(0.15, 0.3) * across)
    return np.ascontiguousarray(labels, np.int32)


def _with_empty_regions(labels: NDArray[np.int32], cells: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Take cells away: those under a smooth random threshold, or all but a scattered few."""
    field = cv2.resize(
        rng.standard_normal((5, 5)).astype(np.float32), labels.shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    area = np.maximum(np.bincount(labels.ravel(), minlength=cells + 1), 1)
    height = np.bincount(labels.ravel(), field.ravel(), cells + 1) / area
    gone = height < np.quantile(height[1:], rng.uniform(0.1, 0.7))
    if rng.uniform() < 0.25:
        gone = rng.uniform(size=cells + 1) < rng.uniform(0.5, 0.9)
    return np.where(gone[labels], 0, labels).astype(np.int32)


def _rounded(labels: NDArray[np.int32], radius: float) -> NDArray[np.int32]:
    """Cells without corners, as they are where neighbours do not press them into shape."""
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(radius) + 1,) * 2)
    rounded = np.zeros_like(labels)
    for label in np.unique(labels[labels > 0]):
        rounded[cv2.morphologyEx((labels == label).astype(np.uint8), cv2.MORPH_OPEN, brush) > 0] = label
    return rounded


def _with_clutter(image: Array, labels: NDArray[np.int32], rng: np.random.Generator) -> Array:
    """Fibres and specks between the cells, dimmer or smaller than these; behind cells they show faintly."""
    level = float(np.median(image[labels > 0])) if labels.any() else float(rng.uniform(0.2, 0.8))
    fibres, specks = np.zeros_like(image), np.zeros_like(image)
    for _ in range(int(rng.integers(3, 40))):
        walk = rng.uniform(-40, SIDE_PX + 40, 2) + np.cumsum(rng.normal(0, 14, (12, 2)) + rng.normal(0, 25, 2), axis=0)
        brightness = level * rng.uniform(0.1, 0.6)
        cv2.polylines(fibres, [walk.astype(np.int32)], False, brightness, int(rng.integers(1, 7)), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 25))):
        at = tuple(int(value) for value in rng.integers(0, SIDE_PX, 2))
        radius = int(min(rng.exponential(2), 0.15 * _across(labels)))
        cv2.circle(specks, at, radius, level * rng.uniform(0.3, 1.5), -1, cv2.LINE_AA)
    haze = cv2.GaussianBlur(fibres, (0, 0), rng.uniform(4, 12)) * rng.uniform(0, 1)
    behind = cv2.GaussianBlur(fibres, (0, 0), rng.uniform(0.7, 2.5)) + haze + cv2.GaussianBlur(specks, (0, 0), 0.8)
    share = np.where(labels > 0, rng.uniform(0.0, 0.25), 1.0).astype(np.float32)
    return np.asarray(image + behind * cv2.GaussianBlur(share, (0, 0), 0.8), np.float32)


def photograph(labels: NDArray[np.int32], rng: np.random.Generator, clutter: float) -> Array:
    """Tissue as a camera and then ingest would show it, (Y, X), 0 and 1 at its 1 and 99 % quantiles as in cellpose.

    `clutter` is the share of sparse images that get fibres and specks.
    """
    style = str(rng.choice(STYLES))
    image = tissue.render(labels, rng, style)
    if clutter and (labels == 0).mean() > 0.15 and rng.uniform() < clutter:
        image = _with_clutter(image, labels, rng)
    return seen_by_camera(image, labels, rng)


def seen_by_camera(image: Array, labels: NDArray[np.int32], rng: np.random.Generator) -> Array:
    """The look of tissue with the activity of cells, blur, haze, noise and a scale; 0 and 1 at its quantiles."""
    # Cells differ in their mean activity.
    if rng.uniform() < 0.5:
        gain = np.exp(rng.normal(0, rng.uniform(0, 0.4), int(labels.max()) + 1))
        gain[0] = 1
        image = image * cv2.GaussianBlur(gain[labels].astype(np.float32), (0, 0), 0.8)
    if rng.uniform() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8) * min(1.0, _across(labels) / 30))
    # Haze, then shot and read noise.
    image = image + rng.uniform(0, 1) ** 3
    photons = math.exp(rng.uniform(math.log(60), math.log(20_000)))
    image = rng.poisson(np.clip(image, 0, None) * photons) / photons
    image = image + rng.normal(0, rng.uniform(0, 0.02), image.shape)
    image = np.maximum(image, 0).astype(np.float32)
    if rng.uniform() < 0.6:
        image = cv2.medianBlur(image, 3)
    image = _on_some_scale(image, rng)
    low, high = np.percentile(image, (1, 99))
    image = (image - low) / max(high - low, 1e-3)
    # Not exactly 0 and 1, because an image seen later may have other extremes.
    return np.asarray(image * rng.uniform(0.85, 1.15) + rng.uniform(-0.08, 0.08), np.float32)


def _on_some_scale(image: Array, rng: np.random.Generator) -> Array:
    """The image on a logarithmic scale (half of them), on a bent one (a fifth), or as it is."""
    scale = rng.uniform()
    if scale < 0.5:
        return np.log1p(image * math.exp(rng.uniform(math.log(1), math.log(3000))))
    if scale < 0.7:
        return image ** rng.uniform(0.5, 1.6)
    return image


def _across(labels: NDArray[np.int32]) -> float:
    """The root of the median cell's area, in px; 30 without cells."""
    areas = np.bincount(labels.ravel())[1:]
    return float(np.sqrt(np.median(areas[areas > 0]))) if (areas > 0).any() else 30.0


def sample(key: tuple[int, int], clutter: float, variety: float) -> tuple[Array, Array]:
    """Training image number key[1] of run key[0]: (Y, X) and its target (3, Y, X): cell or not, flow y, flow x."""
    from cellpose.dynamics import masks_to_flows_cpu

    rng = np.random.default_rng(key)
    # Without variety nothing is drawn for it, so that older runs can be made again.
    if variety and rng.uniform() < variety:
        labels = varied_labels(rng, SIDE_PX)
        image = seen_by_camera(varied_look(labels, rng), labels, rng)
    else:
        labels = synthetic_labels(rng, clutter)
        image = photograph(labels, rng, clutter)
    target = np.zeros((3, *labels.shape), np.float32)
    if labels.any():
        target[0] = labels > 0
        target[1:] = masks_to_flows_cpu(labels)[0]
    pad = ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX))
    return np.pad(image, pad), np.pad(target, ((0, 0), *pad))


def batches(options: argparse.Namespace) -> Iterator[tuple[Array, Array]]:
    """Batches of B crops and their targets, (B, 2, side, side) and (B, 3, side, side), without end.

    They are drawn from a pool in which new images replace the oldest, so that every image is used many times.
    """
    side, due = options.crop, 0.0
    rng = np.random.default_rng([options.seed, options.first, 1])
    with get_context("spawn").Pool(options.workers, _quiet) as workers:
        stream = _bounded(workers, options)
        pool: deque[tuple[Array, Array]] = deque((next(stream) for _ in range(options.pool // 8)), maxlen=options.pool)
        while True:
            crops = [_crop(*pool[int(rng.integers(len(pool)))], side, rng) for _ in range(options.batch)]
            yield np.stack([crop[0] for crop in crops]), np.stack([crop[1] for crop in crops])
            due += options.fresh
            while due >= 1:
                pool.append(next(stream))
                due -= 1


def _bounded(workers: Any, options: argparse.Namespace) -> Iterator[tuple[Array, Array]]:
    """Samples in order, and never more than a few ahead; Pool.imap would run ahead without end."""
    numbers = count(options.first)
    waiting: deque[Any] = deque()
    while True:
        while len(waiting) < IMAGES_AHEAD * options.workers:
            given = ((options.seed, next(numbers)), options.clutter, options.variety)
            waiting.append(workers.apply_async(sample, given))
        yield waiting.popleft().get()


def _crop(image: Array, target: Array, side: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """A random window, turned and mirrored; the flow's axes turn with it."""
    y, x = (int(rng.integers(0, length - side + 1)) for length in image.shape)
    # Flow y and flow x are channels 2 and 3: mirrored, a flow changes its sign; transposed, the two change places.
    window = np.stack([image[y : y + side, x : x + side], *target[:, y : y + side, x : x + side]])
    if rng.uniform() < 0.5:
        window = window[:, ::-1]
        window[2] *= -1
    if rng.uniform() < 0.5:
        window = window[:, :, ::-1]
        window[3] *= -1
    if rng.uniform() < 0.5:
        window = window.transpose(0, 2, 1)[[0, 1, 3, 2]]
    return np.stack([window[0], np.zeros_like(window[0])]), np.ascontiguousarray(window[1:])


def _quiet() -> None:
    """For worker processes: no warnings, and one thread each."""
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)


def train(options: argparse.Namespace) -> None:
    """AdamW in bfloat16 with a cosine learning rate; what is saved is the moving average of the weights."""
    import torch
    from cellpose.train import _loss_fn_seg

    torch.manual_seed(options.seed)
    device = torch.device("cuda" if options.device != "cpu" and torch.cuda.is_available() else "cpu")
    if options.device == "cuda" and device.type == "cpu":
        raise SystemExit("--device cuda: torch finds no graphics card here")
    net = _new_network(options.init).to(device)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(options.average), use_buffers=True
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-5)
    stream = batches(options)
    last = options.stop or options.steps
    began, losses = time.monotonic(), []
    for step in range(last):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, options)
        images, targets = next(stream)
        net.train()
        inputs = torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            prediction = net(inputs)[0]
        loss = _loss_fn_seg(targets, prediction.float(), device)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(net)
        # As a number only where it is printed: a graphics card would have to be waited for.
        losses = [*losses[-49:], loss.detach()]
        if (step + 1) % options.save_every == 0 or step + 1 == last:
            save(average.module, options.out)
            minutes = (time.monotonic() - began) / 60
            loss_now = np.mean([float(each) for each in losses])
            print(f"step {step + 1} loss {loss_now:.3f} after {minutes:.1f} min", flush=True)


def _new_network(weights: Path | None) -> Any:
    """A default-width CPnet, with random weights or those of a file."""
    import torch
    from cellpose.models import CellposeModel

    net = CellposeModel(gpu=False, pretrained_model=False, mkldnn=False).net
    if weights:
        net.load_model(str(weights))
    return net.to(memory_format=torch.channels_last)


def _learning_rate(step: int, options: argparse.Namespace) -> float:
    """Rises over the first 40 steps, then falls as half a cosine; it does not reach 0."""
    warm_up = min(1.0, (step + 1) / 40)
    return options.rate * warm_up * 0.5 * (1 + math.cos(math.pi * step / options.steps)) + 1e-6


def save(net: Any, path: Path) -> None:
    """A file that `CellposeModel(pretrained_model=...)` loads: kernels in float16, the few other numbers in float32."""
    import torch

    small = {name: value.cpu().half() if value.ndim >= 2 else value.cpu() for name, value in net.state_dict().items()}
    partial = path.with_suffix(".partial")
    torch.save({name: value.clone().contiguous() for name, value in small.items()}, partial)
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="continue from these weights")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--stop", type=int, help="stop after so many steps of that schedule")
    parser.add_argument("--variety", type=float, default=0.0, help="share of images from varied_tissue.py")
    parser.add_argument("--clutter", type=float, default=0.5, help="share of sparse images with round cells, fibres")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--crop", type=int, default=112)
    parser.add_argument("--batch", type=int, default=6, help="crops a step")
    parser.add_argument("--pool", type=int, default=256, help="images that crops are drawn from")
    parser.add_argument("--fresh", type=float, default=0.5, help="new images a step, in place of the oldest")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a graphics card, if any"
    )
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--first", type=int, default=0, help="number of the first sample")
    parser.add_argument("--average", type=float, default=0.99, help="decay of the moving average of the weights")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=100)
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    train(parser.parse_args())


if __name__ == "__main__":
    main()

"""Videos: lossless ones are read exactly, lossy ones are told, and what is in colour is said to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.ingest import Choice, open_movie

FRAMES, HEIGHT, WIDTH = 24, 24, 32


def write_video(path, frames, codec, pixels, given=None, rate=5, stamps=None, **options):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, each in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(each), format=given or pixels)
            if stamps is not None:
                frame.pts, frame.time_base = int(1000 * stamps[index]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path, timed=False, **choice):
    with open_movie(str(path), timed=timed, choice=Choice(**choice)) as movie:
        return np.stack(list(movie.frames())), movie.info


@pytest.fixture(scope="module")
def film():
    """(T, Y, X) uint8 of smooth changes, as codecs for the eye expect them."""
    y, x = np.mgrid[:64, :96]
    waves = [np.sin(x / 9 + time / 5) * np.cos(y / 7 - time / 9) for time in range(120)]
    return np.round(127 + 100 * np.array(waves)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.avi", "ffv1", "gray16le"),
        ("a.mkv", "ffv1", "gray16le"),
        ("a.mov", "png", "gray16be"),
        ("a.avi", "rawvideo", "gray"),
        ("a.mp4", "png", "gray"),
    ],
)
def test_lossless_grey_is_exact(tmp_path, movie, name, codec, pixels):
    frames = movie if "16" in pixels else (movie // 16).astype(np.uint8)
    found, info = read(write_video(tmp_path / name, frames, codec, pixels))
    np.testing.assert_array_equal(found, frames)
    assert info.dtype == frames.dtype.name
    np.testing.assert_allclose(np.diff(info.times.times_s), 0.2)
    assert len(info.notes) == 1
    assert info.notes[0].startswith("time: the video is shown at 0.2 s a frame")


@pytest.mark.parametrize(("codec", "pixels"), [("rawvideo", "bgr24"), ("png", "rgb24"), ("ffv1", "bgr0")])
def test_equal_colours_are_grey(tmp_path, movie, codec, pixels):
    frames = (movie // 16).astype(np.uint8)
    colours = np.repeat(frames[..., None], 3, axis=-1)
    found, _ = read(write_video(tmp_path / "a.avi", colours, codec, pixels, given="rgb24"))
    np.testing.assert_array_equal(found, frames)


def test_colours_are_channels(tmp_path, movie):
    colours = np.stack([movie // 16, movie // 32, movie // 64], axis=-1).astype(np.uint8)
    path = write_video(tmp_path / "a.avi", colours, "png", "rgb24")
    with pytest.raises(InputError, match=r"has 3 channels: 0 red, 1 green, 2 blue; add --channel NUMBER or NAME"):
        open_movie(str(path))
    found, info = read(path, channel="green")
    np.testing.assert_array_equal(found, colours[..., 1])
    assert info.picked == (("channel", 1), ("channel_name", "green"))


def test_one_frame_in_colour_is_not_passed_over(tmp_path, movie):
    colours = np.repeat((movie // 16).astype(np.uint8)[..., None], 3, axis=-1)
    colours[5, 3, 4, 0] ^= 1
    with open_movie(str(write_video(tmp_path / "a.avi", colours, "png", "rgb24"))) as found:
        found.frame(4)
        with pytest.raises(InputError, match="frame 5 is in colour, others are grey"):
            found.frame(5)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
def test_lossy_video_is_near_and_told(tmp_path, film, name, codec):
    path = write_video(tmp_path / name, film, codec, "yuv420p", given="gray", bit_rate="2000000")
    found, info = read(path)
    # Television's range is 16 to 235: black is taken off, and the scale of the logarithm's argument stays.
    assert np.abs(found - film * (219 / 255)).mean() < 6
    assert "is made for the eye" in info.notes[0]
    with av.open(str(path)) as container:  # the brightness that FFmpeg decodes
        theirs = [np.array(frame.to_ndarray()[:64], int) for frame in container.decode(video=0)]
    np.testing.assert_array_equal(found, np.maximum(np.stack(theirs) - 16, 0))


def test_full_range_stays(tmp_path, film):
    found, _ = read(write_video(tmp_path / "a.avi", film, "mjpeg", "yuvj420p", given="gray"))
    assert np.abs(found.astype(int) - film).mean() < 4


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
def test_any_order_and_threads(tmp_path, film, name, codec):
    """Frames between the whole ones are decoded from those before."""
    path = write_video(tmp_path / name, film, codec, "yuv420p", given="gray", g="25")
    serial, _ = read(path)
    order = np.random.default_rng(0).integers(0, len(film), 200).tolist()
    with open_movie(str(path)) as found, ThreadPoolExecutor(4) as pool:
        for index, frame in zip(order, pool.map(found.frame, order), strict=True):
            np.testing.assert_array_equal(frame, serial[index])


def test_the_users_interval_stands_against_an_even_one(tmp_path, movie, ready):
    path = write_video(tmp_path / "a.avi", movie, "ffv1", "gray16le", rate=25)
    assert ready(path)[1].interval_s == pytest.approx(0.04)
    _, timing, notes = ready(path, frame_interval_s=10.0)
    assert (timing.interval_s, timing.times_s, notes) == (10.0, None, ())


def test_uneven_stamps_are_kept(tmp_path, movie, ready):
    stamps = 0.1 * np.delete(np.arange(FRAMES + 2), [7, 8])
    path = write_video(tmp_path / "a.mkv", movie, "ffv1", "gray16le", rate=10, stamps=stamps)
    _, timing, notes = ready(path)
    np.testing.assert_allclose(timing.times_s, stamps, atol=1e-3)
    assert "1 of 23 steps differ from the usual 0.1 s" in notes[-1]
    with pytest.raises(InputError, match=r"frames are 0\.1 s apart .*, but --frame-interval says 5 s"):
        ready(path, frame_interval_s=5.0)


def test_rounded_stamps_are_even(tmp_path, movie, ready):
    """MKV rounds to milliseconds, which is 6 % of a step here."""
    path = write_video(tmp_path / "a.mkv", movie, "ffv1", "gray16le", rate=60)
    assert ready(path)[1].times_s is None


def test_videos_that_are_none(tmp_path, movie):
    path = write_video(tmp_path / "a.avi", movie[:1], "ffv1", "gray16le")
    with pytest.raises(InputError, match=r"1 frame\(s\); expected a movie"):
        open_movie(str(path))
    with av.open(str(tmp_path / "s.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="no video in this file"):
        open_movie(str(tmp_path / "s.mp4"))


def test_a_video_that_is_cut(tmp_path, movie, ready):
    path = write_video(tmp_path / "a.avi", movie, "ffv1", "gray16le")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"names 24 frames, (\d+) are there \(0 to \d+\); give --frames") as caught:
        ready(path)
    there = int(str(caught.value).split(" are there")[0].split()[-1])
    np.testing.assert_array_equal(ready(path, frames=":")[0], movie[:there])
    moov = write_video(tmp_path / "m.mp4", (movie // 16).astype(np.uint8), "png", "gray")
    moov.write_bytes(moov.read_bytes()[:2000])
    with pytest.raises(InputError, match="not a readable video"):
        open_movie(str(moov))

"""Makes micromanager_films.zip: films of the demonstration camera, as Micro-Manager's core and libraries write them.

Not run by the tests, which read the zip. To make it again, in an environment of its own:

    pip install pymmcore-plus mm-test-adapters 'ome-writers[tifffile]' ndstorage
    python make_micromanager_films.py
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 32, 24


def camera():
    import mm_test_adapters
    from pymmcore_plus import CMMCorePlus

    core = CMMCorePlus()
    core.setDeviceAdapterSearchPaths([mm_test_adapters.device_adapter_path()])
    for label, device in (("Camera", "DCam"), ("Z", "DStage"), ("Wheel", "DWheel"), ("XY", "DXYStage")):
        core.loadDevice(label, "DemoCamera", device)
    core.initializeAllDevices()
    core.setCameraDevice("Camera")
    core.setFocusDevice("Z")
    core.setXYStageDevice("XY")
    core.setAutoShutter(False)
    core.setProperty("Camera", "OnCameraCCDXSize", str(WIDTH))
    core.setProperty("Camera", "OnCameraCCDYSize", str(HEIGHT))
    core.setProperty("Camera", "PixelType", "16bit")
    core.setExposure(2)
    core.defineConfig("Channel", "DAPI", "Wheel", "State", "0")
    core.defineConfig("Channel", "GCaMP", "Wheel", "State", "1")
    core.definePixelSizeConfig("lens")
    core.setPixelSizeUm("lens", 0.65)
    return core


def film(core, folder):
    """Two positions, two channels, three planes, five times, a file a position."""
    import useq

    plan = useq.MDASequence(
        time_plan={"interval": 0.5, "loops": 5}, channels=["DAPI", "GCaMP"], z_plan={"range": 2, "step": 1},
        axis_order="tpcz", stage_positions=[(0, 0, 0), (5, 5, 0)],
    )  # fmt: skip
    frames = []
    core.mda.events.frameReady.connect(lambda image, *_: frames.append(image.copy()))
    core.mda.run(plan, output=str(folder / "film.ome.tif"))
    np.save(folder / "positions.npy", np.array(frames).reshape(5, 2, 2, 3, HEIGHT, WIDTH))


def ndtiff(folder):
    from ndstorage import NDTiffDataset

    frames = np.random.default_rng(0).integers(0, 4000, (6, 2, HEIGHT, WIDTH)).astype(np.uint16)
    written = NDTiffDataset(str(folder / "ndtiff"), summary_metadata={"PixelSize_um": 0.65}, writable=True)
    for time, pair in enumerate(frames):
        for channel, frame in zip(("DAPI", "GCaMP"), pair, strict=True):
            metadata = {"ElapsedTime-ms": 200.0 * time + 1.5, "PixelSizeUm": 0.65}
            written.put_image({"time": time, "channel": channel}, frame, metadata)
    written.finish()
    np.save(folder / "ndtiff.npy", frames)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        film(camera(), Path(made))
        ndtiff(Path(made))
        shutil.make_archive(str(Path(__file__).with_name("micromanager_films")), "zip", made)

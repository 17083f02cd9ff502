"""Years of short darks of a small detector, by cycles, with sinks, hot pixels, freckles, and flecks if asked for."""

from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from fleckcore.detection.options import DEFAULTS
from fleckcore.frame import Frame, FrameMeta
from fleckcore.simulate import load_scene
from fleckcore.simulate.campaign import mjd_of, plan
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.exposure import calibrated, expose
from fleckcore.track import Epoch

SIDE, CHIP = 512, 2
PART = SIDE**2 / (2048 * 4096)
FRECKLES = 30
HOW = replace(DEFAULTS, shapes="compact", min_area=8)
FLECK = {"name": "fleck", "chip": CHIP, "width": 9.0, "height": 9.0}


@cache
def small_profile():
    """A detector like ACS/WFC whose chips have 512 x 512 pixels."""
    text = (files("fleckcore.instruments") / "profiles" / "acs_wfc.toml").read_text("utf-8")
    for old, new in (
        ("shape = [2048, 4096]", f"shape = [{SIDE}, {SIDE}]"),
        ("raw_shape = [2068, 4144]", f"raw_shape = [{SIDE + 20}, {SIDE + 48}]"),
        ("raw_rows = [[0, 2048]]", f"raw_rows = [[0, {SIDE}]]"),
        ("raw_rows = [[20, 2068]]", f"raw_rows = [[20, {SIDE + 20}]]"),
        ("raw_columns = [[24, 4120]]", f"raw_columns = [[24, {SIDE + 24}]]"),
        ('seams = [["col", 2048]]', f'seams = [["col", {SIDE // 2}]]'),
    ):
        assert old in text
        text = text.replace(old, new)
    path = Path(mkdtemp()) / "small.toml"
    path.write_text(text)
    return str(path)


def small_scene(seed, flecks=()):
    """The packaged scene on the small detector: as many bad pixels for its area, more freckles."""
    scene = load_scene()
    return scene.model_copy(
        update={
            "seed": seed,
            "profile": small_profile(),
            "flecks": flecks,
            "traps": None,
            "freckles": scene.freckles.model_copy(update={"count": FRECKLES}),
            "hot_pixels": scene.hot_pixels.model_copy(
                update={"born_per_day": scene.hot_pixels.born_per_day * PART}
            ),
            "sink_pixels": scene.sink_pixels.model_copy(
                update={"born_per_day": scene.sink_pixels.born_per_day * PART}
            ),
        }
    )


def cycles(scene, *, exposures=6, keep=()):
    """Give every anneal cycle as an epoch: the mean of some of its short darks; single ones of cycles in ``keep``."""
    truth = ChipTruth(scene, CHIP)
    taken = [one for one in plan(scene) if one.kind == "short_dark"]
    bounds = [mjd_of(scene.start), *map(mjd_of, scene.anneals.dates), mjd_of(scene.stop)]
    made = []
    for first, stop in pairwise(bounds):
        part = [one for one in taken if first <= one.mjd < stop]
        if not part:
            continue
        number = len(made)
        chosen = part if number in keep else part[:: max(1, len(part) // exposures)][:exposures]
        frames = [frame_of(truth, one) for one in chosen]
        made.append(
            Epoch(
                frames=(mean_of(frames),),
                name=f"cycle {number}",
                first=part[0].mjd,
                last=part[-1].mjd,
                exposures=tuple(frames) if number in keep else (),
            )
        )
    return made


def frame_of(truth, exposure):
    made = calibrated(truth, exposure, expose(truth, exposure, threads=1))
    meta = FrameMeta(
        profile="acs_wfc",
        chip=CHIP,
        unit="electron",
        kind="short_dark",
        mjd=exposure.mjd,
        readout="-y",
    )
    return Frame(made.data, made.error, meta=meta)


def mean_of(frames):
    """The mean without the highest value of each pixel, which may be a cosmic ray."""
    stack = np.sort([frame.data for frame in frames], axis=0)[:-1]
    error = np.sqrt(np.mean([frame.error**2 for frame in frames], axis=0) / len(stack))
    return frames[0].replace(data=stack.mean(axis=0), error=error)

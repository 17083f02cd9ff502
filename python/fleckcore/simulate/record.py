"""The truth of a scene as a record for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fleckcore.simulate.campaign import Exposure
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.observatory import Observatory
from fleckcore.simulate.obstruction import Obstruction
from fleckcore.simulate.scene import Fleck

__all__ = ["truth_record"]


def truth_record(
    observatory: Observatory, files: Iterable[tuple[Exposure, Path]]
) -> dict[str, Any]:
    """Give all that is known of a scene and of exposures of it, ready for JSON.

    Positions are 0-based pixel centres of the chip without overscan on the scene's last day, where the lamp shows
    them; areas are pixels that lose more than 5 % and more than half of blue light.
    """
    chips = observatory.chips.values()
    return {
        "simulated": True,
        "scene": observatory.scene.model_dump(mode="json"),
        "flecks": [_fleck(fleck, observatory) for fleck in observatory.scene.flecks],
        "freckles": [_shape(item, truth) for truth in chips for item in truth.freckles],
        "exposures": [_exposure(item, path, observatory) for item, path in files],
    }


def _fleck(fleck: Fleck, observatory: Observatory) -> dict[str, Any]:
    lying = fleck.on(observatory.scene.stop)
    dx, dy = observatory.scene.flash.shift
    return {
        **_shape(lying, observatory.chips[fleck.chip]),
        "born": fleck.born.isoformat(),
        "x_flash": lying.x + dx,
        "y_flash": lying.y + dy,
        "moves": [move.model_dump(mode="json") for move in fleck.moves],
    }


def _shape(item: Obstruction, truth: ChipTruth) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "chip": truth.chip.id,
        "x": item.x,
        "y": item.y,
        "width": item.width,
        "height": item.height,
        "loss": item.loss,
        "area": item.area,
        "area_half": int(np.count_nonzero(item.stamp() > 0.5)),
    }


def _exposure(item: Exposure, path: Path, observatory: Observatory) -> dict[str, Any]:
    bad = {
        str(chip): {
            "hot": int(np.unique(truth.hot_pixels.at(item.mjd)[0]).size),
            "sinks": int(np.unique(truth.sink_pixels.at(item.mjd)[0]).size),
        }
        for chip, truth in observatory.chips.items()
    }
    return {**asdict(item), "file": path.name, "pixels": bad}

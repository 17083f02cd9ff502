"""The pixels that the flecks of the simulated scene take more than half of the light from."""

from datetime import date

import numpy as np

from fleckcore.simulate.campaign import mjd_of

DECEMBER = mjd_of(date(2017, 12, 1))


def deep_masks(observatory, names=("larger", "elongated"), mjd=DECEMBER):
    """By CCDCHIP, of chips without overscan."""
    masks = {}
    for number, truth in observatory.chips.items():
        mask = masks[number] = np.zeros(truth.chip.shape, bool)
        for fleck, lying in truth.flecks(mjd):
            if fleck.name in names:
                stamp = lying.stamp() > 0.5
                y, x = (
                    round(at) - size // 2
                    for at, size in zip((lying.y, lying.x), stamp.shape, strict=True)
                )
                mask[y : y + stamp.shape[0], x : x + stamp.shape[1]] |= stamp
    return masks

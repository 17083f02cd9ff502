"""doDQI of calacs as slow, obvious Python, written from its documentation and source."""

import numpy as np


def dodqi(rows, bits, *, chip, amplifiers, gain, ltv):
    """``rows`` are dicts with the columns of a table; gives the plane, and how many rows hold."""
    plane = bits.copy()
    ny, nx = plane.shape
    held = 0
    for row in rows:
        if row["CCDCHIP"] not in (-999, -1, chip):
            continue
        if row["CCDAMP"] not in ("N/A", "ANY", amplifiers):
            continue
        if row["CCDGAIN"] not in (-999, -1, gain):
            continue
        held += 1
        for step in range(row["LENGTH"]):
            i = row["PIX1"] - 1 + ltv[0] + (step if row["AXIS"] == 1 else 0)
            j = row["PIX2"] - 1 + ltv[1] + (step if row["AXIS"] == 2 else 0)
            if 0 <= i < nx and 0 <= j < ny:
                plane[j, i] = np.int16(plane[j, i] | np.int16(row["VALUE"]))
    if not held:
        plane[1, 1] |= 64
    return plane, held

"""``fleckcore demo``: the first thing that a newcomer sees."""

from __future__ import annotations

import pytest
from astropy.io import fits

from fleckcore import Catalog
from fleckcore.cli import main


def test_demo_says_what_was_found_of_what_is_known(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["demo", "-o", str(tmp_path)])
    assert not exit_.value.code
    out = capsys.readouterr().out
    known = [line.strip() for line in out.splitlines() if "-> known" in line]
    assert known[0] == "-> known: 4 of 4 rings, 2 of 2 discs, 5 of 5 flecks found; 0 false alarms"
    assert known[1].startswith("-> known: 2 of 2 flecks, 100 of 100 freckles found; ")
    assert known[2].startswith("-> known: 1 of 1 fleck, 100 of 100 freckles found; ")
    assert all(int(line.split("; ")[1].split()[0]) <= 1 for line in known)
    assert "note:" not in out
    for row in Catalog.read(
        tmp_path / "simulated_flat.ecsv"
    ):  # few enough to be shown, all of them
        assert f" {row['x_centroid'].value:.1f} {row['y_centroid'].value:8.1f}" in out
    header = fits.getheader(tmp_path / "simulated_flat.fits")
    assert header["SIMULATED"] is True
    written = {path.name for path in tmp_path.iterdir()}
    for stem in ("esis_flat", "simulated_flat", "simulated_short_dark_chip1"):
        assert {f"{stem}.ecsv", f"{stem}.reg", f"{stem}_mask.fits"} <= written

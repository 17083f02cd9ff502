"""The published recipe on a whole chip: the sweep alone, and from the file to the catalogue."""

import pytest

import fleckcore
from fleckcore import simulate
from fleckcore.kernels import literal_search


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    path = tmp_path_factory.mktemp("chip") / "short_dark.fits"
    simulate.write(simulate.short_dark(chip=2, seed=2), path)
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_literal_search(benchmark, chip, threads):
    (frame,) = fleckcore.read(chip)
    found = benchmark(
        literal_search,
        frame.data,
        quality=frame.quality,
        bits=frame.meta.masked_bits,
        without_deviants=False,
        threads=threads,
    )
    assert len(found.peaks) > 50


@pytest.mark.parametrize("threads", [1, 2])
def test_file_to_catalogue(benchmark, chip, threads):
    def run():
        (frame,) = fleckcore.read(chip)
        return fleckcore.find(frame, normalise="literal", threads=threads)

    assert len(benchmark(run)) > 50

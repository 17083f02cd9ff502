"""The published recipe as a search: the same catalogue as from whole planes, to the byte."""

from types import SimpleNamespace

import numpy as np
import pytest

import fleckcore
from fleckcore.detection import search as searching
from fleckcore.detection.finder import Finder
from fleckcore.detection.footprint import Footprint
from fleckcore.detection.normalise import fitting, normalise
from fleckcore.detection.options import Options
from fleckcore.detection.scales import mesh_noise
from fleckcore.errors import ArrayError
from fleckcore.frame import as_frame
from fleckcore.kernels import label_components, median_filter, mesh_statistics
from test_literal_search import frame

OPTIONS = Options(normalise="literal")


class PlainFinder(Finder):
    """What `LiteralFinder` does, over whole planes."""

    def __init__(self, given, options, threads):
        self.frame, self.options, self.threads = given, options, threads
        self.beside_streak, self.not_listed, self.not_listed_pixels = None, {}, 0
        self.limit, self.is_blank = 5.0, given.mask.all()
        self.footprints, self.features = [], []
        if self.is_blank:
            self.labels = np.zeros(given.shape, np.int32)
            return
        image = normalise(given, "literal", window=63, stripe_window=127, unlit_below=0)
        self.normalised, self.unsearched = image, image.mask
        self.loss = 1 - image.transmission
        noise = mesh_noise(self.loss, image.mask, options.mesh, threads)
        with np.errstate(invalid="ignore"):
            self.mask = image.mask | (self.loss < -6 * noise)
        noise = mesh_noise(self.loss, self.mask, options.mesh, threads)
        self.pixel_noise = noise if image.error is None else image.error
        self.loss[self.mask] = 0
        self.deviant = np.count_nonzero(self.mask & ~image.mask)
        self.searched_pixels = np.count_nonzero(~self.mask)
        self.found = SimpleNamespace(
            flagged=np.count_nonzero(given.mask),
            unlit=np.count_nonzero(image.mask) - np.count_nonzero(given.mask),
        )
        self.footprints = self._search()
        self._measure_all()
        self.features = [self._feature(i) for i in range(len(self.footprints))]

    def _search(self):
        size = fitting(15, self.frame.shape)
        with np.errstate(invalid="ignore"):
            excess = 100 * (1 - median_filter(self.normalised.transmission, size))
        mesh = mesh_statistics(excess, self.options.mesh).filled().median_filtered()
        if np.isnan(mesh.noise).all():
            return []
        excess -= mesh.interpolate("level")
        noise = max(float(np.nanmedian(mesh.noise)), 1e-5)
        objects = label_components(excess, 5 * noise, mask=self.mask, min_area=25)
        found = []
        for i, (y0, y1, x0, x1) in enumerate(objects.bbox.tolist()):
            cut = slice(y0, y1 + 1), slice(x0, x1 + 1)
            pixels = objects.labels[cut] == i + 1
            found.append(Footprint.of(cut, pixels, float(objects.peak[i]) / noise, blend=False))
        return sorted(found, key=lambda f: (-f.significance, f.bbox))


def bytes_of(catalog):
    meta = dict(catalog.meta)
    return meta, [
        list(column) if column.dtype.kind == "U" else np.asarray(column).tobytes()
        for column in catalog.itercols()
    ]


def assert_as_plain(monkeypatch, data, options=OPTIONS, **given):
    search = searching.search(data, options=options, threads=2, **given)
    found = bytes_of(search.catalog)
    for threads in (1, 3):
        if options is OPTIONS:
            assert (
                bytes_of(fleckcore.find(data, normalise="literal", threads=threads, **given))
                == found
            )
    with monkeypatch.context() as patch:
        patch.setattr(searching, "LiteralFinder", PlainFinder)
        plain = searching.search(data, options=options, threads=1, **given)
    assert bytes_of(plain.catalog) == found
    np.testing.assert_array_equal(search.labels, plain.labels)
    np.testing.assert_array_equal(search.normalised.transmission, plain.normalised.transmission)
    return search.catalog


@pytest.mark.parametrize("dtype", [">f4", "<f8", "u2", ">i4", "i8"])
def test_every_type(monkeypatch, dtype):
    assert len(assert_as_plain(monkeypatch, frame().astype(dtype)))


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("error", [None, 40.0, "plane"])
def test_masks_and_errors(monkeypatch, part, error):
    data = frame()
    mask = np.random.default_rng(4).random(data.shape) < part
    if error == "plane":
        error = np.sqrt(data)
        error[5:9, 30:200] = np.nan
    assert len(assert_as_plain(monkeypatch, data, mask=mask, error=error))


def test_numbers_that_are_none_and_pixels_without_light(monkeypatch):
    data = frame()
    data[40:60, 100:300], data[7, 7] = np.nan, np.inf
    data[200:, 330:] = np.random.default_rng(0).normal(0, 5, (100, 90))
    catalog = assert_as_plain(monkeypatch, data)
    assert catalog.meta["masked_pixels"] == 4001
    assert catalog.meta["unlit_pixels"] > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (8, 9), (30, 200), (131, 67)])
def test_every_shape(monkeypatch, shape):
    assert_as_plain(monkeypatch, frame(shape))


@pytest.mark.parametrize("box", [8, 50, 300])
def test_every_box_of_the_noise(monkeypatch, box):
    assert_as_plain(monkeypatch, frame(), Options(normalise="literal", mesh=box))


def test_seams_and_readout(monkeypatch):
    given = as_frame(frame(), seams=(("col", 210), ("row", 150)), readout="-x")
    assert len(assert_as_plain(monkeypatch, given))


def test_a_bias(monkeypatch):
    assert len(assert_as_plain(monkeypatch, frame() + 300, bias=np.full((300, 420), 300.0)))


def test_frames_without_anything(monkeypatch):
    empty = assert_as_plain(monkeypatch, np.full((90, 100), np.nan, np.float32))
    assert (len(empty), empty.meta["status"]) == (0, "NO_VALID_PIXELS")
    even = assert_as_plain(monkeypatch, np.full((90, 100), 7, np.uint16))
    assert (len(even), even.meta["status"]) == (0, "OK")


def test_a_rejected_frame(monkeypatch):
    data = frame(spots=0)
    y, x = np.mgrid[:300, :420]
    data[np.hypot(y % 60 - 30, x % 60 - 30) < 17] *= 0.6
    catalog = assert_as_plain(monkeypatch, data)
    assert catalog.meta["status"] == "FRAME_REJECTED"
    assert len(catalog) > 20


@pytest.mark.parametrize("level", [-5.0, 0.0])
def test_a_frame_without_a_level(monkeypatch, level):
    data = frame() * 0 + np.float32(level)
    said = set()
    for finder in (searching.LiteralFinder, PlainFinder):
        monkeypatch.setattr(searching, "LiteralFinder", finder)
        with pytest.raises(ArrayError, match="A06") as caught:
            fleckcore.find(data, normalise="literal")
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_level_that_is_positive_in_most_places(monkeypatch):
    data = frame((200, 200))
    data[:, 150:] -= 6000
    assert assert_as_plain(monkeypatch, data).meta["unlit_pixels"] > 5000

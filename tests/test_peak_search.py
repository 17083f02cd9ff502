"""Local maxima over the noise, against a slow reference of the whole frame."""

import numpy as np
import pytest

import reference
from fleckcore.errors import ArrayError
from fleckcore.kernels import mesh_statistics, peak_search


def frame(shape, seed=1):
    rng = np.random.default_rng(seed)
    image = rng.standard_t(5, shape).astype(np.float32)
    image[shape[0] // 2, shape[1] // 3 : shape[1] // 3 + 2] = 30  # equal neighbours
    image[-1, -1] = image[0, 0] = 40
    return image


def noise_of(mesh, least, error=None, white=1.0, doubt=None):
    noise = mesh.interpolate("noise")
    noise[np.isnan(noise)] = np.inf
    noise = np.maximum(noise, np.float32(least))
    if error is not None:
        noise = np.fmax(noise, error / np.float32(white))
    return noise if doubt is None else np.hypot(noise, doubt)


def assert_same(found, expected, floor):
    peaks, opposite = expected
    places = zip(found.ys.tolist(), found.xs.tolist(), found.significance.tolist(), strict=True)
    assert list(places) == peaks
    assert found.sampled == opposite.size
    above = opposite[opposite > floor]
    rest = opposite[opposite <= floor][-1:]
    assert found.opposite[-1] == (rest[0] if rest.size else -np.inf)
    np.testing.assert_array_equal(np.sort(found.opposite[:-1]), above)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (97, 1), (64, 48), (150, 333)])
@pytest.mark.parametrize("threads", [1, 3])
def test_equals_the_reference(shape, threads):
    image = frame(shape)
    rng = np.random.default_rng(2)
    mask = rng.random(shape) < 0.2
    error = rng.uniform(0.2, 3, shape).astype(np.float32)
    error[rng.random(shape) < 0.1] = np.nan
    doubt = rng.uniform(0, 1, shape).astype(np.float32)
    mesh = mesh_statistics(image, 32, min_valid=0.0)
    for planes in (
        {},
        {"error": error, "white": 1.7},
        {"doubt": doubt},
        {"error": error, "doubt": doubt},
    ):
        found = peak_search(
            image, mesh, 2.5, mask=mask, threads=threads, opposite_floor=1.5, **planes
        )
        expected = reference.peak_search(image, noise_of(mesh, 1e-5, **planes), 2.5, mask)
        assert_same(found, expected, 1.5)


def test_noise_that_nothing_tells_hides_everything():
    image = frame((40, 40))
    mesh = mesh_statistics(np.full((40, 40), np.nan, np.float32), 32)
    found = peak_search(image, mesh, 1.0)
    assert found.ys.size == 0
    assert found.sampled == 14 * 14


def test_overflow_is_no_significance():
    image = np.zeros((9, 9), np.float32)
    image[4, 4] = 3e38
    mesh = mesh_statistics(np.zeros((9, 9), np.float32), 9)
    assert peak_search(image, mesh, 1.0).ys.size == 0
    assert peak_search(image, mesh, 1.0, least_noise=1.0).ys.tolist() == [4]


@pytest.mark.parametrize("layout", ["float64", ">f4", "reversed", "transposed"])
def test_any_layout(layout):
    image = frame((70, 90))
    given = {
        "float64": lambda: image.astype(float),
        ">f4": lambda: image.astype(">f4"),
        "reversed": lambda: image[::-1, ::-1].copy()[::-1, ::-1],
        "transposed": lambda: np.asfortranarray(image),
    }[layout]()
    mesh = mesh_statistics(image, 32)
    expected, found = peak_search(image, mesh, 2.0), peak_search(given, mesh, 2.0)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_wrong_arguments():
    image = frame((40, 50))
    mesh = mesh_statistics(image, 32)
    for code, image_, options in (
        ("A12", image[1:], {}),
        ("A12", image, {"error": image[1:]}),
        ("A12", image, {"doubt": image[1:]}),
        ("A12", image, {"mask": image[1:] > 0}),
        ("A09", image, {"white": 0.0}),
        ("A09", image, {"least_noise": -1.0}),
        ("A09", image, {"least_noise": 1e-50}),
        ("A09", image, {"opposite_floor": np.nan}),
        ("A09", image, {"threads": 0}),
        ("A09", image[0], {}),
    ):
        with pytest.raises(ArrayError) as error:
            peak_search(image_, mesh, 1.0, **options)
        assert error.value.code == code
    with pytest.raises(ArrayError) as error:
        peak_search(image, mesh, np.nan)
    assert error.value.code == "A09"

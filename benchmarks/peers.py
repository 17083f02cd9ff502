"""Other programs on the same flats: each is optional, and gets a handful of settings.

All see the flat inverted and divided by its median, and use their own background and threshold. A
footprint's radius is that of a circle of its area.
"""

from __future__ import annotations

import importlib
import itertools
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from real_flats import Flat

BOXES = (16, 32, 64, 128)  # pixels, of the background mesh
N_SIGMA = (0.8, 1.5, 3.0)  # the lowest where a slit or a gradient inflates the noise
FWHM = (2.0, 5.0, 9.0)  # pixels, of the Gaussian that smooths before the threshold
MIN_AREA = {2.0: 5, 5.0: 15, 9.0: 25}  # pixels, for each FWHM


class Circles(NamedTuple):
    """What a program found, 0-based pixels."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]


Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A program: its version, `None` where it is not installed; its settings; and how to run one."""

    version: Callable[[], str | None]
    settings: tuple[Setting, ...]
    run: Callable[[NDArray[np.float32], NDArray[np.bool_], Setting], Circles]


def inverted(flat: Flat) -> NDArray[np.float32]:
    """Shadows as bright features, of 1 where no light is left."""
    return np.asarray(1 - flat.data / np.median(flat.data[~flat.mask]), np.float32, order="C")


def _grid(**values: tuple[Any, ...]) -> tuple[Setting, ...]:
    return tuple(dict(zip(values, row, strict=True)) for row in itertools.product(*values.values()))


def _module_version(name: str) -> Callable[[], str | None]:
    def version() -> str | None:
        try:
            return str(importlib.import_module(name).__version__)
        except ImportError:
            return None

    return version


def _of_area(x: Any, y: Any, area: Any) -> Circles:
    return Circles(np.asarray(x, float), np.asarray(y, float), np.sqrt(np.asarray(area) / np.pi))


def _gaussian(fwhm: float) -> NDArray[np.float32]:
    """A kernel of sum 1 that ends at 1.5 FWHM."""
    half = int(1.5 * fwhm)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.exp(-4 * np.log(2) * (x**2 + y**2) / fwhm**2)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _sep(image: NDArray[np.float32], mask: NDArray[np.bool_], setting: Setting) -> Circles:
    import sep

    sep.set_extract_pixstack(image.size)
    back = sep.Background(image, mask=mask, bw=setting["box"], bh=setting["box"])
    found = sep.extract(
        image - back.back(),
        setting["n_sigma"],
        err=back.rms() if setting["noise"] == "local" else back.globalrms,
        mask=mask,
        filter_kernel=_gaussian(setting["fwhm"]),
        minarea=MIN_AREA[setting["fwhm"]],
    )
    return _of_area(found["x"], found["y"], found["npix"])


def _photutils(image: NDArray[np.float32], mask: NDArray[np.bool_], setting: Setting) -> Circles:
    from photutils.background import Background2D
    from photutils.segmentation import SourceCatalog, SourceFinder
    from scipy.signal import fftconvolve

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that finds nothing, of many deblended
        back = Background2D(image, setting["box"], mask=mask)
        smooth = fftconvolve(image - back.background, _gaussian(setting["fwhm"]), mode="same")
        finder = SourceFinder(MIN_AREA[setting["fwhm"]], progress_bar=False)
        threshold = setting["n_sigma"] * back.background_rms * _white_noise(setting["fwhm"])
        segments = finder(smooth, threshold, mask=mask)
        if segments is None:
            return _of_area([], [], [])
        found = SourceCatalog(image - back.background, segments, convolved_data=smooth, mask=mask)
    return _of_area(found.x_centroid, found.y_centroid, segments.areas)


def _white_noise(fwhm: float) -> float:
    """What smoothing leaves of white noise."""
    return float(np.sqrt((_gaussian(fwhm) ** 2).sum()))


def _source_extractor_version() -> str | None:
    program = _source_extractor_program()
    if program is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-2]


def _source_extractor_program() -> str | None:
    names = ("source-extractor", "sex", "sextractor")
    return next((path for path in map(shutil.which, names) if path), None)


def _source_extractor(
    image: NDArray[np.float32], mask: NDArray[np.bool_], setting: Setting
) -> Circles:
    from astropy.io import fits
    from astropy.table import Table

    program = _source_extractor_program()
    assert program is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fits.writeto(folder / "image.fits", image)
        if mask.any():
            fits.writeto(folder / "weight.fits", (~mask).astype(np.float32))
        columns = ("X_IMAGE", "Y_IMAGE", "ISOAREAF_IMAGE")
        (folder / "columns.param").write_text("\n".join(columns) + "\n")
        (folder / "kernel.conv").write_text("\n".join(_convolution(setting["fwhm"])) + "\n")
        options = _source_extractor_options(setting, _weight(setting, mask))
        subprocess.run([program, "image.fits", *options], cwd=folder, check=True)
        found = Table.read(folder / "found.fits", hdu=1)
    x, y, area = (np.asarray(found[column], float) for column in columns)
    return _of_area(x - 1, y - 1, area)


def _convolution(fwhm: float) -> Iterator[str]:
    yield "CONV NORM"
    yield from (" ".join(f"{value:.6g}" for value in row) for row in _gaussian(fwhm))


def _weight(setting: Setting, mask: NDArray[np.bool_]) -> str:
    """A mask needs a weight map, and then the noise is always local."""
    if mask.any():
        return "MAP_WEIGHT"
    return "BACKGROUND" if setting["noise"] == "local" else "NONE"


def _source_extractor_options(setting: Setting, weight: str) -> list[str]:
    values = {
        "c": "/dev/null",  # its own defaults, without a complaint that no file gives others
        "CATALOG_NAME": "found.fits",
        "CATALOG_TYPE": "FITS_1.0",
        "PARAMETERS_NAME": "columns.param",
        "FILTER_NAME": "kernel.conv",
        "WEIGHT_TYPE": weight,
        "WEIGHT_IMAGE": "weight.fits",
        "WEIGHT_GAIN": "N",
        "BACK_SIZE": setting["box"],
        "DETECT_THRESH": setting["n_sigma"],
        "ANALYSIS_THRESH": setting["n_sigma"],
        "DETECT_MINAREA": MIN_AREA[setting["fwhm"]],
        "MEMORY_PIXSTACK": 10_000_000,
        "VERBOSE_TYPE": "QUIET",
    }
    return [part for key, value in values.items() for part in (f"-{key}", str(value))]


def _blobs(image: NDArray[np.float32], mask: NDArray[np.bool_], setting: Setting) -> Circles:
    """Laplacian or determinant of the Hessian, in units of the noise, the box as background."""
    from scipy.ndimage import median_filter
    from skimage import feature, transform

    filled = np.where(mask, np.median(image[~mask]), image)
    coarse = transform.downscale_local_mean(filled, (8, 8))
    level = transform.resize(median_filter(coarse, 2 * setting["box"] // 8 + 1), image.shape)
    flat = filled - level
    noise = 1.4826 * np.median(np.abs(flat - np.median(flat)))
    search = {"LoG": feature.blob_log, "DoH": feature.blob_doh}[setting["method"]]
    y, x, sigma = search(
        np.clip(flat / noise, -5, 50).astype(np.float32),
        min_sigma=setting["min_sigma"],
        max_sigma=60,
        num_sigma=8,
        log_scale=True,
        threshold=setting["threshold"],
        overlap=0.5,
    ).T
    factor = np.sqrt(2) if setting["method"] == "LoG" else 1
    return Circles(x, y, factor * sigma)


_FOOTPRINTS = _grid(noise=("global",), box=BOXES, n_sigma=N_SIGMA, fwhm=FWHM) + _grid(
    noise=("local",), box=(16, 32, 64), n_sigma=N_SIGMA, fwhm=(2.0, 5.0)
)
_FEWER = _grid(box=(16, 32, 128), n_sigma=(1.5, 3.0), fwhm=(2.0, 5.0))  # slower

PEERS: dict[str, Peer] = {
    "sep": Peer(_module_version("sep"), _FOOTPRINTS, _sep),
    "photutils": Peer(_module_version("photutils"), _FEWER, _photutils),
    "sextractor": Peer(_source_extractor_version, _FOOTPRINTS, _source_extractor),
    "skimage": Peer(
        _module_version("skimage"),
        _grid(method=("LoG",), min_sigma=(1.5, 4.0), threshold=(1.0, 2.0), box=(64, 128))
        + _grid(method=("DoH",), min_sigma=(3.0, 6.0), threshold=(0.1, 0.5), box=(64, 128)),
        _blobs,
    ),
}
"""Every peer by the name that the command line uses."""

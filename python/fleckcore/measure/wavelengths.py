"""Effective wavelengths: where in the spectrum a lamp's light through a filter lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, InputFileError, MetadataError, MissingExtraError
from fleckcore.frame import FrameMeta
from fleckcore.instruments import load_profile
from fleckcore.io.passbands import Passband

__all__ = [
    "FilterWavelength",
    "Lamp",
    "effective_wavelength",
    "filter_wavelength",
    "pivot_wavelength",
    "synphot_passband",
    "tungsten_lamp",
]

Spectrum = NDArray[np.float64]
Lamp = Callable[[Spectrum], Spectrum]
"""Gives the energy per wavelength, in any unit, at wavelengths in angstrom."""

TEMPERATURE_K = 2900.0
"""Of a tungsten filament; lamps of calibration systems burn at 2800 to 3100 K."""

_SECOND_RADIATION = 1.438777e8  # angstrom K


def tungsten_lamp(temperature_k: float = TEMPERATURE_K) -> Lamp:
    """Give the spectrum of a tungsten filament: a black body times the emissivity of tungsten.

    Parameters
    ----------
    temperature_k : float
        Of the filament.

    Returns
    -------
    callable
        Energy per wavelength, relative, at wavelengths in angstrom.

    Raises
    ------
    ArrayError
        ``A09`` a temperature of 0 or less.

    Notes
    -----
    Emissivity after Larrabee (1959, J. Opt. Soc. Am. 49, 619), whose formulas hold from 3500 to 8000 angstrom and are
    carried on beyond. It falls by a seventh from 4000 to 9000 angstrom, which moves the effective wavelengths of
    ACS's broad filters by 2 to 16 angstrom; 100 K more or less move them by 4 to 18.
    """
    if not temperature_k > 0:
        raise ArrayError(f"temperature_k={temperature_k!r}, wanted more than 0.", code="A09")

    def spectrum(wavelength: Spectrum) -> Spectrum:
        exponent = np.minimum(_SECOND_RADIATION / (wavelength * temperature_k), 700)
        black: Spectrum = wavelength**-5 / np.expm1(exponent)
        return black * _emissivity(wavelength, temperature_k)

    return spectrum


def _emissivity(wavelength: Spectrum, temperature_k: float) -> Spectrum:
    um, kelvin = wavelength / 1e4, temperature_k
    blue = 0.6075 - 0.3000 * um - 0.3265e-4 * kelvin + 0.5900e-4 * um * kelvin
    green = 0.4655 + 0.01558 * um + 0.2675e-4 * kelvin - 0.7305e-4 * um * kelvin
    red = 0.6552 - 0.2633 * um - 0.7333e-4 * kelvin + 0.7417e-4 * um * kelvin
    return np.where(um < 0.45, blue, np.where(um < 0.68, green, red))


def effective_wavelength(
    wavelength: Spectrum, throughput: Spectrum, lamp: Lamp | tuple[Spectrum, Spectrum] | None = None
) -> float:
    """Give the mean wavelength of the photons of a lamp that a passband lets through.

    Parameters
    ----------
    wavelength : ndarray of float, shape (n,)
        Angstrom.
    throughput : ndarray of float, shape (n,)
        Per photon, in any unit.
    lamp : callable, or (wavelength, flux), optional
        Its energy per wavelength: a function of angstroms, or a table that is interpolated and 0 beyond its ends. By
        default a `tungsten_lamp`.

    Returns
    -------
    float
        Angstrom: the integral of ``F T l**2`` over that of ``F T l``, which weights by photons.

    Raises
    ------
    ArrayError
        As for `fleckcore.io.passbands.Passband`; ``A09`` no light of the lamp comes through.
    """
    band = Passband(wavelength, throughput)
    spectrum = _spectrum(lamp)(band.wavelength) * band.throughput * band.wavelength
    photons = _integral(band.wavelength, spectrum)
    if not photons > 0:
        raise ArrayError("no light of the lamp comes through the passband.", code="A09")
    return _integral(band.wavelength, spectrum * band.wavelength) / photons


def pivot_wavelength(wavelength: Spectrum, throughput: Spectrum) -> float:
    """Give the pivot wavelength of a passband, which knows of no lamp: ``sqrt(int T l dl / int T / l dl)``."""
    band = Passband(wavelength, throughput)
    above = _integral(band.wavelength, band.throughput * band.wavelength)
    return float(np.sqrt(above / _integral(band.wavelength, band.throughput / band.wavelength)))


def _spectrum(lamp: Lamp | tuple[Spectrum, Spectrum] | None) -> Lamp:
    if lamp is None:
        return tungsten_lamp()
    if callable(lamp):
        return lamp
    table = Passband(*lamp, name="lamp")
    return lambda at: np.interp(at, table.wavelength, table.throughput, left=0.0, right=0.0)


def _integral(x: Spectrum, y: Spectrum) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)


def synphot_passband(band: str) -> Passband:
    """Take a passband from stsynphot, which holds those of Hubble's instruments.

    Parameters
    ----------
    band : str
        An observation mode, for example ``"acs,wfc1,f435w"``.

    Returns
    -------
    Passband

    Raises
    ------
    MissingExtraError
        ``R17`` stsynphot is not installed.
    InputFileError
        ``I11`` it has no such mode, or not its data files.
    """
    try:
        stsynphot = import_module("stsynphot")
    except ImportError:
        raise MissingExtraError("stsynphot", "spectra") from None
    try:
        element = stsynphot.band(band)
    except Exception as error:  # of many kinds, most of them none of its own
        raise InputFileError(
            f"stsynphot does not give {band!r}: {error}.",
            code="I11",
            advice="Its data files must lie where PYSYN_CDBS says.",
        ) from error
    wavelength = element.waveset
    return Passband(wavelength.to_value("Angstrom"), element(wavelength).value, band)


@dataclass(frozen=True)
class FilterWavelength:
    """Where in the spectrum a filter lies.

    Attributes
    ----------
    name : str
        Of the filter.
    wavelength : float
        Angstrom.
    kind : str
        ``"effective"``: photon-weighted, of a lamp; ``"pivot"``: of the passband alone.
    """

    name: str
    wavelength: float
    kind: Literal["effective", "pivot"]


def filter_wavelength(
    meta: FrameMeta,
    *,
    passbands: Mapping[str, Passband] | None = None,
    lamp: Lamp | tuple[Spectrum, Spectrum] | None = None,
) -> FilterWavelength:
    """Find the wavelength of the light of a frame.

    Parameters
    ----------
    meta : FrameMeta
        Of the frame, which says its filter and instrument.
    passbands : mapping of str to Passband, optional
        By filter.
    lamp
        As for `effective_wavelength`.

    Returns
    -------
    FilterWavelength
        The effective wavelength where there is a passband, else the pivot wavelength of the instrument's profile.

    Raises
    ------
    MetadataError
        ``M01`` no filter, or one of which neither is known.
    """
    pivots = load_profile(meta.profile).filters.pivot_angstrom
    for name in meta.filters:
        band = (passbands or {}).get(name)
        if band is not None:
            return FilterWavelength(
                name, effective_wavelength(band.wavelength, band.throughput, lamp), "effective"
            )
    for name in meta.filters:
        if name in pivots:
            return FilterWavelength(name, pivots[name], "pivot")
    raise MetadataError(
        f"no wavelength of filter {' + '.join(meta.filters) or '(none)'} of {meta.profile}.",
        code="M01",
        path=meta.path,
        advice="Give its passband, or pivot_angstrom in a profile of your own.",
    )

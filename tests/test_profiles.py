"""Profiles load, refuse typos by name, and hold the numbers of the instruments."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from fleckcore.errors import MetadataError
from fleckcore.instruments import Profile, list_profiles, load_profile, recognise

NAMES = ("acs_hrc", "acs_wfc", "esis", "generic", "wfc3_uvis")


def text_of(name: str) -> str:
    return (files("fleckcore.instruments") / "profiles" / f"{name}.toml").read_text("utf-8")


def test_the_list() -> None:
    assert list_profiles() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_loads_and_agrees_with_itself(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert all(bit & (bit - 1) == 0 for bit in profile.quality.values())
    assert len(set(profile.quality.values())) == len(profile.quality)
    for chip in profile.chips:
        assert chip.ltv == (chip.raw_columns[0][0], chip.raw_rows[0][0])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("pixel_size_um = 15.0", "pixle_size_um = 15.0", "pixle_size_um: Extra inputs"),
        ("pixel_size_um = 15.0", "pixel_size_um = -15.0", "pixel_size_um: Input should be greater"),
        ("raw_shape = [2068, 4144]", "raw_shap = [2068, 4144]", "chips.0.raw_shap: Extra inputs"),
        ("[24, 4120]", "[24, 4119]", "chips.0: Value error, raw_columns keeps 4095 pixels"),
        ("raw_shape = [2068, 4144]", "raw_shape = [2068, 4000]", "raw_columns keeps 4096"),
        ('["C", "D"]', '["C", "E"]', "chip 2 names amplifier 'E'"),
        ('readout = "-y"', 'readout = "down"', "amplifiers.C.readout"),
        ('"fill", "aper', '"filling", "aper', "search_masked names 'filling'"),
        ("seams = [", "dark_rows = [[0, 1]]\nseams = [", "chip 2 has dark pixels"),
        ('kind = "bias"', 'kind = "biass"', "kinds.3.kind"),
        ('unit = "DN"', "unit = ", "not TOML"),
    ],
)
def test_typos_are_refused_with_their_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    text = 'unit = "DN"\n' + text_of("acs_wfc")
    assert old in text
    path.write_text(text.replace(old, new, 1) if "raw" not in old else text.replace(old, new))
    with pytest.raises(MetadataError, match=re.escape(words)) as caught:
        load_profile(path)
    assert caught.value.code == "M08"
    assert str(path) in str(caught.value)


def test_an_own_instrument_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ntitle = "My camera"\npixel_size_um = 3.76\n')
    assert load_profile(path).pixel_size_um == 3.76
    with pytest.raises(MetadataError, match=r"M08.*no profile 'mine', there are acs_hrc"):
        load_profile("mine")
    with pytest.raises(MetadataError, match=r"M08.*cannot be read"):
        load_profile(tmp_path / "absent.toml")


def test_profiles_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_profile("acs_wfc").pixel_size_um = 1.0


def test_acs_wfc_geometry_and_directions() -> None:
    profile = load_profile("acs_wfc")
    lower, upper = profile.chip(2), profile.chip(1)
    for chip in (lower, upper):
        assert chip.shape == (2048, 4096)
        assert chip.raw_shape == (2068, 4144)
        assert chip.seams == (("col", 2048),)
    assert (lower.ltv, upper.ltv) == ((24, 0), (24, 20))
    assert {profile.amplifiers[a].readout for a in lower.amplifiers} == {"-y"}
    assert {profile.amplifiers[a].readout for a in upper.amplifiers} == {"+y"}
    assert [profile.amplifiers[a].gain_e for a in "ABCD"] == [2.02, 1.886, 2.017, 2.011]
    assert profile.pixel_size_um == 15.0


def test_acs_wfc_search_keeps_the_pixels_that_flecks_carry() -> None:
    profile = load_profile("acs_wfc")
    for bit in (4, 16, 32, 64, 512, 1024):
        assert not profile.masked_bits & bit
    for bit in (1, 2, 8, 128, 256, 2048, 4096, 8192):
        assert profile.masked_bits & bit
    assert sum(profile.quality.values()) == 32767
    assert (profile.quality["bad_pixel"], profile.quality["sink"]) == (4, 1024)


def test_unverified_numbers_say_so() -> None:
    assert all(a.verified for a in load_profile("acs_wfc").amplifiers.values())
    assert not any(a.verified for a in load_profile("acs_hrc").amplifiers.values())


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ({"INSTRUME": "ACS", "DETECTOR": "WFC"}, "acs_wfc"),
        ({"INSTRUME": " acs ", "DETECTOR": "HRC"}, "acs_hrc"),
        ({"INSTRUME": "WFC3", "DETECTOR": "UVIS"}, "wfc3_uvis"),
        ({"INSTRUME": "WFC3", "DETECTOR": "IR"}, "generic"),
        ({"CAM_ID": "ESIS1"}, "esis"),
        ({"INSTRUME": "ACS"}, "generic"),
        ({}, "generic"),
    ],
)
def test_recognise(header: dict[str, object], name: str) -> None:
    assert recognise(header).name == name


DARK = {"image_type": "DARK"}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({**DARK, "exposure_s": 0.5, "flash_s": 4.6}, "short_dark"),
        ({**DARK, "exposure_s": 1000.5, "flash_s": 4.6}, "long_dark"),
        ({**DARK, "exposure_s": 1040.0, "flash_s": 0.0}, "unflashed_dark"),
        ({**DARK, "exposure_s": 0.5, "flash_s": None}, "unknown"),
        ({**DARK, "exposure_s": None, "flash_s": 4.6}, "unknown"),
        ({"image_type": "BIAS"}, "bias"),
        ({"image_type": "FLAT", "FILETYPE": "SCI"}, "flat"),
        ({"image_type": "EXT", "OBSTYPE": "INTERNAL", "SCLAMP": "TUNG-1"}, "flat"),
        ({"image_type": "EXT", "OBSTYPE": "IMAGING", "SCLAMP": "NONE"}, "unknown"),
        ({"image_type": "FLAT", "CTEDIR": "PARALLEL"}, "eper"),
        ({"image_type": "FLAT", "CTEDIR": "NONE"}, "flat"),
        ({**DARK, "FILETYPE": "CTEDARK"}, "superdark"),
        ({"FILETYPE": "POST FLASH"}, "flash_reference"),
    ],
)
def test_acs_kinds(facts: dict[str, object], kind: str) -> None:
    assert load_profile("acs_wfc").kind_of(facts) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Bias Frame", "bias"),
        ("Dark Frame", "unflashed_dark"),
        ("Flat Field", "flat"),
        ("FLAT", "flat"),
        ("Light Frame", "unknown"),
        ("", "unknown"),
    ],
)
def test_generic_kinds(text: str, kind: str) -> None:
    assert load_profile("generic").kind_of({"image_type": text}) == kind


def test_a_profile_survives_its_own_dump() -> None:
    profile = load_profile("wfc3_uvis")
    assert Profile.model_validate(profile.model_dump()) == profile

"""What comes of flags: the preview, the coverage of a dither, delta flats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleckcore.calibrate import CosmicRays, combine
from fleckcore.errors import ArrayError, MetadataError, MissingExtraError, OutputError
from fleckcore.flag import (
    DepthMap,
    chance_above,
    coverage,
    delta_flat,
    depth_of_stacks,
    dither_offsets,
    encode_masks,
    name_bits,
    preview,
    uncovered,
)
from fleckcore.frame import Frame, FrameMeta
from fleckcore.instruments import load_profile
from fleckcore.simulate import Observatory, load_scene
from flecks import deep_masks

WFC = load_profile("acs_wfc")
LINE = dither_offsets(WFC, "ACS-WFC-DITHER-LINE")


@pytest.fixture(scope="module")
def masks():
    return deep_masks(Observatory(load_scene()))


class TestPreview:
    def test_the_flag_of_the_flecks(self, masks):
        seen = preview(masks, WFC)
        assert (seen.value, seen.bits, seen.problems) == (4, "bad_pixel", ())
        assert {one.chip: one.pixels for one in seen.chips} == {2: 67, 1: 21}
        assert seen.chips[0].share == pytest.approx(67 / (2048 * 4096))
        before, since, others = seen.rejection
        assert (before.used, since.used, others.used) == (False, True, False)
        assert "imprinted" in str(before)
        assert "imprinted" not in str(since)
        alone, several = seen.drizzled
        assert (alone.dropped, several.dropped) == (False, True)
        assert (alone.good_bits, several.good_bits) == (65535, 336)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (1024, "calibration sets sink itself; a bad pixel is 4"),
            (32768, "would be read as -32768"),
            (0, "no bit"),
            (65536 + 4, "sign"),
        ],
    )
    def test_bits_that_are_not_for_tables(self, masks, value, text):
        assert any(text in one for one in preview(masks, WFC, value=value).problems)

    def test_a_bit_without_a_meaning(self, masks):
        short = WFC.model_copy(
            update={
                "quality": {
                    "bad_pixel": 4,
                    "sink": 1024,
                    **{
                        name: WFC.quality[name]
                        for name in ("atod_saturated", "cr_drizzle", "cr_reject")
                    },
                }
            }
        )
        assert any("16? has no meaning" in one for one in preview(masks, short, value=20).problems)
        assert name_bits(20, short) == "bad_pixel + 16?"

    @pytest.mark.parametrize("value", [1, 2, 4, 8, 16, 32, 64, 256, 1024, 5, 6, 36, 48])
    @pytest.mark.parametrize("exempt", [False, True])
    def test_rejection_is_what_combining_does(self, value, exempt):
        """A flagged pixel with a cosmic ray in one of five frames, combined by the rules of ACSREJ."""
        rng = np.random.default_rng(3)
        frames = []
        for index in range(5):
            data = rng.normal(100, 3, (30, 30)).astype(np.float32)
            data[10, 10] = 500 if index == 2 else 100
            quality = np.zeros((30, 30), np.int16)
            quality[10, 10] = value
            error = np.full((30, 30), 3, np.float32)
            meta = FrameMeta(unit="electron", exposure_s=10.0, kind="long_dark")
            frames.append(Frame(data, error, quality, meta))
        made = combine(frames, rules=CosmicRays(exempt=exempt, initial="median"), sky="none")
        seen = preview({1: np.ones((2, 2), bool)}, WFC, value=value).rejection[1 if exempt else 0]
        used = int(made.used[10, 10])
        assert (used > 0) is seen.used
        if seen.used:
            assert (used == 4) is seen.tested
            assert (made.frame.data[10, 10] > 700) is not seen.tested

    def test_an_instrument_that_is_not_known(self, masks):
        with pytest.raises(MetadataError, match="no tables of bad pixels"):
            preview(masks, load_profile("generic"))

    def test_the_mask_of_flecks_leaves_no_imprint_on_a_stack_of_biases(self):
        """As calacs does it since 10.2.0; the imprint of older ones is what the preview says."""
        rng = np.random.default_rng(9)
        quality = np.zeros((40, 40), np.int16)
        quality[10:20, 10:20] = 4
        meta = FrameMeta(unit="electron", exposure_s=1.0, kind="bias")
        frames = [
            Frame(
                rng.normal(0, 4, (40, 40)).astype(np.float32),
                np.full((40, 40), 4, np.float32),
                quality,
                meta,
            )
            for _ in range(6)
        ]
        made = combine(frames, sky="none")
        assert (made.used[quality == 4] > 0).all()
        old = combine(frames, sky="none", rules=CosmicRays(exempt=False))
        assert (old.used[quality == 4] == 0).all()


def slow_coverage(masks, offsets, gap):
    """Pixel by pixel: how often exposed, how often good."""
    exposed, good = {}, {}
    first = 0
    for mask in masks:
        for (y, x), flagged in np.ndenumerate(mask):
            for dx, dy in offsets:
                place = first + y + dy, x + dx
                exposed[place] = exposed.get(place, 0) + 1
                good[place] = good.get(place, 0) + (not flagged)
        first += mask.shape[0] + gap
    return exposed, good


class TestCoverage:
    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1),
        offsets=st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1, max_size=4),
        gap=st.integers(0, 5),
        chips=st.integers(1, 2),
    )
    def test_as_counted_pixel_by_pixel(self, seed, offsets, gap, chips):
        rng = np.random.default_rng(seed)
        masks = {chip: rng.random((8, 9)) < 0.3 for chip in range(chips)}
        found = coverage(masks, offsets, gap=gap)
        exposed, good = slow_coverage(masks.values(), offsets, gap)
        assert found.exposed.sum() == sum(exposed.values())
        left, low = min(x for x, _ in offsets), min(y for _, y in offsets)
        for (row, col), count in exposed.items():
            assert found.exposed[row - low, col - left] == count
            assert found.good[row - low, col - left] == good[row, col]
        assert found.uncovered == sum(good[at] == 0 for at in exposed)
        assert found.uncovered_twice == sum(good[at] == 0 and n > 1 for at, n in exposed.items())
        assert found.good_once == sum(n == 1 for n in good.values())

    def test_the_dither_line_covers_the_flecks_and_the_gap(self, masks):
        """One exposure loses 88 pixels of the sky and the gap; two lose none of the 88, and of the gap its ends."""
        chips = {2: masks[2], 1: masks[1]}
        gap = WFC.flagging.chip_gap
        alone = coverage(chips, LINE[:1], gap=gap)
        assert (alone.uncovered, alone.in_gap) == (88, 50 * 4096)
        two = coverage(chips, LINE, gap=gap)
        ends = 2 * 5 * 50  # five columns at each side lie in one exposure alone
        assert (two.uncovered, two.in_gap) == (0, ends)
        assert uncovered(masks, LINE) == 0
        assert LINE == ((0, 0), (5, 60))

    def test_a_dither_shorter_than_the_gap_or_onto_another_flag(self, masks):
        mask = np.zeros((200, 100), bool)
        mask[100, 50] = True
        assert uncovered({1: mask}, LINE) == 0
        mask[160, 55] = True
        assert uncovered({1: mask, 2: mask}, LINE) == 2
        assert coverage({2: mask, 1: mask}, [(0, 0), (0, 40)], gap=50).in_gap == 10 * 100
        # each exposure alone sees 60 rows at one end: what is flagged there stays so
        mask[3, 3] = True
        found = coverage({1: mask}, LINE)
        assert (found.uncovered, found.uncovered_twice) == (3, 1)

    def test_offsets_are_rounded_and_may_be_negative(self):
        mask = np.eye(5, dtype=bool)
        one, two = coverage({1: mask}, [(0, 0), (-1.4, 2.6)]), coverage({1: mask}, [(1, 0), (0, 3)])
        assert one.offsets == two.offsets == ((1, 0), (0, 3))
        np.testing.assert_array_equal(one.good, two.good)

    @pytest.mark.parametrize(
        ("masks", "offsets", "code"),
        [
            ({1: np.eye(3, dtype=bool)}, [], "A09"),
            ({1: np.eye(3, dtype=bool)}, [(np.nan, 0)], "A09"),
            ({1: np.eye(3, dtype=bool)}, [(0, 0)] * 256, "A09"),
            ({1: np.eye(3, dtype=bool), 2: np.eye(4, dtype=bool)}, [(0, 0)], "A12"),
            ({}, [(0, 0)], "A12"),
        ],
    )
    def test_faults(self, masks, offsets, code):
        with pytest.raises(ArrayError) as caught:
            coverage(masks, offsets)
        assert caught.value.code == code

    def test_patterns_that_are_not_there(self):
        for pattern, points in (("WFC3-LINE", 2), ("ACS-WFC-DITHER-LINE", 0)):
            with pytest.raises(MetadataError, match="wanted one of ACS-WFC-DITHER-LINE"):
                dither_offsets(WFC, pattern, points)

    def test_a_picture(self, tmp_path):
        pytest.importorskip("matplotlib")
        from fleckcore.report.coverage import plot_coverage

        mask = np.zeros((300, 1500), bool)
        mask[100:104, 50:60] = mask[160:164, 55:65] = True
        found = coverage({2: mask, 1: mask}, LINE, gap=50)
        assert found.uncovered_twice == 80
        plot_coverage(found, tmp_path / "cover.png")
        assert (tmp_path / "cover.png").read_bytes().startswith(b"\x89PNG")
        with pytest.raises(OutputError):
            plot_coverage(found, tmp_path / "cover.png")


def depth_maps(rng, depths, error=0.003, shape=(9, 9)):
    """One map for each (epoch, filter, factor on the loss)."""
    yy, xx = np.indices(shape)
    loss = 0.8 * np.exp(-((yy - 4) ** 2 + (xx - 4) ** 2) / 6)
    return [
        DepthMap(
            transmission=1 - factor * loss + rng.normal(0, error, shape),
            error=np.full(shape, error),
            epoch=epoch,
            filter=name,
        )
        for epoch, name, factor in depths
    ], loss


STEADY = [
    (epoch, name, 1.0) for epoch in ("2017-05", "2017-08", "2017-11") for name in ("F435W", "F814W")
]


class TestDeltaFlat:
    def test_what_stays_is_corrected_with_its_error(self):
        maps, loss = depth_maps(np.random.default_rng(1), STEADY)
        aperture = loss > 0.05
        made = delta_flat(maps, aperture)
        assert (made.corrected | made.left_to_flags == aperture).all()
        assert made.left_to_flags[1 - loss < 0.49].all()
        assert not made.left_to_flags[1 - loss > 0.51].any()
        assert (made.data[~made.corrected] == 1).all()
        assert (made.error[~made.corrected] == 0).all()
        pulls = (made.data - (1 - loss))[made.corrected] / made.error[made.corrected]
        assert made.error[made.corrected] == pytest.approx(0.003 / np.sqrt(6))
        assert 0.6 < pulls.std() < 1.4
        assert {test.name.split(",")[0] for test in made.tests} == {"time", "colour"}
        assert len(made.tests) == 4

    @pytest.mark.parametrize(
        ("changed", "name"),
        [
            (lambda epoch, colour: 1.02 if epoch == "2017-11" else 1.0, "time"),
            (lambda epoch, colour: 1.02 if colour == "F814W" else 1.0, "colour"),
        ],
    )
    def test_what_changes_is_refused(self, changed, name):
        depths = [(epoch, colour, changed(epoch, colour)) for epoch, colour, _ in STEADY]
        maps, loss = depth_maps(np.random.default_rng(2), depths)
        with pytest.raises(MetadataError, match=f"changes with {name}") as caught:
            delta_flat(maps, loss > 0.05)
        assert caught.value.code == "M07"

    def test_a_fleck_that_moves_is_refused_though_its_sum_stays(self):
        maps, _ = depth_maps(np.random.default_rng(3), STEADY, shape=(15, 15))
        moved = [
            replace(one, transmission=np.roll(one.transmission, 1, axis=0))
            if one.epoch == "2017-11"
            else one
            for one in maps
        ]
        aperture = np.ones((15, 15), bool)
        with pytest.raises(MetadataError, match="changes with time, pixel by pixel"):
            delta_flat(moved, aperture)

    def test_steady_flecks_are_seldom_refused(self):
        """The threshold is one in a thousand, all four tests counted."""
        rng, refused = np.random.default_rng(4), 0
        for _ in range(400):
            maps, loss = depth_maps(rng, STEADY)
            try:
                delta_flat(maps, loss > 0.05, refused_below=0.05)
            except MetadataError:
                refused += 1
        assert (
            2 <= refused <= 32
        )  # 20 at most are expected; fewer, as the tests are not independent

    def test_one_map_alone_is_taken_on_trust(self):
        maps, loss = depth_maps(np.random.default_rng(5), STEADY[:1])
        made = delta_flat(maps, loss > 0.05)
        assert made.tests == ()
        np.testing.assert_allclose(
            made.data[made.corrected], maps[0].transmission[made.corrected], rtol=1e-6
        )

    def test_unknown_pixels_count_where_a_map_knows_them(self):
        maps, loss = depth_maps(np.random.default_rng(6), STEADY)
        maps[0].transmission[4, 6] = np.nan
        made = delta_flat(maps, loss > 0.05)
        assert made.error[4, 6] == pytest.approx(0.003 / np.sqrt(5))
        for one in maps:
            one.transmission[4, 6] = np.nan
        with pytest.raises(ArrayError, match="1 pixels of the aperture") as caught:
            delta_flat(maps, loss > 0.05)
        assert caught.value.code == "A06"

    def test_faults(self):
        maps, loss = depth_maps(np.random.default_rng(7), STEADY)
        for given_maps, aperture, code in (
            ([], loss > 0.05, "A09"),
            (maps, loss > 2, "A09"),
            (maps, np.ones((3, 3), bool), "A12"),
            ([replace(maps[0], error=np.zeros((9, 9)))], loss > 0.05, "A09"),
        ):
            with pytest.raises(ArrayError) as caught:
                delta_flat(given_maps, aperture)
            assert caught.value.code == code

    def test_stacks_before_and_after(self):
        rng = np.random.default_rng(8)
        meta = FrameMeta(unit="electron", chip=2)
        light, loss = np.full((40, 40), 50000.0), np.zeros((40, 40))
        loss[10:30, 10:30] = 0.2
        error = np.full((40, 40), np.sqrt(50000.0))
        before = Frame(light + rng.normal(0, error), error, None, meta)
        quality = np.zeros((40, 40), np.int16)
        quality[0, 0] = 256
        after = Frame(
            light * (1 - loss) + rng.normal(0, error),
            error,
            quality,
            replace(meta, masked_bits=256),
        )
        made = depth_of_stacks(before, after, epoch="2017-11", filter="F435W")
        pulls = ((made.transmission - (1 - loss)) / made.error)[1:]
        assert pulls.std() == pytest.approx(1, abs=0.06)
        assert np.isnan(made.transmission[0, 0])
        flat = delta_flat([made], loss > 0)
        assert flat.data[20, 20] == pytest.approx(0.8, abs=5 * float(flat.error[20, 20]))
        for wrong, kind in (
            (after.replace(error=None), MetadataError),
            (after.replace(meta=replace(meta, chip=1)), MetadataError),
            (Frame(light[1:], error[1:], None, meta), ArrayError),
        ):
            with pytest.raises(kind):
                depth_of_stacks(before, wrong, epoch="", filter="")

    @pytest.mark.parametrize("degrees", [1, 2, 3, 10, 99, 1000, 20001])
    def test_chances_are_those_of_scipy(self, degrees):
        chi2 = pytest.importorskip("scipy.stats").chi2
        for factor in (0.0, 0.2, 0.9, 1.0, 1.1, 1.5, 3.0):
            wanted = chi2.sf(factor * degrees, degrees)
            assert chance_above(factor * degrees, degrees) == pytest.approx(
                wanted, rel=1e-8, abs=1e-14
            )


def test_every_profile_flags_with_bits_that_it_has():
    for name in ("acs_wfc", "acs_hrc"):
        profile = load_profile(name)
        assert profile.quality[profile.flagging.bit] == 4
        assert encode_masks({}, profile).x.size == 0


def test_a_picture_needs_matplotlib(monkeypatch, tmp_path):
    import sys

    from fleckcore.report.coverage import plot_coverage

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError):
        plot_coverage(coverage({1: np.eye(5, dtype=bool)}, [(0, 0)]), tmp_path / "x.png")

"""Pictures: they exist, and they change with what they show."""

import html
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from fleckcore import completeness, find
from fleckcore.detection.search import search
from fleckcore.errors import ArrayError, MissingExtraError, OutputError
from fleckcore.frame import as_frame
from fleckcore.io.catalogs import KIND_COLOURS

plots = pytest.importorskip("fleckcore.report", reason="needs the extra 'report'")
image = pytest.importorskip("matplotlib.image", reason="needs the extra 'report'")


@pytest.fixture(scope="module")
def searched():
    data = np.random.default_rng(1).normal(1000, 10, (300, 400)).astype(np.float32)
    data[100:106, 200:207] *= 0.5
    data[220:224, 60:64] *= 0.8
    frame = as_frame(data, pixel_size_um=15.0)
    return frame, search(frame)


def drawn(plot, path, frame, catalog, **options):
    plot(frame, catalog, path, **options)
    picture = image.imread(path)
    assert picture.shape[0] > 300
    assert picture.shape[1] > 300
    return picture[..., :3]


def words(path):
    """What matplotlib says in an SVG that it has drawn as text."""
    return [html.unescape(text.strip()) for text in re.findall(r"<!--(.*?)-->", path.read_text())]


def test_map_circles_the_features(searched, tmp_path):
    frame, result = searched
    with_ = drawn(plots.plot_features, tmp_path / "a.png", frame, result.catalog)
    without = drawn(plots.plot_features, tmp_path / "b.png", frame, result.catalog[:0])
    orange = np.array([0xE6, 0x9F, 0x00]) / 255
    near = [np.abs(picture - orange).max(axis=2) < 0.05 for picture in (with_, without)]
    inside = np.s_[100:-150, 100:-300]  # not the legend, which shows every colour
    assert near[0][inside].sum() > 100
    assert near[1][inside].sum() == 0


def test_thumbnails_show_the_dark_core(searched, tmp_path):
    frame, result = searched
    transmission = result.normalised.transmission
    picture = drawn(
        plots.plot_thumbnails, tmp_path / "t.png", frame, result.catalog, normalised=transmission
    )
    assert (picture.max(axis=2) < 0.02).sum() > 500  # black pixels of the deeper one


def test_older_picture_is_kept_unless_told(searched, tmp_path):
    frame, result = searched
    path = tmp_path / "a.png"
    path.write_text("precious")
    with pytest.raises(OutputError, match="R08"):
        plots.plot_features(frame, result.catalog, path)
    assert path.read_text() == "precious"
    plots.plot_features(frame, result.catalog, path, overwrite=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_refuses_what_does_not_fit(searched, tmp_path):
    frame, result = searched
    with pytest.raises(ArrayError, match="A12"):
        plots.plot_features(frame, result.catalog, tmp_path / "a.png", normalised=np.ones((2, 2)))
    with pytest.raises(OutputError, match=r"wanted \.png"):
        plots.plot_features(frame, result.catalog, tmp_path / "a.jpeg")


def test_empty_catalogue_can_be_drawn(tmp_path):
    data = np.full((64, 80), 7.0)
    catalog = find(data)
    plots.plot_features(as_frame(data), catalog, tmp_path / "a.svg")
    plots.plot_thumbnails(as_frame(data), catalog, tmp_path / "b.svg")
    assert "frame: 0 found" in words(tmp_path / "a.svg")
    assert {f"{kind}: 0" for kind in KIND_COLOURS} <= set(words(tmp_path / "a.svg"))
    (title,) = words(tmp_path / "b.svg")
    assert title.startswith("frame: 0 of 0 found, by significance")


def test_every_feature_has_its_number_apart_from_the_others(tmp_path):
    """Close pairs, and one that the edge cuts: numbers are on the frame, and none covers another."""
    data = np.random.default_rng(1).normal(1000, 10, (300, 400)).astype(np.float32)
    places = [(50, 60), (50, 70), (57, 65), (296, 396), (200, 3), (150, 200)]
    for y, x in places:
        data[y - 2 : y + 3, x - 2 : x + 3] *= 0.6
    frame = as_frame(data)
    catalog = find(frame)
    assert len(catalog) == len(places)
    plots.plot_features(frame, catalog, tmp_path / "a.svg")
    drawing = (tmp_path / "a.svg").read_text()
    numbers = dict(re.findall(r'<g id="number (\d+)">(.*?)</g>', drawing, re.DOTALL))
    assert set(numbers) == {str(label) for label in catalog["label"]}
    boxes = []
    for drawn_as in numbers.values():
        points = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", drawn_as), float)
        boxes.append((points.min(axis=0), points.max(axis=0)))
    for (low, high), (low_2, high_2) in combinations(boxes, 2):
        assert ((high < low_2) | (high_2 < low)).any()


def test_depth_of_a_shallow_feature_is_no_zero(searched, tmp_path):
    frame, result = searched
    catalog = result.catalog.copy()
    catalog["transmission_min"] = [0.99514, 0.5]
    plots.plot_thumbnails(frame, catalog, tmp_path / "t.svg")
    said = " ".join(words(tmp_path / "t.svg"))
    assert "depth 0.49 %" in said
    assert "depth 50 %" in said


@pytest.fixture(scope="module")
def survey(searched):
    frame, _ = searched
    return completeness(frame, kinds=["fleck", "ring"], radii=[4, 60], depths=[1e-4, 0.5], trials=2)


def test_completeness_shows_what_was_found_and_what_not(survey, tmp_path):
    """Cividis is yellow where all are found, dark blue where none is; orange marks lie between."""
    plots.plot_completeness(survey, tmp_path / "c.png")
    picture = image.imread(tmp_path / "c.png")[..., :3]
    wanted = {"yellow": (0.99, 0.91, 0.21), "blue": (0.0, 0.13, 0.30), "orange": (0.835, 0.369, 0)}
    for colour in wanted.values():
        assert (np.abs(picture - colour).max(axis=2) < 0.03).sum() > 200
    with pytest.raises(OutputError, match="R08"):
        plots.plot_completeness(survey, tmp_path / "c.png")


def test_completeness_of_nothing_can_be_drawn(tmp_path):
    """No shadow has a place on so small a frame: white cells with a dash."""
    result = completeness(np.full((20, 20), 7.0), kinds=["disc"], radii=[64], depths=[0.1])
    plots.plot_completeness(result, tmp_path / "c.svg")
    said = words(tmp_path / "c.svg")
    assert said.count("\N{EN DASH}") == 1
    assert "array: which shadows does the search find?" in " ".join(said)


def test_file_name_cannot_break_the_title(searched, tmp_path):
    frame, result = searched
    path = Path("$\\frac{ \x1b[2J\n_dark.fits")
    named = frame.replace(meta=replace(frame.meta, path=path))
    for plot in (plots.plot_features, plots.plot_thumbnails):
        plot(named, result.catalog, tmp_path / f"{plot.__name__}.svg")
        (title,) = (word for word in words(tmp_path / f"{plot.__name__}.svg") if "found" in word)
        assert title.startswith(r"$\frac{ ?[2J?_dark.fits: 2 ")


def test_without_matplotlib_names_the_install_line(searched, tmp_path, monkeypatch):
    frame, result = searched
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fleckcore\[report\]'"):
        plots.plot_features(frame, result.catalog, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_needs_no_display_and_no_home(tmp_path):
    program = (
        "import numpy as np; from fleckcore import find; from fleckcore.frame import as_frame\n"
        "from fleckcore.report import plot_features\n"
        "data = np.full((64, 80), 7.0)\n"
        f"plot_features(as_frame(data), find(data), r'{tmp_path / 'a.png'}')\n"
    )
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    run = subprocess.run([sys.executable, "-c", program], env=bare, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "a.png").stat().st_size > 1000

"""Figures of panels: they are drawn, with what they should show."""

from __future__ import annotations

import numpy as np
import pytest

from fleckcore.errors import OutputError
from fleckcore.report.panels import (
    Box,
    FigureRecord,
    Histogram,
    Picture,
    Points,
    Series,
    plot_panels,
)

image = pytest.importorskip("matplotlib.image")


def test_a_figure_of_every_panel(tmp_path):
    picture = np.full((20, 20), 0.9)
    picture[5:15, 5:15] = 0.1
    record = FigureRecord(
        12,
        "every panel",
        (
            (
                Picture(picture, "a", 100, 200, boxes=(Box(104, 204, 116, 216),)),
                Picture(picture, "b", outline=picture < 0.5, signed=True, label="e-"),
            ),
            (
                Histogram(np.arange(5), np.array([1, 5, 3, 2]), "c", "loss", {"5 %": 2.5}),
                Points((Series("d", [1, 2], [3, 4], [0.1, 0.2], ["p", "q"]),), "x", "y"),
            ),
            (Picture(np.full((5, 5), np.nan), "nothing"),),
        ),
    )
    path = tmp_path / "figure.png"
    plot_panels(record, path)
    drawn = image.imread(path)[..., :3]
    assert drawn.shape[0] > 800
    red = (drawn[..., 0] > 0.7) & (drawn[..., 1] < 0.3) & (drawn[..., 2] < 0.3)
    assert red.sum() > 500
    with pytest.raises(OutputError, match="R08"):
        plot_panels(record, path)
    plot_panels(record, path, overwrite=True)


def test_an_outline_follows_the_edges_of_pixels(tmp_path):
    blank = np.zeros((10, 10))
    mask = np.zeros((10, 10), bool)
    counts = []
    for size in (2, 4):
        mask[2 : 2 + size, 2 : 2 + size] = True
        plot_panels(
            FigureRecord(1, "", ((Picture(blank, low=-1, high=0, outline=mask),),)),
            tmp_path / f"{size}.png",
        )
        drawn = image.imread(tmp_path / f"{size}.png")[..., :3]
        red = (drawn[..., 0] > 0.6) & (drawn[..., 1] < 0.4) & (drawn[..., 2] < 0.4)
        counts.append(int(red.sum()))
    assert counts[1] == pytest.approx(2 * counts[0], rel=0.1)

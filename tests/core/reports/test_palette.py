"""The palette on a light and on a dark page: contrast, and colours apart for colour-blind readers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from memcell.reports.page import render
from memcell.reports.palette import DARK, LIGHT

#: Dichromacy in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
WHITE = np.array([0.95047, 1.0, 1.08883])
#: CIELAB units; 2.3 can just be told apart side by side.
APART = 15.0
THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    low, high = sorted(float(XYZ[1] @ linear(c)) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(colour, vision):
    xyz = XYZ @ np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1) / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a, b, vision):
    return float(np.linalg.norm(lab(a, vision) - lab(b, vision)))


@pytest.mark.parametrize("vision", VISION)
@THEMES
def test_lines_are_apart_for_every_reader(theme, vision):
    apart = {pair: distance(*pair, vision) for pair in itertools.combinations(theme.series, 2)}
    assert min(apart.values()) >= APART, min(apart, key=apart.get)


@pytest.mark.parametrize("vision", VISION)
@THEMES
def test_true_events_are_apart_from_detected_ones(theme, vision):
    for other in (*theme.series[:2], theme.unlabelled, theme.ink):
        assert distance(theme.truth, other, vision) >= APART


@THEMES
def test_lines_and_boxes_stand_out_from_the_page(theme):
    for colour in (*theme.series, theme.truth, theme.unlabelled, theme.soft, theme.warning):
        assert contrast(colour, theme.back) >= 3, colour


@THEMES
def test_words_can_be_read(theme):
    for colour, back in (
        (theme.ink, theme.back), (theme.soft, theme.back), (theme.link, theme.back),
        (theme.ink, theme.panel), (theme.ink, theme.warning_back),
    ):  # fmt: skip
        assert contrast(colour, back) >= 4.5, (colour, back)


def test_the_page_has_both_themes_and_paper_the_light_one():
    page = render("page.html", "A page")
    light, dark = page.index(LIGHT.css()), page.index(DARK.css())
    assert light < dark
    assert "@media screen and (prefers-color-scheme:dark)" in page[light:dark]


def test_the_measure_tells_a_bad_palette():
    # the green and the red that deuteranopes confuse
    assert (
        distance("#8a8a00", "#b37700", "deuteranopia")
        < APART
        < distance("#8a8a00", "#b37700", "normal")
    )

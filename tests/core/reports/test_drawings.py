"""Drawings as SVG: what lies where, round numbers on axes, hostile words, and numbers as people read them."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from memcell.reports.charts import Curve, PointRow, curves, rows
from memcell.reports.numbers import length, number, percent
from memcell.reports.page import html, standalone
from memcell.reports.parts import Figure, Legend
from memcell.reports.svg import Area, Canvas, log_ticks, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parsed(markup):
    return ET.fromstring(str(markup).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))


def test_a_line_lies_where_its_points_are_and_is_broken_where_a_value_is_missing() -> None:
    canvas = Canvas(100, 100)
    area = Area(canvas, (10, 10, 80, 80), (0, 8), (0, 4))
    area.line([0, 4, 6, 8], [0, 2, math.nan, 4], "s0")
    (path,) = parsed(canvas.markup("a line")).iter(f"{SVG}path")
    assert path.get("d") == "M10.0 90.0L50.0 50.0M90.0 10.0"


def test_what_is_beyond_the_axes_stays_at_their_edge() -> None:
    area = Area(Canvas(100, 100), (10, 10, 80, 80), (0, 1), (0, 1))
    assert area.at_x([-5, 5]).tolist() == [10, 90]
    assert area.at_y([-5, 5]).tolist() == [90, 10]


@pytest.mark.parametrize(
    ("low", "high", "most"), [(0, 1, 6), (0, 3e-7, 5), (-3, 7, 4), (17, 1234567, 8), (0.1, 0.3, 2)]
)
def test_ticks_are_round_few_and_inside(low, high, most) -> None:
    found = ticks(low, high, most)
    assert 1 <= len(found) <= most
    assert low <= found[0]
    assert found[-1] <= high * (1 + 1e-9)
    for a, b in pairwise(found):
        step = b - a
        assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)


@pytest.mark.parametrize(("low", "high"), [(0, 0), (1, math.nan), (math.inf, 2)])
def test_ticks_of_no_range_do_no_harm(low, high) -> None:
    assert all(map(math.isfinite, ticks(low, high, 5)))


def test_words_are_escaped_everywhere() -> None:
    bad = '<script>alert("x")</script>&'
    canvas = Canvas(10, 10)
    canvas.text(1, 1, bad)
    canvas.legend([(bad, "s0", "")], 0, 0)
    Area(canvas, (0, 0, 9, 9), (0, 1), (0, 1)).box((0, 1), (0, 1), "s0", title=bad)
    page = html(Figure(canvas.markup(bad), bad)) + html(Legend([(bad, "s0", "box")]))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 6
    texts = parsed(canvas.markup(bad))
    assert texts.get("aria-label") == bad


def test_a_wide_drawing_can_be_scrolled_to_by_the_keyboard() -> None:
    canvas = Canvas(10, 10)
    assert 'class="scroll" tabindex="0"' in html(
        Figure(canvas.markup("a", wide=True), "b", wide=True)
    )
    assert "tabindex" not in html(Figure(canvas.markup("a"), "b"))


def test_a_drawing_is_a_file_of_its_own_in_the_same_colours() -> None:
    svg = curves(
        [Curve(name="a < b", x=[0, 1], y=[0, 1])], (0, 1), (0, 1), "x", "y", "z", legend=True
    )
    root = ET.fromstring(standalone(svg))
    assert root.tag == f"{SVG}svg"
    used = {c for e in root.iter() for c in (e.get("class") or "").split()} - {"drawing"}
    assert used
    (style,) = root.iter(f"{SVG}style")
    assert all(f".{name}" in style.text for name in used)
    assert "a < b" in [t.text for t in root.iter(f"{SVG}text")]


def test_a_legend_breaks_into_rows_that_fit() -> None:
    canvas = Canvas(200, 100)
    height = canvas.legend([("a setting", f"s{i}", "") for i in range(5)], 8, 0)
    lines = list(parsed(canvas.markup("x")).iter(f"{SVG}line"))
    assert max(float(e.get("x2")) for e in lines) < 200
    assert len({e.get("y1") for e in lines}) == round(height / 19) > 1


def test_what_never_came_stands_behind_the_budget() -> None:
    found = [PointRow(name="a", faint=[(10.0, 0.0), (math.inf, 0.0)], middle=math.inf)]
    root = parsed(rows(found, "updates", "x", budget=100.0))
    assert "never" in [t.text for t in root.iter(f"{SVG}text")]
    (dot,) = root.iter(f"{SVG}circle")
    cross, diamond = root.iter(f"{SVG}path")
    xs = [float(re.search(r"[(]([\d.]+)", e.get("transform"))[1]) for e in (cross, diamond)]
    assert float(dot.get("cx")) < xs[0] == xs[1]


def test_equal_values_of_two_looks_do_not_cover_each_other() -> None:
    root = parsed(rows([PointRow(name="a", values=[(1.0, 0), (1.0, 1)])], "score", "x"))
    (dot,) = root.iter(f"{SVG}circle")
    (square,) = (e for e in root.iter(f"{SVG}path") if e.get("transform"))
    assert float(re.findall(r"[\d.]+", square.get("transform"))[1]) != float(dot.get("cy"))


def test_ticks_of_a_logarithmic_axis_are_as_far_apart_as_factors() -> None:
    assert log_ticks(1, 1000, 4) == [1, 10, 100, 1000]
    area = Area(Canvas(100, 100), (0, 0, 90, 90), (1, 1000), (0, 1), logarithmic=True)
    assert area.at_x([1, 10, 100, 1000]) == pytest.approx([0, 30, 60, 90])


def test_many_steps_are_one_path() -> None:
    canvas = Canvas(100, 100)
    area = Area(canvas, (0, 0, 100, 100), (0, 1000), (0, 1))
    area.steps(np.arange(1001), np.linspace(0, 1, 1000), "s0")
    assert len(list(parsed(canvas.markup("x")).iter(f"{SVG}path"))) == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (number(math.nan), "–"), (number(None), "–"), (number(12345.678, 0), "12\u202f346"),
        (number(-0.00012), "−0.00012"), (number(0.0), "0.000"), (number(math.inf), "∞"),
        (percent(0.123, 1), "12.3 %"), (percent(math.nan), "–"),
        (length(119.96), "120.0 s"), (length(120), "2.0 min"), (length(36000), "10.00 h"),
        (length(math.nan), "–"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(said, words) -> None:
    assert said == words

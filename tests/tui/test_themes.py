"""Colours that can be read, and told apart by colour-blind people."""

import pytest
from textual.color import Color

from semscheck.report.text.lines import COLOURS
from semscheck.tui import themes
from semscheck.tui.store import THEMES

# Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", matrices for full deficiency, on linear RGB.
DEFICIENCIES = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
NEEDED = {"dark": 4.5, "light": 4.5, "contrast": 7.0}


def linear(colour: Color) -> tuple[float, ...]:
    """sRGB to linear (IEC 61966-2-1)."""
    parts = (part / 255 for part in (colour.r, colour.g, colour.b))
    return tuple(it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts)


def luminance(colour: Color) -> float:
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def contrast(one: str, other: str) -> float:
    """WCAG 2.1, "contrast ratio"."""
    high, low = sorted((luminance(Color.parse(one)), luminance(Color.parse(other))), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, deficiency: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) as seen with the deficiency."""
    seen = linear(Color.parse(colour))
    r, g, b = (
        min(1.0, max(0.0, sum(factor * part for factor, part in zip(row, seen, strict=True))))
        for row in DEFICIENCIES[deficiency]
    )
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883
    fx, fy, fz = (it ** (1 / 3) if it > 0.008856 else 7.787 * it + 16 / 116 for it in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one: str, other: str, deficiency: str) -> float:
    """CIE 1976 colour difference."""
    return sum((a - b) ** 2 for a, b in zip(lab(one, deficiency), lab(other, deficiency), strict=True)) ** 0.5


def test_every_theme_that_can_be_set_exists():
    assert tuple(it.name for it in themes.ALL) == THEMES == tuple(themes.TITLES)


@pytest.mark.parametrize("theme", themes.ALL, ids=lambda it: it.name)
def test_text_can_be_read_on_every_ground(theme):
    grounds = [theme.background, theme.surface, theme.panel, theme.variables["block-cursor-background"]]
    texts = [theme.foreground, *(theme.variables[f"state-{it}"] for it in themes.STATES)]
    for ground in grounds:
        for text in texts:
            assert contrast(text, ground) >= NEEDED[theme.name], (text, ground, contrast(text, ground))


@pytest.mark.parametrize("theme", themes.ALL, ids=lambda it: it.name)
def test_the_verdict_can_be_read_on_its_colour(theme):
    for state in themes.STATES:
        assert contrast(theme.variables["on-state"], theme.variables[f"state-{state}"]) >= NEEDED[theme.name]


def test_letters_can_be_read_on_the_members_colours():
    assert len(themes.MEMBERS) == COLOURS
    for colour in themes.MEMBERS:
        assert contrast(themes.INK, colour) >= 7


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_first_members_are_told_apart(deficiency):
    """A cluster has six members at most (Broadcom KB 153476); neighbours in the strip matter most."""
    for first in range(4):
        for second in range(first):
            apart = distance(themes.MEMBERS[first], themes.MEMBERS[second], deficiency)
            assert apart >= 12, (first, second, apart)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("theme", themes.ALL, ids=lambda it: it.name)
def test_ok_and_critical_are_told_apart(theme, deficiency):
    ok, critical = theme.variables["state-ok"], theme.variables["state-critical"]
    assert distance(ok, critical, deficiency) >= 12

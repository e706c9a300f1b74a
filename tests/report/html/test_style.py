"""The palettes have the contrast that WCAG 2.2 AA asks for, and the policy fits the sheet."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re

import pytest

from semscheck.report.html.style import DARK, LIGHT, MEMBERS, ON_MEMBER, page, policy, sheet
from semscheck.report.text import lines

PALETTES = {"light": LIGHT, "dark": DARK}
STATES = ("ok", "info", "warning", "critical", "unknown", "not-tested")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_text_can_be_read(palette: dict[str, str]) -> None:
    texts = ("ink", "soft", "link", *STATES)
    for text, ground in itertools.product(texts, ("bg", "card")):
        assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for state in STATES:
        for text in (state, "ink"):
            assert contrast(palette[text], palette[f"{state}-bg"]) >= 4.5, (text, state)
    assert contrast(palette["ink"], palette["code"]) >= 7


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_edges_that_mean_something_can_be_seen(palette: dict[str, str]) -> None:
    for edge in ("edge", *STATES):
        assert contrast(palette[edge], palette["card"]) >= 3, edge


def test_letters_stand_out_on_every_member_colour() -> None:
    assert len(MEMBERS) == lines.COLOURS == len(set(MEMBERS))
    for colour in MEMBERS:
        assert contrast(ON_MEMBER, colour) >= 7, colour


def test_both_palettes_name_the_same_colours_and_the_sheet_uses_no_other() -> None:
    assert LIGHT.keys() == DARK.keys()
    used = set(re.findall(r"var\(--([\w-]+)\)", sheet()))
    assert used <= {*LIGHT, "sans", "mono"}
    assert {*LIGHT} <= used


def test_the_policy_names_exactly_this_sheet() -> None:
    document = page("x", "")
    styles = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    assert styles == [sheet()]
    digest = base64.b64encode(hashlib.sha256(sheet().encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy()
    assert policy() in document
    assert "url(" not in sheet()
    assert "@import" not in sheet()

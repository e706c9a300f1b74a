"""Colours: dark, light and high contrast, each safe for colour-blind people.

States and members use the palette of Okabe and Ito ("Color Universal Design", 2008), lightened or darkened
until text on the background reaches the contrast of WCAG 2.1 (success criterion 1.4.3: 4.5 to 1; for high
contrast 1.4.6: 7 to 1); a test computes it. Colour never stands alone: every state has a symbol and a word,
every member a letter.
"""

from __future__ import annotations

from textual.theme import Theme

# The members' and certificates' blocks, in every theme with black letters on them; the order is that of
# render.lines, so that a member has one colour in the text, the report and here.
MEMBERS = ("#56B4E9", "#E69F00", "#00AE80", "#F0E442", "#DA8DB8", "#EC7B32", "#BCBCBC", "#87AFFF")
INK = "#000000"
STATES = ("ok", "info", "warning", "critical", "unknown", "dim")


def _theme(
    name: str,
    dark: bool,
    grounds: tuple[str, str, str, str],
    foreground: str,
    states: tuple[str, ...],
) -> Theme:
    background, surface, panel, cursor = grounds
    of = dict(zip(STATES, states, strict=True))
    variables = {f"state-{state}": colour for state, colour in of.items()}
    variables |= {f"member-{index}": colour for index, colour in enumerate(MEMBERS)}
    variables |= {"ink": INK, "block-cursor-background": cursor}  # keeps the colours of what is on it
    variables |= {"input-selection-background": of["dim"] + " 50%", "button-focus-text-style": "bold"}
    for value, names in (
        ("none", "block-cursor-text-style block-cursor-blurred-text-style"),
        (foreground, "block-cursor-foreground block-cursor-blurred-foreground input-cursor-background"),
        (foreground, "scrollbar-hover scrollbar-active"),
        (background, "on-state input-cursor-foreground button-color-foreground link-color-hover"),
        (panel, "block-cursor-blurred-background block-hover-background"),
        (surface, "scrollbar-background scrollbar-background-hover scrollbar-background-active"),
        (surface, "scrollbar-corner-color"),
        (of["info"], "border link-color link-background-hover"),
        (of["dim"], "border-blurred text-muted text-disabled scrollbar"),
    ):
        variables |= dict.fromkeys(names.split(), value)
    return Theme(
        name=name,
        primary=of["info"],
        secondary=of["dim"],
        accent=of["info"],
        warning=of["warning"],
        error=of["critical"],
        success=of["ok"],
        foreground=foreground,
        background=background,
        surface=surface,
        panel=panel,
        boost=panel,
        dark=dark,
        text_alpha=1.0,
        variables=variables,
    )


DARK = _theme(
    "dark",
    True,
    ("#12161c", "#1a2029", "#29323f", "#1f3850"),
    "#e8eaed",
    ("#3cc79b", "#62b8ee", "#f0b429", "#ff7a59", "#dd9bd0", "#9aa7b5"),
)
LIGHT = _theme(
    "light",
    False,
    ("#fbfbf9", "#f1f2f0", "#e3e7ea", "#cfe3f4"),
    "#16191d",
    ("#00664c", "#005a96", "#7d4f00", "#ac2a08", "#863277", "#505a64"),
)
CONTRAST = _theme(
    "contrast",
    True,
    ("#000000", "#000000", "#2a2a2a", "#0a2748"),
    "#ffffff",
    ("#5affc6", "#8ad4ff", "#ffe04d", "#ffa48c", "#ffbdf3", "#dcdcdc"),
)
ALL = (DARK, LIGHT, CONTRAST)
TITLES = {"dark": "Dark", "light": "Light", "contrast": "High contrast"}

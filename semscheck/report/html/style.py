"""What the HTML documents share: the style sheet, the symbols, and the page around a body.

One file with nothing outside it: no script, no image, no font. The Content-Security-Policy allows the one
style sheet by its hash, so text that slipped through every escape could still neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from semscheck.report import escape as safe

# Light first; the same names again for dark. Text colours have at least 4.5:1 on their background
# (WCAG 2.2, 1.4.3), lines and symbols 3:1 (1.4.11); tests/render/test_html_style.py computes them.
LIGHT = {
    "bg": "#f6f7f9",
    "card": "#ffffff",
    "ink": "#16202b",
    "soft": "#52606d",
    "line": "#d5dbe1",
    "edge": "#808b96",
    "link": "#0a58a8",
    "code": "#eef1f4",
    "ok": "#17692f",
    "info": "#0a5c9e",
    "warning": "#825000",
    "critical": "#b3201a",
    "unknown": "#6940b8",
    "not-tested": "#55616d",
    "ok-bg": "#e7f5ea",
    "info-bg": "#e8f2fb",
    "warning-bg": "#fdf3dc",
    "critical-bg": "#fdeceb",
    "unknown-bg": "#f2edfc",
    "not-tested-bg": "#eef1f4",
}
DARK = {
    "bg": "#10161d",
    "card": "#182029",
    "ink": "#e8edf2",
    "soft": "#a5b1bd",
    "line": "#303b46",
    "edge": "#75828f",
    "link": "#7cbcff",
    "code": "#222c36",
    "ok": "#62cf7f",
    "info": "#78bdf7",
    "warning": "#f0b849",
    "critical": "#ff8f86",
    "unknown": "#c3a9ff",
    "not-tested": "#a5b1bd",
    "ok-bg": "#15301d",
    "info-bg": "#14293c",
    "warning-bg": "#33270e",
    "critical-bg": "#3a1a1a",
    "unknown-bg": "#271f3d",
    "not-tested-bg": "#222c36",
}
# Okabe and Ito's colours, told apart by colour-blind people; letters on them are always black.
MEMBERS = ("#56b4e9", "#e69f00", "#2bb58c", "#f0e442", "#dd94bd", "#ff8b6e", "#bcc4cc", "#8fb0ff")
ON_MEMBER = "#10161d"

WIDTHS = (
    6,
    10,
    12,
    14,
    16,
    18,
    20,
    22,
    24,
    26,
)  # of tables' columns in per cent; a style attribute is refused

_SHEET = """
:root{color-scheme:light dark;%(light)s
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif;
--mono:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{%(dark)s}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%%;text-size-adjust:100%%;scroll-padding-top:16px}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 var(--sans);overflow-wrap:anywhere}
.wrap{max-width:1080px;margin:0 auto;padding:0 24px 48px}
a{color:var(--link);text-underline-offset:2px}
a:focus-visible,summary:focus-visible,pre:focus-visible{outline:3px solid var(--link);outline-offset:2px;
border-radius:4px}
code,pre,.mono{font-family:var(--mono);font-size:.875em}
.mono{font-variant-ligatures:none}
h1,h2,h3{line-height:1.3;text-wrap:balance;margin:0}
h1{font-size:clamp(1.35rem,1rem + 1.6vw,1.9rem);font-weight:680;letter-spacing:-.012em}
h2{font-size:1.3rem;font-weight:670;letter-spacing:-.008em;margin:44px 0 14px}
h3{font-size:1.06rem;font-weight:650}
h3.sub{font-size:.8rem;font-weight:650;color:var(--soft);letter-spacing:.05em;text-transform:uppercase;
margin:20px 0 8px}
.card>h3.sub:first-child{margin-top:0}
p{margin:0 0 10px}
.soft{color:var(--soft)}
.small{font-size:.875rem}
.skip{position:absolute;left:-9999px}
.skip:focus{left:16px;top:12px;background:var(--card);padding:8px 14px;z-index:1}
.ic{width:1.05em;height:1.05em;flex:none;vertical-align:-.16em}
.state{display:inline-flex;align-items:baseline;gap:.4em;font-weight:650;white-space:nowrap}
.state .ic{align-self:center}
.ok{color:var(--ok)}.info{color:var(--info)}.warning{color:var(--warning)}.critical{color:var(--critical)}
.unknown{color:var(--unknown)}.not-tested{color:var(--not-tested)}
.pill{padding:2px 11px 2px 9px;border-radius:99px;font-size:.86rem;border:1px solid currentColor}
.pill.ok,.head.ok{background:var(--ok-bg)}.pill.info,.head.info{background:var(--info-bg)}
.pill.warning,.head.warning{background:var(--warning-bg)}.pill.critical,.head.critical{background:var(--critical-bg)}
.pill.unknown,.head.unknown{background:var(--unknown-bg)}
.pill.not-tested,.head.not-tested{background:var(--not-tested-bg)}
.top{display:flex;justify-content:space-between;gap:12px;flex-wrap:wrap;padding:20px 0 14px;
color:var(--soft);font-size:.9rem}
.top b{color:var(--ink);font-weight:650}
.head{border:1px solid var(--line);border-left:6px solid currentColor;border-radius:12px;padding:24px 28px 22px}
.head .state{font-size:1rem;margin-bottom:10px}
.head h1,.head .act,.head dl{color:var(--ink)}
.head .act{margin:14px 0 0;font-size:1.02rem}
.facts{display:flex;flex-wrap:wrap;gap:10px 34px;margin:18px 0 0}
.facts div{min-width:0}
.facts dt{font-size:.8rem;color:var(--soft)}
.facts dd{margin:0;font-weight:550}
.head .facts dt{color:var(--ink);opacity:.78}
.note{border:1px solid var(--line);border-left:4px solid var(--info);background:var(--card);border-radius:8px;
padding:10px 14px;margin:14px 0 0;font-size:.92rem}
nav ul{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;padding:0;margin:18px 0 0;font-size:.92rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:0 0 16px}
svg.defs{position:absolute}
figure{margin:0}
figcaption{color:var(--soft);font-size:.9rem;margin-top:12px}
svg.pic{display:block;width:100%%;height:auto}
svg.narrow{display:none;max-width:420px}
.finding{border-left:5px solid var(--line);scroll-margin-top:12px}
.finding.is-critical{border-left-color:var(--critical)}.finding.is-warning{border-left-color:var(--warning)}
.finding.is-unknown{border-left-color:var(--unknown)}.finding.is-info{border-left-color:var(--info)}
.finding>header{display:flex;flex-wrap:wrap;align-items:center;gap:8px 12px;margin-bottom:10px}
.finding>h3{font-size:1.12rem;margin-bottom:12px;text-wrap:pretty}
.tagline{color:var(--soft);font-size:.9rem}
dl.rows{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:8px 20px;margin:0}
dl.rows dt{color:var(--soft)}
dl.rows dd{margin:0}
dl.rows dd p:last-child,dl.rows dd ol{margin-bottom:0}
details{margin-top:14px}
details details{margin-top:10px}
.card>details:first-child{margin-top:0}
summary{cursor:pointer;font-weight:600;padding:2px 0}
summary .soft{font-weight:400}
details[open]>summary{margin-bottom:10px}
.effects{list-style:none;margin:0;padding:0}
.effects>li{border-top:1px solid var(--line);padding:12px 0 12px 2px}
.effects>li:last-child{padding-bottom:0}
.effects p{margin:4px 0 0}
.line{display:flex;flex-wrap:wrap;align-items:center;gap:2px 12px}
pre{background:var(--code);border-radius:8px;padding:12px 14px;margin:6px 0 0;overflow:auto;max-height:24em;
font-size:.8rem;line-height:1.5;white-space:pre-wrap}
.obs{border-top:1px solid var(--line);padding:9px 0}
.obs:last-child{padding-bottom:0}
.obs>.line{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.88rem}
table{border-collapse:collapse;width:100%%;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding-bottom:8px}
th,td{text-align:left;vertical-align:top;padding:8px 14px 8px 0;border-bottom:1px solid var(--line)}
tbody tr:last-child>*{border-bottom:0}
th{font-weight:600}
@media print,(min-width:761px){table.fixed{table-layout:fixed}}

%(widths)s
thead th{color:var(--soft);font-size:.8rem;white-space:nowrap}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:8px 22px;list-style:none;margin:16px 0 0;padding:0;font-size:.9rem}
.legend li{display:flex;gap:8px;align-items:baseline;min-width:0}
.tag{display:inline-block;min-width:1.55em;padding:0 .35em;text-align:center;border-radius:4px;font-weight:700;
font-size:.82rem;color:%(on)s;flex:none;font-family:var(--mono)}
.explain{scroll-margin-top:12px}
.explain h3{margin-bottom:8px}
.explain h3+p{font-size:1.02rem}
.back{font-size:.85rem;margin:12px 0 0}
footer{color:var(--soft);font-size:.85rem;border-top:1px solid var(--line);margin-top:48px;padding-top:16px}
:target{outline:3px solid var(--link);outline-offset:3px}
svg text{font:13px var(--sans);fill:var(--ink)}
svg .t-soft{fill:var(--soft)}
svg .t-small{font-size:12px}
svg .t-strong{font-weight:650}
svg .t-mono,svg .t-cell{font-family:var(--mono);font-size:12px}
svg .t-cell{font-weight:700;fill:%(on)s;text-anchor:middle}
svg .t-end{text-anchor:end}
svg .t-mid{text-anchor:middle}
svg .box{fill:var(--card);stroke:var(--line)}
svg .box.ok{stroke:var(--line)}
svg .box.warning{stroke:var(--warning)}
svg .box.critical{stroke:var(--critical);stroke-width:2}
svg .box.unknown{stroke:var(--unknown)}
svg .box.not-tested{stroke-dasharray:4 3;stroke:var(--edge)}
svg .wire{stroke:var(--edge);stroke-width:1.6;fill:none}
svg .wire.used{stroke:var(--ink)}
svg .wire.idle{stroke-dasharray:3 4}
svg .wire.broken{stroke:var(--critical);stroke-width:2.2;stroke-dasharray:6 5}
svg .head-arrow{fill:var(--edge)}
svg .track{fill:var(--code)}
svg .range{stroke:var(--ink);stroke-width:1.6;fill:none}
svg .bar{stroke:var(--edge);stroke-width:.6}
svg .void{fill:var(--card);stroke:var(--edge)}
svg .lost{fill:var(--critical-bg);stroke:var(--critical);stroke-width:1.4}
svg .t-void,svg .t-lost{font-weight:700;text-anchor:middle;font-size:12px}
svg .t-lost{fill:var(--critical)}
svg .i-ok{stroke:var(--ok)}svg .i-info{stroke:var(--info)}svg .i-warning{stroke:var(--warning)}
svg .i-critical{stroke:var(--critical)}
svg .i-unknown{stroke:var(--unknown)}svg .i-not-tested{stroke:var(--not-tested)}
%(members)s
.worse{color:var(--critical);font-weight:600}.better{color:var(--ok);font-weight:600}.other{font-weight:600}
@media screen and (max-width:760px){.wrap{padding:0 14px 36px}.head{padding:18px 16px}.card{padding:16px 14px}
h2{margin-top:34px}dl.rows{grid-template-columns:minmax(0,1fr);gap:2px}dl.rows dd{margin-bottom:10px}}
@media screen and (max-width:760px){svg.wide{display:none}svg.narrow{display:block}
.stack,.stack tbody,.stack caption{display:block}.stack colgroup{display:none}
.stack thead{position:absolute;left:-9999px}
.stack tr{display:block;padding:10px 0;border-bottom:1px solid var(--line)}
.stack tbody tr:last-child{border-bottom:0}.stack th,.stack td{display:block;border:0;padding:1px 0}
.stack td.num{text-align:left}.stack td[data-title]{display:grid;grid-template-columns:6.8rem minmax(0,1fr);
gap:10px}
.stack td[data-title]::before{content:attr(data-title);color:var(--soft);font:400 .9rem var(--sans)}}
@media print{@page{margin:14mm}:root{color-scheme:light;%(light)s}html{font-size:85%%}body{background:#fff}
.wrap{max-width:none;padding:0}nav,.skip,.back,.no-print{display:none}
.card,.head,.note{break-inside:avoid;box-shadow:none}.card.long{break-inside:auto}h2,h3,thead{break-after:avoid}tr{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
details.printed::details-content{content-visibility:visible;display:block;block-size:auto;height:auto}
details.onscreen:not([open]){display:none}
a{color:inherit;text-decoration:none}pre{max-height:none}}
@media (forced-colors:active){.tag,.pill,.head{border:1px solid}}
"""

# 16 by 16, drawn with the pen alone, so that no font decides whether a check mark is a picture.
_SHAPES = {
    "ok": '<path d="M3.2 8.6l3.2 3.2 6.4-7.4"/>',
    "info": '<circle cx="8" cy="8" r="6.2"/><path d="M8 7.4v3.6M8 4.9v.3"/>',
    "warning": '<path d="M8 2.2l6.2 11.3H1.8zM8 6.6v3M8 11.4v.2"/>',
    "critical": '<circle cx="8" cy="8" r="6.4"/><path d="M5.5 5.5l5 5M10.5 5.5l-5 5"/>',
    "unknown": '<circle cx="8" cy="8" r="6.4"/>'
    '<path d="M6.1 6.4a1.95 1.95 0 113 1.7c-.8.5-1.1.8-1.1 1.5M8 11.6v.2"/>',
    "not-tested": '<circle cx="8" cy="8" r="6.2" stroke-dasharray="2.4 2.5"/>',
}


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


@cache
def sheet() -> str:
    """The style sheet, the same for every document."""
    members = "".join(
        f".tag.member-{index}{{background:{colour}}}svg .member-{index}{{fill:{colour}}}"
        for index, colour in enumerate(MEMBERS)
    )
    widths = "".join(f"col.w{share}{{width:{share}%}}" for share in WIDTHS)
    return _SHEET % {
        "widths": widths,
        "light": _variables(LIGHT),
        "dark": _variables(DARK),
        "members": members,
        "on": ON_MEMBER,
    }


@cache
def policy() -> str:
    """The Content-Security-Policy of the documents: nothing but the style sheet with this hash."""
    digest = base64.b64encode(hashlib.sha256(sheet().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def symbols() -> str:
    """The state symbols, once per document; `icon` and the pictures refer to them."""
    drawn = "".join(
        f'<symbol id="i-{name}" viewBox="0 0 16 16"><g fill="none" stroke="currentColor" stroke-width="1.7"'
        f' stroke-linecap="round" stroke-linejoin="round">{shape}</g></symbol>'
        for name, shape in _SHAPES.items()
    )
    return f'<svg class="defs" width="0" height="0" aria-hidden="true" focusable="false">{drawn}</svg>'


def shape(mark: str) -> str:
    """A symbol's strokes, to be placed inside a picture."""
    return _SHAPES[mark]


def icon(mark: str) -> str:
    """A state's symbol for running text; always beside its word."""
    return f'<svg class="ic" aria-hidden="true" focusable="false"><use href="#i-{mark}"/></svg>'


def page(title: str, body: str) -> str:
    """A whole document around a body that is HTML already. title: raw text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{safe.html(title, 200)}</title>\n<style>{sheet()}</style>\n</head>\n"
        f"<body>\n{symbols()}\n{body}\n</body>\n</html>\n"
    )

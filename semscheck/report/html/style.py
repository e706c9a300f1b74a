"""What the HTML documents share: the style sheet, the symbols, and the page around a body.

One file with nothing outside it: no script, no image, no font. The Content-Security-Policy allows the one
style sheet by its hash, so text that slipped through every escape could still neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from semscheck.report import escape as safe
from semscheck.report.wording import LABELS, Mark

# On a light ground, and on a dark one. Text colours have at least 4.5:1 on their background (WCAG 2.2, 1.4.3), lines
# and symbols 3:1 (1.4.11); a test computes them.
_COLOURS = {
    "bg": ("#f6f7f9", "#10161d"),
    "card": ("#ffffff", "#182029"),
    "ink": ("#16202b", "#e8edf2"),
    "soft": ("#52606d", "#a5b1bd"),
    "line": ("#d5dbe1", "#303b46"),
    "edge": ("#808b96", "#75828f"),
    "link": ("#0a58a8", "#7cbcff"),
    "code": ("#eef1f4", "#222c36"),
    "ok": ("#17692f", "#62cf7f"),
    "info": ("#0a5c9e", "#78bdf7"),
    "warning": ("#825000", "#f0b849"),
    "critical": ("#b3201a", "#ff8f86"),
    "unknown": ("#6940b8", "#c3a9ff"),
    "not-tested": ("#55616d", "#a5b1bd"),
    "ok-bg": ("#e7f5ea", "#15301d"),
    "info-bg": ("#e8f2fb", "#14293c"),
    "warning-bg": ("#fdf3dc", "#33270e"),
    "critical-bg": ("#fdeceb", "#3a1a1a"),
    "unknown-bg": ("#f2edfc", "#271f3d"),
    "not-tested-bg": ("#eef1f4", "#222c36"),
}
LIGHT, DARK = ({name: pair[dark] for name, pair in _COLOURS.items()} for dark in (False, True))
# Okabe and Ito's colours, told apart by colour-blind people; letters on them are always black.
MEMBERS = ("#56b4e9", "#e69f00", "#2bb58c", "#f0e442", "#dd94bd", "#ff8b6e", "#bcc4cc", "#8fb0ff")
ON_MEMBER = "#10161d"

WIDTHS = (6, *range(10, 28, 2))  # of tables' columns in per cent; a style attribute is refused

_SHEET = """
:root{color-scheme:light dark;%(light)s
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif;
--mono:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{%(dark)s}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%%;text-size-adjust:100%%;scroll-padding-top:16px}
body{margin:0;background:var(--bg);color:var(--ink);font:1rem/1.55 var(--sans);overflow-wrap:anywhere}
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
.head h1,.head dl{color:var(--ink)}
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
.finding{border-left:5px solid var(--line);scroll-margin-top:12px}
.finding.is-critical{border-left-color:var(--critical)}.finding.is-warning{border-left-color:var(--warning)}
.finding.is-unknown{border-left-color:var(--unknown)}.finding.is-info{border-left-color:var(--info)}
.finding>header{display:flex;flex-wrap:wrap;align-items:center;gap:8px 12px;margin-bottom:10px}
.finding>h3{font-size:1.12rem;margin-bottom:12px;text-wrap:pretty}
.tagline{color:var(--soft);font-size:.9rem}
dl.rows{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:8px 20px;margin:0}
dl.rows dt{color:var(--soft)}
dl.rows dd{margin:0}
dl.rows dd p:last-child{margin-bottom:0}
dl.rows ol,.steps{margin:0;padding-left:1.5em}
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
font-size:.82rem;flex:none;font-family:var(--mono)}
.explain{scroll-margin-top:12px}
.explain h3{margin-bottom:8px}
.explain h3+p{font-size:1.02rem}
.back{font-size:.85rem;margin:12px 0 0}
footer{color:var(--soft);font-size:.85rem;border-top:1px solid var(--line);margin-top:48px;padding-top:16px}
:target{outline:3px solid var(--link);outline-offset:3px}
.unseen{position:absolute;clip-path:inset(50%%);width:1px;height:1px;overflow:hidden}
.addr{font-family:var(--mono);font-size:.875em;white-space:nowrap}
.chain{display:flex;align-items:stretch;gap:30px;list-style:none;margin:0 0 18px;padding:0}
.chain>li{flex:1 1 0;min-width:0;position:relative;display:flex;flex-direction:column}
.chain>li+li::before{content:"";position:absolute;left:-27px;top:50%%;width:24px;border-top:2px solid var(--edge)}
.chain>.broken+li::before{border-top:2px dashed var(--critical)}
.chain p{margin:0 0 6px}
.node{flex:1 0 auto;border:1px solid var(--line);border-radius:8px;padding:8px 10px;display:flex;gap:8px;
font-size:.88rem;line-height:1.45;margin-bottom:6px;align-items:flex-start}
.node.warning{border-color:var(--warning)}.node.critical{border:2px solid var(--critical)}
.node.unknown{border-color:var(--unknown)}.node.not-tested{border:1px dashed var(--edge)}
.node,.node .addr,.node>span:last-child{color:var(--ink)}
.breaks{margin:0 0 14px}.breaks .state,#watch .state{white-space:normal}
.at{display:flex;gap:2px 8px;align-items:baseline;flex-wrap:wrap}
.at+.at{margin-top:4px}
.at>span:last-child{flex:1 1 8rem}
table.servers{margin-bottom:12px}
.servers th[scope=row]{width:26%%}
table.strip th{width:15.5rem;font-weight:600}
table.strip td,table.strip th{border:0;padding:4px 14px 4px 0;vertical-align:middle}
td.figure{width:14rem;white-space:nowrap;font-variant-numeric:tabular-nums}
.cells{display:inline-flex;flex-wrap:wrap;gap:2px}
.cells b{width:1.35em;height:1.6em;line-height:1.6em;text-align:center;font:700 .8rem/1.6em var(--mono);
border-radius:2px}
.cells b.void{color:var(--soft);box-shadow:inset 0 0 0 1px var(--edge)}
.cells b.lost{color:var(--critical);background:var(--critical-bg);box-shadow:inset 0 0 0 1px var(--critical)}
.mark-0,.mark-1{color:var(--ink);box-shadow:inset 0 0 0 1.5px var(--edge)}
.mark-1{background:var(--code)}
svg.bar{display:block;width:100%%;height:18px;min-width:7rem}
svg .track{fill:var(--code)}
svg .range{stroke:var(--ink);stroke-width:1.6;fill:none}
svg .failed{fill:var(--critical)}
.story{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:6px 20px;margin:14px 0 0;font-size:1.02rem}
.story dt{font-weight:650}.story dd{margin:0}
%(members)s
.worse{color:var(--critical);font-weight:600}.better{color:var(--ok);font-weight:600}.other{font-weight:600}
@media screen and (max-width:760px){.wrap{padding:0 14px 36px}.head{padding:18px 16px}.card{padding:16px 14px}
h2{margin-top:34px}dl.rows{grid-template-columns:minmax(0,1fr);gap:2px}dl.rows dd{margin-bottom:10px}}
@media screen and (max-width:900px){.chain{display:block}.chain>li{margin-bottom:26px}
.chain>li+li::before{left:1.4rem;top:-22px;width:0;height:18px;border-top:0;border-left:2px solid var(--edge)}
.chain>.broken+li::before{border-top:0;border-left:2px dashed var(--critical)}}
@media screen and (max-width:760px){
.strip th,.strip td,.servers th,.servers td{
display:block;width:auto!important;border:0;padding:2px 0}
.servers thead{position:absolute;left:-9999px}.servers tr,.strip tr{display:block;padding:8px 0}
.servers tr{border-bottom:1px solid var(--line)}
.stack,.stack tbody,.stack caption{display:block}.stack colgroup{display:none}
.stack thead{position:absolute;left:-9999px}
.stack tr{display:block;padding:10px 0;border-bottom:1px solid var(--line)}
.stack tbody tr:last-child{border-bottom:0}.stack th,.stack td{display:block;border:0;padding:1px 0}
.stack td.num{text-align:left}.stack td[data-title]{display:grid;grid-template-columns:6.8rem minmax(0,1fr);
gap:10px}
.stack td[data-title]::before{content:attr(data-title);color:var(--soft);font:400 .9rem var(--sans)}}
@media print{@page{margin:11mm}:root{color-scheme:light;%(light)s}html{font-size:68%%}
body{background:#fff;line-height:1.4}
.wrap{max-width:none;padding:0}nav,.skip,.back,.no-print{display:none}
.card,.head,.note{break-inside:avoid;box-shadow:none}.card.long{break-inside:auto}h2,h3,thead{break-after:avoid}tr{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
details.printed::details-content{content-visibility:visible;display:block;block-size:auto;height:auto}
details.onscreen:not([open]),#names,#addresses,#rules,#explanations,#run,.tagline .soft{display:none}
section:has(>.offpaper),.is-info dl.rows,.legend .soft{display:none}
.effects>li{padding:4px 0}details{margin-top:6px}.legend{margin-top:8px}
#path{break-before:page}#path>h2{margin-top:0}h2{margin:14px 0 7px}.card{padding:9px 14px;margin-bottom:8px}
.head{padding:12px 18px}.top{padding:0 0 8px}.facts{margin-top:10px;gap:6px 26px}
.note{padding:5px 12px;margin-top:8px}
.finding>h3,.finding>header,figcaption,.chain{margin-bottom:6px}dl.rows{gap:3px 16px}h3.sub{margin:10px 0 4px}
td,th,table.strip td,table.strip th{padding-top:2px;padding-bottom:2px}footer{margin-top:8px;padding-top:4px}
.chain{gap:14px}.chain>li+li::before{left:-13px;width:12px}.node{padding:4px 8px}.at>span:last-child{flex-basis:5rem}
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
        f".member-{index}{{background:{colour};fill:{colour};color:{ON_MEMBER}}}"
        for index, colour in enumerate(MEMBERS)
    )
    widths = "".join(f"col.w{share}{{width:{share}%}}" for share in WIDTHS)
    return _SHEET % {
        "widths": widths,
        "light": _variables(LIGHT),
        "dark": _variables(DARK),
        "members": members,
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


def icon(mark: str) -> str:
    """A state's symbol for running text; always beside its word."""
    return f'<svg class="ic" aria-hidden="true" focusable="false"><use href="#i-{mark}"/></svg>'


def state(mark: Mark, text: str | None = None, *, pill: bool = False) -> str:
    """A state as symbol, word and colour. text: raw, in place of the state's name."""
    style = f"state {mark.value}{' pill' if pill else ''}"
    return f'<span class="{style}">{icon(mark.value)}{safe.html(text or LABELS[mark])}</span>'


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

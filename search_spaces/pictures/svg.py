"""A scene as SVG: in a page, as an image of one or alone; light or dark; no script, no address.

Nothing has an id, so that several drawings may stand in one page.
"""

from __future__ import annotations

import html
import math

from nas_with_rl.search_spaces.pictures.scene import (
    Box,
    Line,
    Net,
    Point,
    Scene,
    Text,
    is_narrow,
    printable,
)

_CORNER = 5.0  # radius of a line's corners
_HEAD_LENGTH, _HEAD_WIDTH = 6.0, 6.0  # of an arrow
_DOT = 2.2  # radius
_LONGEST_DESCRIPTION = 4_000  # characters

# Light, dark.
_COLOURS = {
    "paper": ("#ffffff", "#16191f"),
    "ink": ("#1f2328", "#e2e6ec"),
    "faint": ("#59636e", "#9aa4b1"),
    "edge": ("#818b98", "#67717d"),
    "plain": ("#f3f5f8", "#242a33"),
    "back": ("#eef1f5", "#1e232b"),
    "blue": ("#ddebfb", "#17324f"),
    "orange": ("#fdebd9", "#46290f"),
    "green": ("#dff3e3", "#173a22"),
    "violet": ("#efe5fb", "#33214e"),
    "rose": ("#fde4ea", "#4b1a28"),
    "teal": ("#d8f1f1", "#123a3c"),
    "yellow": ("#fbf2c8", "#3d3510"),
    "n0": ("#0b62a8", "#6cb4f0"),
    "n1": ("#b3470a", "#f0a060"),
    "n2": ("#2b7a2b", "#7ccf7c"),
    "n3": ("#8a3ab9", "#cf9df2"),
    "n4": ("#a8123f", "#ff8fab"),
    "n5": ("#0a7f83", "#5fd3d6"),
}
_FILLS = {
    "paper": ("identity",),
    "plain": ("image", "classifier", "signal"),
    "blue": ("convolution", "add"),
    "orange": ("elem_mult",),
    "green": ("max", "pooling"),
    "violet": ("normalization", "sigmoid"),
    "rose": ("state",),
    "teal": ("tanh", "sin"),
    "yellow": ("relu",),
}
_FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace"


def _style() -> str:
    def variables(values: list[str]) -> str:
        return "".join(f"--{name}:{value};" for name, value in zip(_COLOURS, values, strict=True))

    light = variables([light for light, _ in _COLOURS.values()])
    dark = variables([dark for _, dark in _COLOURS.values()])
    both = variables([f"light-dark({light},{dark})" for light, dark in _COLOURS.values()])
    fills = "".join(
        ",".join(f".nas-picture .{kind}" for kind in kinds) + f"{{fill:var(--{name})}}"
        for name, kinds in _FILLS.items()
    )
    nets = "".join(f".nas-picture .n{n}{{--net:var(--n{n})}}" for n in range(6))
    return (
        f".nas-picture{{{light}max-width:100%;height:auto;font-family:{_FONTS}}}"
        # Alone or as an image it follows the reader's system; in a page, the page.
        f"@media(prefers-color-scheme:dark){{.nas-picture:root{{{dark}}}}}"
        f"@supports(color:light-dark(red,red)){{.nas-picture{{{both}}}"
        ".nas-picture:root{color-scheme:light dark}}"
        ".nas-picture text{fill:var(--ink);white-space:pre}"
        ".nas-picture .faint{fill:var(--faint)}.nas-picture .strong{font-weight:600}"
        ".nas-picture .paper{fill:var(--paper)}.nas-picture .backdrop{fill:var(--back)}"
        ".nas-picture .box{stroke:var(--edge)}.nas-picture .identity{stroke-dasharray:3 2}"
        ".nas-picture .cell{fill:none;stroke:var(--back)}"
        + fills
        + ".nas-picture .net{--net:var(--edge)}"
        f"{nets}"
        ".nas-picture .line{stroke:var(--net)}.nas-picture .under{stroke:var(--paper)}"
        ".nas-picture .head{fill:var(--net)}.nas-picture .rule{stroke:var(--edge)}"
        ".nas-picture .net:hover .line{stroke-width:3}"
    )


_STYLE = _style()


def svg(scene: Scene) -> str:
    """Return a scene as text that begins with `<svg`; the same text from the same scene."""
    width, height = _number(math.ceil(scene.width)), _number(math.ceil(scene.height))
    title = _escaped(scene.title)
    description = _escaped(printable(scene.description, _LONGEST_DESCRIPTION))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nas-picture" role="img" '
        f'aria-label="{title}" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{title}</title><desc>{description}</desc><style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="8" fill="#fff"/>',
        *(_rectangle(each, "backdrop") for each in scene.backdrops),
        '<g fill="none" stroke="#888" stroke-dasharray="3 3">',
        *(f'<path class="rule" d="{_path(each)}"/>' for each in scene.rules),
        "</g>",
        *map(_net, scene.nets),
        *map(_box, scene.boxes),
        *map(_text, scene.texts),
        "</svg>\n",
    ]
    return "\n".join(part for part in parts if part)


def _net(net: Net) -> str:
    paths = [_path(each) for each in net.lines]
    heads = "".join(_head(each) for each in net.lines if each.arrow)
    dots = "".join(
        f'<circle class="head" cx="{_number(x)}" cy="{_number(y)}" r="{_DOT}"/>'
        for x, y in net.dots
    )
    # What lies below is cut where another line crosses it, so that neither seems to turn.
    return (
        f'<g class="net {net.kind}" fill="none" stroke="none"><title>{_escaped(net.title)}</title>'
        f'<path class="under" stroke="#fff" stroke-width="4" d="{"".join(paths)}"/>'
        f'<path class="line" stroke="#666" stroke-width="1.4" d="{"".join(paths)}"/>'
        f"{heads}{dots}</g>"
    )


def _box(box: Box) -> str:
    title = f"<title>{_escaped(box.title)}</title>" if box.title else ""
    return f"<g>{title}{_rectangle(box, f'box {box.kind}')}{''.join(map(_text, box.texts))}</g>"


def _rectangle(box: Box, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{_number(box.left)}" y="{_number(box.top)}" '
        f'width="{_number(box.width)}" height="{_number(box.height)}" rx="{_number(box.radius)}" '
        'fill="#eee"/>'
    )


def _text(text: Text) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    kind = f' class="{text.kind}"' if text.kind else ""
    # A font without these characters borrows them from one of any width.
    fitted = (
        ""
        if all(map(is_narrow, text.content))
        else f' textLength="{_number(text.width)}" lengthAdjust="spacingAndGlyphs"'
    )
    return (
        f'<text x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"'
        f"{anchor}{kind}{fitted}>{_escaped(text.content)}</text>"
    )


def _path(line: Line) -> str:
    if line.smooth:
        (x, y), (to_x, to_y) = line.points
        middle = (y + to_y) / 2
        return (
            f"M{_pair((x, y))}C{_pair((x, middle))} {_pair((to_x, middle))} {_pair((to_x, to_y))}"
        )
    first, *inner, last = line.points
    found = f"M{_pair(first)}"
    before = first
    for place, corner in enumerate(inner):
        after = inner[place + 1] if place + 1 < len(inner) else last
        radius = min(_CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        found += f"L{_pair(_towards(corner, before, radius))}"
        found += f"Q{_pair(corner)} {_pair(_towards(corner, after, radius))}"
        before = corner
    return f"{found}L{_pair(last)}"


def _head(line: Line) -> str:
    (x, y), tip = line.points[-2], line.points[-1]
    if line.smooth:  # it comes in upright
        x = tip[0]
    back = _towards(tip, (x, y), _HEAD_LENGTH)
    length = math.dist(tip, back) or 1.0
    across_x, across_y = (tip[1] - back[1]) / length, (back[0] - tip[0]) / length
    half = _HEAD_WIDTH / 2
    corners = (
        tip,
        (back[0] + half * across_x, back[1] + half * across_y),
        (back[0] - half * across_x, back[1] - half * across_y),
    )
    return f'<path class="head" fill="#666" d="M{"L".join(map(_pair, corners))}Z"/>'


def _towards(start: Point, end: Point, length: float) -> Point:
    whole = math.dist(start, end) or 1.0
    share = min(1.0, length / whole)
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _pair(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)

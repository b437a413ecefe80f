"""HTML from text: whatever comes from a run is escaped here, and is written nowhere else."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # controls: tabs and line ends are none


class Markup(str):
    """Text that is HTML already: every other text is escaped where it is put into a page."""


def escaped(text: object) -> Markup:
    """Return a text as HTML that shows it, half a surrogate pair as its code."""
    if isinstance(text, Markup):
        return text
    whole = str(text)
    if not whole.isascii():
        whole = whole.encode("utf-8", "backslashreplace").decode("utf-8")
    return Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", whole)))


def element(tag: str, *content: object, **attributes: str | int | None) -> Markup:
    """Return an element; what is not `Markup` is escaped.

    Args:
      tag: its name.
      content: texts and elements.
      attributes: by name, "_" for "-" and a last one left out: `class_`; None leaves one out.
    """
    written = [
        f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for name, value in attributes.items()
        if value is not None
    ]
    return Markup(f"<{tag}{''.join(written)}>{''.join(map(escaped, content))}</{tag}>")


def joined(parts: Iterable[object]) -> Markup:
    """Return parts one after the other."""
    return Markup("".join(map(escaped, parts)))


def table(
    titles: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    caption: str,
) -> Markup:
    """Return a table that scrolls sideways where it is wider than the page.

    Args:
      titles: of the columns, an empty one of bars; none at all leaves the head out, and the first
        column has the rows' titles.
      rows: cells.
      numbers: columns that are numbers.
      caption: what it is, for those who do not see it.
    """

    def cell(tag: str, place: int, content: object) -> Markup:
        scope = {"th": "col"}.get(tag)
        return element(tag, content, scope=scope, class_="number" if place in numbers else None)

    unseen = element("span", "as a bar", class_="hidden")  # a head that needs no words
    heads = [cell("th", place, title or unseen) for place, title in enumerate(titles)]
    body = joined(
        element(
            "tr",
            *(
                element("th", content, scope="row")
                if not titles and not place
                else cell("td", place, content)
                for place, content in enumerate(row)
            ),
        )
        for row in rows
    )
    return element(
        "div",
        element(
            "table",
            element("caption", caption, class_="hidden"),
            element("thead", element("tr", *heads)) if titles else "",
            element("tbody", body),
        ),
        class_="wide",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def folded(title: object, *content: object, key: str, is_open: bool = False) -> Markup:
    """Return what opens on demand; its key is by which a page that is renewed keeps it open."""
    opened = Markup(" open") if is_open else Markup("")
    inside = joined(content)
    return Markup(
        f'<details data-key="{escaped(key)}"{opened}><summary>{escaped(title)}</summary>'
        f"{inside}</details>"
    )

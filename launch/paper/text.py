"""A table as text for a terminal of 120 columns, or as markdown for the README."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from nas_with_rl.launch.paper.printed_tables import PaperRow
from nas_with_rl.launch.paper.views import OwnRowView, TableView

LINE_WIDTH = 120
_LABEL = 14  # width of the details' first column


def as_text(view: TableView) -> str:
    """Return the table, its notes, and how each row is made here."""
    with_depth = any(row.depth for row in view.table.rows)
    rows = [_cells(row, view, with_depth) for row in view.table.rows]
    header = ["", "model", *(["depth"] if with_depth else []), "params", "paper", "here"]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [f"Table {view.table.number}: {view.table.title}", ""]
    for row in (header, *rows):
        left = f"{row[0]:{widths[0]}} {row[1]:{widths[1]}}"
        right = (f"{cell:>{width}}" for cell, width in zip(row[2:-1], widths[2:-1], strict=True))
        lines.append("  ".join([left, *right, row[-1]]).rstrip())
    lines.append("")
    lines += (line for note in ("* the paper's own.", *view.notes) for line in _wrapped(note))
    for own in view.own.values():
        lines += ["", f"{own.row.model.strip()}, {own.row.params}: {own.here}", *_details(own)]
    return "\n".join(lines)


def _cells(row: PaperRow, view: TableView, with_depth: bool) -> list[str]:
    depth = [str(row.depth or "-")] if with_depth else []
    here = view.own[row.key].here if row.key else ""
    return ["*" if row.bold else "", row.model, *depth, row.params or "-", row.result, here]


def _details(own: OwnRowView) -> Iterator[str]:
    for number, command in enumerate(own.commands):
        label = f"{'command' if not number else '':{_LABEL}}"
        yield from _folded(command, f"  {label}")
    facts = [("parameters", own.parameters), ("GPU hours", own.hours)]
    facts += [("runs" if not number else "", line) for number, line in enumerate(own.runs)]
    for label, text in facts:
        yield from _wrapped(text, f"  {label:{_LABEL}}")


def _folded(command: Sequence[str], indent: str) -> Iterator[str]:
    """Yield a command, continued over lines as a shell reads it."""
    line = indent + command[0]
    for flag in command[1:]:
        if len(line) + len(flag) + 3 > LINE_WIDTH:
            yield f"{line} \\"
            line = " " * (len(indent) + 4) + flag
        else:
            line += f" {flag}"
    yield line


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        LINE_WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_markdown(view: TableView) -> str:
    """Return the same as markdown: the paper's own rows bold, the details as a second table."""
    with_depth = any(row.depth for row in view.table.rows)
    header = ["model", *(["depth"] if with_depth else []), "params", "paper", "here"]
    rows = []
    for row in view.table.rows:
        _, model, *cells = _cells(row, view, with_depth)
        bold = "**" if row.bold else ""
        cells[-2] = f"{bold}{cells[-2]}{bold}"
        title = f"… {model.strip()}" if model.startswith(" ") else model
        rows.append([f"{bold}{title}{bold}", *cells])
    details = [
        [
            f"{own.row.model.strip()}, {own.row.params}",
            "<br>then ".join(f"`{' '.join(command)}`" for command in own.commands),
            own.parameters,
            own.hours,
            "<br>".join(own.runs) or "none",
        ]
        for own in view.own.values()
    ]
    return "\n".join(
        [
            f"**Table {view.table.number}: {view.table.title}**",
            "",
            *_markdown_rows([header, *rows]),
            "",
            *_markdown_rows([["row", "command", "parameters", "GPU hours", "runs"], *details]),
            "",
            *(f"- {note}" for note in view.notes),
        ]
    )


def _markdown_rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        if not number:
            yield "|" + "---|" * len(row)

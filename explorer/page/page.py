"""One HTML file that opens from disk: the page's module, its JSON and its data, no network."""

from __future__ import annotations

import base64
import html
import importlib.resources
import json
import re
from pathlib import Path
from typing import Any

from nas_with_rl.explorer.exploration import Exploration
from nas_with_rl.explorer.page.data import page_data
from nas_with_rl.search_spaces.errors import InputError, shown_path
from nas_with_rl.search_spaces.whole_files import write_whole

MAX_BYTES = 1_000_000  # in a notebook: Colab shows no larger page
MAX_FILE_BYTES = 8_000_000  # on disk, which has no such limit: two base-8 cells on 2,000 characters
MAX_TOKENS = 10_000  # more characters make the browser slow
_LEAST_TOKENS = 10
_PROBE_TOKENS = 400

ENTRY = "explorer.mjs"
_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"\./(?P<name>[\w-]+\.mjs)";[ \t]*\n', re.M)
_DEFAULT = re.compile(r"^export default \{ render \};[ \t]*\n?", re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.M)

# Comments that have their lines to themselves: a page has no room for them.
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*.*?\*/)[ \t]*\n", re.M | re.S)

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; }} body {{ margin: 0; }}</style>
</head>
<body>
<noscript>This page draws itself with JavaScript, which is switched off here.</noscript>
<main id="page"></main>
<script type="application/json" id="exploration">{exploration}</script>
<script type="text/plain" id="data">{data}</script>
<script type="module">
{module}
{shim}</script>
</body>
</html>
"""

# What a notebook's widget gives the module, for a page: the view lives in the address.
_SHIM = """\
function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
function pageModel() {
  const listeners = new Map();
  const hash = () => location.hash.slice(1);
  const values = {
    exploration: JSON.parse(document.getElementById("exploration").textContent),
    data: bytesOf(document.getElementById("data").textContent),
    view: hash(),
  };
  const write = () => {
    if (values.view === hash()) return;
    try {
      history.replaceState(null, "", "#" + values.view);
    } catch {
      location.hash = values.view; // a frame's own document has no address of its own to replace
    }
  };
  addEventListener("hashchange", () => {
    if (values.view === hash()) return;
    values.view = hash();
    for (const listener of listeners.get("change:view") || []) listener();
  });
  return {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; },
    save_changes: write,
    on: (name, listener) => listeners.set(name, [...(listeners.get(name) || []), listener]),
    off: (name, listener) =>
      listeners.set(name, (listeners.get(name) || []).filter((other) => other !== listener)),
  };
}
const page = document.getElementById("page");
if (typeof DecompressionStream === "undefined") {
  page.textContent = "This page needs a browser of 2023 or later: it has no DecompressionStream.";
} else {
  render({ model: pageModel(), el: page });
}
"""


def write_page(exploration: Exploration, path: str | Path) -> Path:
    """Write the page, whole or not at all; return where it lies.

    A text that is too long for `MAX_FILE_BYTES` is cut, and the page says so.

    Raises:
      InputError: the path cannot be written to.
    """
    content = _fitted(exploration, MAX_FILE_BYTES)[1].encode("utf-8")
    try:
        path = Path(path).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(content, path)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name; the home of nobody
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"the page {shown_path(path)} cannot be written: {reason}") from None
    return path


def page_html(exploration: Exploration) -> str:
    """Return the page of as much of the text as fits into `MAX_BYTES`."""
    return _fitted(exploration, MAX_BYTES)[1]


def fitted(exploration: Exploration) -> Exploration:
    """Return the exploration of as much of the text, from its start, as a notebook's page can hold.

    Raises:
      InputError: not even a line's worth fits.
    """
    return _fitted(exploration, MAX_BYTES)[0]


def _fitted(exploration: Exploration, most_bytes: int) -> tuple[Exploration, str]:
    total = len(exploration.tokens)
    num_tokens = min(total, MAX_TOKENS, _first_guess(exploration, most_bytes))
    while True:
        shown = exploration if num_tokens == total else exploration.first_tokens(num_tokens)
        text = _html(shown)
        size = len(text.encode("utf-8"))
        if size <= most_bytes:
            return shown, text
        if num_tokens <= _LEAST_TOKENS:
            raise InputError(
                f"a page of {exploration.title!r} takes {size:,} bytes for {num_tokens} "
                f"characters, more than {most_bytes:,}: explore fewer units or models"
            )
        num_tokens = max(int(num_tokens * min(0.98, most_bytes / size)), _LEAST_TOKENS)


def _first_guess(exploration: Exploration, most_bytes: int) -> int:
    """A number of tokens that hardly fits, without deflating what is far too long."""
    total = len(exploration.tokens)
    for_each = sum(
        layer.units * len(layer.signals)
        for model in exploration.models
        for layer in model.trace.layers
    )
    if total <= _PROBE_TOKENS or for_each * total <= most_bytes:
        return total
    sizes = [
        len(_html(exploration.first_tokens(count)).encode("utf-8"))
        for count in (_PROBE_TOKENS // 2, _PROBE_TOKENS)
    ]
    slope = max(sizes[1] - sizes[0], 1) / (_PROBE_TOKENS - _PROBE_TOKENS // 2)
    return _PROBE_TOKENS + int(1.1 * max(most_bytes - sizes[1], 0) / slope)


def _html(exploration: Exploration) -> str:
    content = page_data(exploration)
    return _PAGE.format(
        title=html.escape(exploration.title.encode("utf-8", "replace").decode("utf-8")),
        exploration=embedded_json(content.exploration),
        data=base64.b64encode(content.data).decode("ascii"),
        module=bundle(default_export=False),
        shim=_SHIM,
    )


def embedded_json(document: dict[str, Any]) -> str:
    """Write JSON for inside a script element: nothing in it can end or open one."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>\u2028\u2029":  # as in "</script", "<!--"
        text = text.replace(character, f"\\u{ord(character):04x}")
    # UTF-8 has no half of a surrogate pair; JSON's escape of it happens to be Python's.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def bundle(*, default_export: bool) -> str:
    """Return the module and those that it imports as one, without comments, in the imports' order.

    Args:
      default_export: keep the entry's `export default`, for a widget; a page calls `render`.
    """
    folder = importlib.resources.files("nas_with_rl.explorer.page") / "module"
    sources: list[str] = []
    visited: set[str] = set()

    def visit(name: str) -> None:
        if name in visited:
            return
        visited.add(name)
        source = folder.joinpath(name).read_text(encoding="utf-8")
        for match in _IMPORT.finditer(source):
            visit(match["name"])
        sources.append(_COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub("", source))))

    visit(ENTRY)
    text = "\n".join(sources)
    return text if default_export else _DEFAULT.sub("", text)

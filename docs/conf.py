"""How Sphinx builds the site: markdown pages, the API from docstrings, sections of other files.

A page that consists of a title and a link marked `<!-- included -->` shows, on the site, the
section that the link leads to; where markdown is rendered by itself, as on GitHub, it is a link.
"""

import inspect
import os
import re
import sys
from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what a few names import says nothing

project = "nas_with_rl"
author = "the nas_with_rl authors"
copyright = "the nas_with_rl authors; Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
smartquotes = False  # flags have two hyphens

myst_heading_anchors = 4  # GitHub's
suppress_warnings = ["myst.header"]  # a section that is included begins a level lower

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_display_short_literal_types = True
add_module_names = False
toc_object_entries = False  # the headings are enough
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "nas_with_rl"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_search_summary = False  # which is fetched, and from disk nothing may be
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7ab7ff", "color-brand-content": "#7ab7ff"},
    "top_of_page_buttons": [],
}

_INCLUDED = re.compile(r"^\[[^\]]*\]\(([\w./]+)#([\w-]+)\).*<!-- included -->$", re.MULTILINE)
_API = "reference/api"
_SHORT = 28  # characters of code, on a phone's line
_NAME = re.compile(r"^\| `nas\.(\w+)`", re.MULTILINE)


def _slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _section(path: Path, anchor: str) -> str:
    """Return the section of a file with its own heading as the page's title."""
    text = path.read_text(encoding="utf-8")
    in_fence, found, level = False, [], 0
    for line in text.splitlines():
        in_fence ^= line.startswith("```")
        heading = None if in_fence else re.match(r"(#+) (.*)", line)
        if heading and found and len(heading[1]) <= level:
            break
        if heading and not found and _slug(heading[2]) == anchor:
            level = len(heading[1])
        if level:
            found.append(line[level - 1 :] if heading else line)
    if not found:
        raise ValueError(f"{path} has no section #{anchor}")
    return "\n".join(found) + "\n"


def _included_sections() -> dict[tuple[str, str], str]:
    """By file and anchor, the page that shows the section."""
    pages = {}
    for page in DOCS.rglob("*.md"):
        for link, anchor in _INCLUDED.findall(page.read_text(encoding="utf-8")):
            file = os.path.relpath((page.parent / link).resolve(), ROOT)
            pages[file, anchor] = page.relative_to(DOCS).as_posix()
    return pages


def _moved_links(text: str, source: str, page: str) -> str:
    """Let links of a text, written for a file of the checkout, lead on from a page of the site.

    Those to sections that a page shows lead to the page.
    """
    sections = _included_sections()
    whole = {"CONTRIBUTING.md": "how_to/contribute.md", "README.md": "index.md"}
    whole |= {file: shown for (file, _), shown in sections.items() if file not in whole}

    def moved(found: re.Match[str]) -> str:
        target, _, anchor = found[1].partition("#")
        if "://" in target:
            return found[0]
        file = os.path.normpath(PurePosixPath(source).parent / target) if target else source
        if (file, anchor) in sections:
            return f"](/{sections[file, anchor]})"
        if not target:
            return found[0]
        if file in whole:
            return f"](/{whole[file]})"
        if file.startswith("docs/") and file.endswith(".md"):
            return f"](/{file.removeprefix('docs/')}{'#' + anchor if anchor else ''})"
        return f"]({os.path.relpath(ROOT / file, (DOCS / page).parent)})"

    return re.sub(r"\]\(([^)\s]+)\)", moved, text)


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    page = f"{name}.md"
    if found := _INCLUDED.search(source[0]):
        path = (DOCS / page).parent.joinpath(found[1]).resolve()
        file = os.path.relpath(path, ROOT)
        source[0] = _moved_links(_section(path, found[2]), file, page)
        app.env.note_dependency(path)
    else:
        source[0] = _moved_links(source[0], f"docs/{page}", page)
    if name == _API:
        names = _NAME.findall(source[0])
        source[0] = _NAME.sub(r"| {py:obj}`nas.\1 <nas_with_rl.\1>`", source[0])
        source[0] += "\n## All of them\n\n" + "".join(map(_documented, names))


def _documented(name: str) -> str:
    import nas_with_rl

    kind = "class" if inspect.isclass(getattr(nas_with_rl, name)) else "function"
    members = "   :members:\n" if kind == "class" else ""
    return f"### {name}\n\n```{{eval-rst}}\n.. auto{kind}:: nas_with_rl.{name}\n{members}```\n\n"


def _as_code(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Let docstrings' `names` be code, of two backticks in reStructuredText, and stars be stars."""
    text = re.sub(r"(?<=[^\s`*(])\*", r"\\*", "\n".join(lines))
    text = re.sub(r"(?<!`)`((?:[^`\n]|\n(?!\s*\n))+)`(?![`_])", r"``\1``", text)
    lines[:] = text.split("\n")


def _set_finely(app: Sphinx, doctree: nodes.document) -> None:
    """Put a dash before what is said of an argument, and keep short code on one line."""
    for text in list(doctree.findall(nodes.Text)):
        if text.startswith(" -- "):
            text.parent.replace(text, nodes.Text(f" – {text[4:]}"))
    for code in doctree.findall(nodes.literal):
        if len(code.astext()) <= _SHORT:  # "--" does not end a line
            code["classes"].append("short")


def setup(app: Sphinx) -> None:
    """Have sections included, links moved, and names in docstrings shown as code."""
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _as_code, priority=100)
    app.connect("doctree-read", _set_finely)

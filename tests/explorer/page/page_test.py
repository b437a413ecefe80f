"""The page as a file: whole, self-contained, small, and hostile text in it stays text."""

import base64
import collections
import dataclasses
import html.parser
import json
import pathlib
import re

import numpy as np
import pytest

from nas_with_rl.child_models.traces.trace import LayerTrace, Signal
from nas_with_rl.explorer.exploration import Exploration, Table
from nas_with_rl.explorer.page import page
from nas_with_rl.explorer.page.data import page_data
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.recurrent_cell import Node, RecurrentCell
from tests.harness import examples

MODULE = pathlib.Path(page.__file__).parent / "module"
_ACTIVATIONS = ("tanh", "sigmoid", "relu", "identity")
BASE_8 = RecurrentCell(
    nodes=(
        *(Node(("add", "elem_mult")[n % 2], _ACTIVATIONS[n % 4]) for n in range(14)),
        Node("add", "tanh"),
    ),
    inject=Node("add", "tanh"),
    output_node=12,
    inject_node=3,
)


class Elements(html.parser.HTMLParser):
    """The elements of a page, and the text inside each script and title."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found, self.texts = [("", {})], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        tag, attributes = self.found[-1]
        key = attributes.get("id", tag)
        self.texts[key] = self.texts.get(key, "") + data


def size(exploration):
    return len(page.page_html(exploration).encode("utf-8"))


@pytest.mark.parametrize("name", ["counter", "side_by_side", "hostile", "diverged"])
def test_the_page_holds_the_exploration(name):
    exploration = getattr(examples, name)()
    data = page_data(exploration)
    texts = Elements(page.page_html(exploration)).texts
    assert json.loads(texts["exploration"]) == json.loads(json.dumps(data.exploration))
    assert base64.b64decode(texts["data"].rstrip("\n"), validate=True) == data.data


def test_the_page_asks_the_network_for_nothing():
    text = page.page_html(examples.counter())
    elements = Elements(text)
    for tag, attributes in elements.found:
        assert not attributes.keys() & {"src", "href", "srcset", "action", "data"}, tag
    assert {tag for tag, _ in elements.found} <= {
        *("", "html", "head", "meta", "title", "style", "body", "noscript", "main", "script")
    }
    module = page.bundle(default_export=True)
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "@import", "url("):
        assert word not in module
    assert set(re.findall(r"https?://[^\"'`\s]*", text)) <= {"http://www.w3.org/2000/svg"}


def test_hostile_text_stays_text():
    text = page.page_html(examples.hostile())
    elements = Elements(text)
    assert [tag for tag, _ in elements.found].count("script") == 3
    assert "img" not in {tag for tag, _ in elements.found}
    document = json.loads(elements.texts["exploration"])
    for found in (
        "".join(document["text"]),
        document["title"],
        document["notes"][0],
        document["models"][0]["samples"][0],
        document["models"][0]["tables"][0]["rows"][0][0],
    ):
        assert found == examples.HOSTILE
    embedded = text.partition('id="exploration">')[2].partition("</script>")[0]
    assert not set(embedded) & set("<>\u2028\u2029\x00\r")


def test_the_bundle_is_one_module():
    for default_export in (False, True):
        module = page.bundle(default_export=default_export)
        assert not re.search(r"^\s*import\b", module, re.MULTILINE)
        exports = re.findall(r"^[ \t]*export\b.*", module, re.MULTILINE)
        assert exports == ["export default { render };"] * default_export
        assert "</script" not in module.lower() and "<!--" not in module
        assert not re.findall(r"^\s*(?://|/\*\*| \*)", module, re.MULTILINE)
        names = re.findall(
            r"^(?:async )?(?:function\*?|const|let|class) (\w+)", module, re.MULTILINE
        )
        names += re.findall(r"^function (\w+)", page._SHIM, re.MULTILINE)
        assert "render" in names and len(set(names)) == len(names)


def test_no_line_of_the_modules_is_lost_but_for_comments_imports_and_exports():
    kept = collections.Counter(page.bundle(default_export=True).splitlines())
    for path in MODULE.glob("*.mjs"):
        in_comment = in_import = False
        for line in path.read_text(encoding="utf-8").splitlines():
            in_comment = in_comment or line.strip().startswith("/**")
            in_import = in_import or line.startswith("import ")
            if not (in_comment or in_import or line.strip().startswith("//")):
                assert kept[re.sub("^export (?!default)", "", line)] > 0, (path.name, line)
            in_comment = in_comment and not line.rstrip().endswith("*/")
            in_import = in_import and not line.rstrip().endswith('";')


@pytest.mark.parametrize("scale", [0.05, 1, 3, 10])
def test_64_units_and_2000_characters_of_an_lstm_fit(scale):
    """Also with random weights: nearly still, as before training; lively; all gates saturated."""
    exploration = examples.large()
    layer = examples.lstm_layer(exploration.tokens, units=64, scale=scale)
    model = exploration.models[0]
    model = dataclasses.replace(model, trace=dataclasses.replace(model.trace, layers=(layer,)))
    exploration = Exploration("Large", (), (model,))
    assert page.fitted(exploration) is exploration
    assert size(exploration) <= page.MAX_BYTES


def test_64_units_and_600_characters_of_a_base_8_cell_fit_though_all_be_noise():
    text = examples.library_code(600)
    layer = examples.tree_layer(text, cell=BASE_8, units=64)
    generator = np.random.default_rng(0)
    noise = {
        signal.name: generator.uniform(
            max(signal.low, -9), min(signal.high, 9), size=signal.values.shape
        ).astype(np.float32)
        for signal in layer.signals
    }
    noise["hidden"] = noise["node_14"]
    layer = LayerTrace(tuple(Signal(s.kind, noise[s.name]) for s in layer.signals))
    assert len(layer.signals) == 17
    model = dataclasses.replace(
        examples.tree_model(text, units=64),
        trace=examples.trace_of(text, [layer]),
        tree=BASE_8,
    )
    exploration = Exploration("Noise", (), (model,))
    assert page.fitted(exploration) is exploration
    assert size(exploration) <= page.MAX_BYTES


def test_a_text_that_is_too_long_says_how_much_is_shown():
    exploration = examples.large(num_tokens=12_000, units=64)
    shown = page.fitted(exploration)
    assert 1500 < len(shown.tokens) < 5000
    assert shown.tokens == exploration.tokens[: len(shown.tokens)]
    assert shown.all_notes == (f"{len(shown.tokens):,} of 12,000 characters are shown.",)
    assert 0.85 * page.MAX_BYTES < size(exploration) <= page.MAX_BYTES
    model = shown.models[0]
    assert len(model.connectivity) == len(model.trace.probabilities) == len(shown.tokens)


def test_a_file_has_all_of_2000_characters_of_what_a_notebook_can_hold_a_part_of(
    tmp_path, monkeypatch
):
    text = examples.library_code(2000)
    layers = [examples.tree_layer(text, cell=BASE_8, units=64, seed=n) for n in range(2)]
    model = dataclasses.replace(
        examples.tree_model(text), trace=examples.trace_of(text, layers), tree=BASE_8
    )
    exploration = Exploration("Two layers of a base-8 cell", (), (model,))
    assert len(page.fitted(exploration).tokens) < 1000
    written = page.write_page(exploration, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "characters are shown" not in written
    assert page.MAX_BYTES < len(written.encode()) < page.MAX_FILE_BYTES
    monkeypatch.setattr(page, "MAX_FILE_BYTES", 500_000)
    written = page.write_page(exploration, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "of 2,000 characters are shown" in written and len(written.encode()) <= 500_000


def test_a_text_that_would_fit_but_keep_the_browser_busy_is_cut():
    text = examples.counter_text(page.MAX_TOKENS + 1)
    trace = examples.trace_of(text, [examples.lstm_layer(text, units=1)])
    model = dataclasses.replace(examples.lstm_model("a"), trace=trace, connectivity=None)
    shown = page.fitted(Exploration("Long", ("First.",), (model,)))
    assert len(shown.tokens) == page.MAX_TOKENS
    assert shown.all_notes == ("10,000 of 10,001 characters are shown.", "First.")


def test_what_fits_at_no_length_is_one_line(monkeypatch):
    monkeypatch.setattr(page, "MAX_BYTES", 9_000)
    with pytest.raises(InputError, match=r"takes [\d,]+ bytes for 10 characters, more than 9,000"):
        page.page_html(examples.counter())


def test_the_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "pages" / "counter.html"
    assert page.write_page(examples.counter(), path) == path
    first = path.read_bytes()
    assert first.startswith(b"<!doctype html>") and first.endswith(b"</html>\n")
    assert [entry.name for entry in path.parent.iterdir()] == ["counter.html"]

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "rename", full)
        with pytest.raises(InputError, match=r"counter\.html cannot be written: No space left"):
            page.write_page(examples.side_by_side(), path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["counter.html"]
    page.write_page(examples.side_by_side(), path)
    assert path.read_bytes() != first


def test_a_path_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"the page .*/file/page\.html cannot be written"):
        page.write_page(examples.counter(), tmp_path / "file" / "page.html")


@pytest.mark.parametrize(
    "path", ["", "~nosuchuser/page.html", "a\0b.html", "\ud800.html", "x" * 300 + ".html"]
)
def test_a_path_that_no_file_can_have_is_one_line(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"the page .* cannot be written: ") as error:
        page.write_page(examples.counter(), path)
    assert str(error.value).isprintable() and not list(tmp_path.iterdir())


def test_models_side_by_side_read_the_same_text():
    with pytest.raises(InputError, match="second read another text than first"):
        Exploration(
            "x",
            (),
            (examples.lstm_model("ab", name="first"), examples.lstm_model("ba", name="second")),
        )


def test_a_table_has_a_cell_for_each_column():
    with pytest.raises(InputError, match="has 1 cells, not 2"):
        Table("t", ("a", "b"), (("1",),))


def test_a_table_in_the_terminal_is_aligned():
    table = Table("Counted", ("finding", "here"), (("a", "1.0"), ("longer", "2")), "A note.")
    assert table.as_text() == ("Counted\n  finding  here\n  a        1.0\n  longer   2\n  A note.")

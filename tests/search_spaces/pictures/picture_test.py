"""Pictures of architectures: SVG that any page, image or reader takes."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from nas_with_rl.search_spaces.architecture import parse_architecture, random_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space
from nas_with_rl.search_spaces.pictures.picture import MOST_LAYERS, architecture_scene
from nas_with_rl.search_spaces.published import PUBLISHED
from nas_with_rl.search_spaces.space import Choice, SearchSpace, Skips

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(svg):
    return [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_published_architecture_is_an_image_with_a_name(name, simplified):
    svg = PUBLISHED[name].architecture.svg(simplified=simplified)
    assert svg.startswith("<svg ")
    root = ET.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label")
    assert [each.tag for each in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert svg == PUBLISHED[name].architecture.svg(simplified=simplified)


def test_several_may_stand_in_a_page_that_loads_nothing():
    svg = "".join(each.architecture.svg() for each in PUBLISHED.values())
    without_names = svg.replace("http://www.w3.org/2000/svg", "")
    for text in (" id=", "url(", "href", "<script", "@import", "://", " on"):
        assert text not in without_names.replace(" one ", "")


def test_figure_7_names_every_layer():
    texts = texts_of(PUBLISHED["figure_7"].architecture.svg())
    assert [text for text in texts if re.fullmatch(r"\d×\d×\d+", text)] == [
        *("3×3×36", "3×3×48", "3×3×36", "5×5×36", "3×7×48", "7×7×48", "7×7×48", "7×3×36"),
        *("7×1×36", "7×7×36", "5×7×36", "7×7×48", "7×5×48", "7×5×48", "7×5×48"),
    ]


HOSTILE = "<script>alert(1)</script>&\"'"


def test_names_and_titles_stay_text_whatever_they_are():
    space = SearchSpace(
        [Choice(HOSTILE, {"<b>&": str, "]]>": int}), Choice("plain", ("a", "b"))],
        [Choice("-->", ("a", "b")), Skips()],
        2,
        name=HOSTILE,
    )
    architecture = random_architecture(space, np.random.default_rng(0))
    svg = architecture.svg(title=f"{HOSTILE}\x00\u202e\ud800\n")
    texts = texts_of(svg)
    # A long title goes on in the next line.
    assert HOSTILE in texts and f"{HOSTILE}\\x00\\u202e\\ud800" in "".join(texts)
    assert {"<b>&", "]]>"} & set(texts) and "-->" in texts
    assert "<b>" not in svg and "<script" not in svg
    svg.encode()


def test_any_other_architecture_is_a_table():
    svg = parse_architecture(
        "none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3 none",
        NasBench201Space().search_space(),
    ).svg()
    texts = texts_of(svg)
    assert "NAS-Bench-201 cell" in texts
    assert texts[texts.index("edge_0_2") + 1] == "skip_connect"


def test_a_title_may_be_another_or_none():
    architecture = PUBLISHED["figure_5"].architecture
    assert "recurrent cell of base 2" in texts_of(architecture.svg())
    assert "trial 7" in texts_of(architecture.svg(title="trial 7"))
    assert "recurrent cell of base 2" not in texts_of(architecture.svg(title=""))


def test_a_notebook_shows_the_picture():
    architecture = PUBLISHED["figure_5"].architecture
    assert architecture._repr_svg_() == architecture.svg()


def test_a_convnet_of_more_connections_than_can_be_seen_is_a_table():
    space = ConvolutionalSpace().search_space(MOST_LAYERS + 1)
    layers = ["3 3 - 36", *["3 3 1 36"] * MOST_LAYERS]
    texts = texts_of(parse_architecture(" | ".join(layers), space).svg())
    assert f"{MOST_LAYERS} lines between layers: too many to be drawn." in " ".join(texts)
    assert f"ConvNet of {MOST_LAYERS + 1} layers" in texts
    assert {"filter_height", "inputs", "… 2 more"} <= set(texts)


def test_a_table_of_layers_with_one_decision_has_a_heading():
    space = SearchSpace((), [Choice("units", (8, 16))], 2)
    scene = architecture_scene(parse_architecture("8 | 16", space))
    texts = [text for box in scene.boxes for text in box.texts]
    assert [text.content for text in texts if text.kind == "strong"] == ["layer", "units"]

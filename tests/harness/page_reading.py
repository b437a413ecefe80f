"""What the tests of the page write into its address, and read out of it."""

import urllib.parse

from nas_with_rl.explorer.stored_signals import store


def fragment(**values):
    return urllib.parse.urlencode(values)


def stored_signal(exploration, name, *, model=0, layer=0):
    return store(exploration.models[model].trace.layers[layer].signal(name))


def ranked_rows(chromium, ranking, panel=".nwr-model"):
    """Return [(neuron, score), ...] of a table as it stands in the page."""
    return [
        tuple(row)
        for row in chromium.run(
            "const score = (row) => Number(row.querySelector('[data-value]').dataset.value);"
            "return [...document.querySelectorAll(arguments[0])].map("
            "(row) => [Number(row.dataset.neuron), score(row)])",
            f"{panel} [data-ranking='{ranking}'] tbody tr",
        )
    ]


def strip_colours(chromium, panel=1):
    return chromium.run(
        "return [...document.querySelectorAll(arguments[0])].map((cell) => "
        "[cell.style.backgroundColor, cell.style.color])",
        f".nwr-model:nth-child({panel}) [data-t]",
    )

"""The page in a notebook: as a widget where anywidget is installed, else in a frame."""

from __future__ import annotations

import functools
import html
import importlib.util
from typing import Any

from nas_with_rl.explorer.exploration import Exploration
from nas_with_rl.explorer.page.data import page_data
from nas_with_rl.explorer.page.page import bundle, fitted, page_html
from nas_with_rl.search_spaces.errors import InputError

FRAME_PIXELS = 900  # height; the page scrolls inside


def show(exploration: Exploration) -> None:
    """Show an exploration below a notebook's cell.

    Raises:
      InputError: there is no notebook.
    """
    if importlib.util.find_spec("IPython") is None:
        raise InputError("IPython is not installed: outside a notebook, write_page writes a file")
    from IPython.display import HTML, display

    has_widgets = importlib.util.find_spec("anywidget") is not None
    display(explorer_widget(exploration) if has_widgets else HTML(frame(exploration)))


def explorer_widget(exploration: Exploration) -> Any:
    """Return an `ExplorerWidget`, an `anywidget.AnyWidget` that shows an exploration.

    Its traits: `exploration` and `data`, as `page_data` makes them, and `view`, the state of the
    page as text, which can be read and set.

    Raises:
      InputError: anywidget is not installed.
    """
    widget_class = _widget_class()
    shown = page_data(fitted(exploration))
    return widget_class(exploration=shown.exploration, data=shown.data)


@functools.cache
def _widget_class() -> Any:
    """Return the class; made when asked for, since anywidget is an extra."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise InputError(
            "anywidget is not installed: pip install 'nas_with_rl[widget]', or show the page "
            "with show() or write_page()"
        ) from None

    class ExplorerWidget(anywidget.AnyWidget):
        """The page's module, unchanged, with its data as traits."""

        _esm = bundle(default_export=True)
        exploration = traitlets.Dict().tag(sync=True)
        data = traitlets.Bytes().tag(sync=True)
        view = traitlets.Unicode("").tag(sync=True)

        def __repr__(self) -> str:
            # anywidget before 0.10 would write all data into the notebook as text.
            return f"ExplorerWidget({self.exploration.get('title')!r})"

    return ExplorerWidget


def frame(exploration: Exploration) -> str:
    """Return the page inside a frame, where its styles and the notebook's leave each other alone.

    The frame's document stands in the HTML itself, so that it needs no server.
    """
    return (
        f'<div><iframe srcdoc="{html.escape(page_html(exploration))}" '
        f'style="width: 100%; height: {FRAME_PIXELS}px; border: 0"></iframe></div>'
    )

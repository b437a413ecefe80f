"""Searchers with settings of their own: "reinforce+advantage=ranks" beside "reinforce"."""

from __future__ import annotations

import dataclasses
import re

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.overrides import with_overrides
from nas_with_rl.launch.experiments.searchers import check_searcher_name, settings_of
from nas_with_rl.search_spaces.errors import InputError, shown

_BEFORE_SETTING = re.compile(r"\+(?=\s*[A-Za-z_])")  # not that of 1e+3


@dataclasses.dataclass(frozen=True)
class Variant:
    """A searcher of a contest.

    Attributes:
      title: by which the contest names it, as it was asked for.
      searcher: its name.
      settings: of its controller, "field=value" each, in place of the contest's.
    """

    title: str
    searcher: str
    settings: tuple[str, ...] = ()

    def controller(self, usual: ReinforceConfig) -> ReinforceConfig:
        """Return how it learns.

        Args:
          usual: how those learn that have no settings of their own.

        Raises:
          InputError: a setting that there is not, or of a value that it cannot have.
        """
        try:
            return with_overrides(usual, self.settings)
        except InputError as error:
            raise InputError(f"searchers has {shown(self.title)}: {error}") from None


def variant_of(title: str) -> Variant:
    """Return what a title stands for.

    Raises:
      InputError: no such searcher, or settings that it does not have.
    """
    searcher, *settings = (part.strip() for part in _BEFORE_SETTING.split(title))
    if title.strip().endswith("+"):
        raise InputError(f"searchers has {shown(title)}, with no setting after its +")
    try:
        check_searcher_name(searcher)
    except InputError as error:
        raise InputError(str(error).replace("search.searcher", "searchers", 1)) from None
    known, names = settings_of(searcher), [each.partition("=")[0].strip() for each in settings]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"searchers has {shown(title)}, which has the setting {name} twice")
        if name.partition(".")[0] not in known:
            there = f"; it has {', '.join(known)}" if known else ", nor any other"
            raise InputError(
                f"searchers has {shown(title)}, and {searcher} has no setting {shown(name)}{there}"
            )
    variant = Variant(title, searcher, tuple(settings))
    variant.controller(ReinforceConfig())
    return variant

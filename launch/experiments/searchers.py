"""The searchers by name: those that are built in, a row each, and one's own as "module:Class".

A searcher's module is imported where the searcher is made: those that nothing is learned in need no
TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas_with_rl.controller.configuration import ReinforceConfig
from nas_with_rl.launch.experiments.named_modules import check_name, imported
from nas_with_rl.search_spaces.errors import InputError, shown
from nas_with_rl.search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from nas_with_rl.controller.reinforce import Reinforce
    from nas_with_rl.controller.searcher import Searcher

FIELD = "search.searcher"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearcherSetting:
    """What a searcher is made from.

    Attributes:
      space: at any depth.
      max_depth: the greatest depth of a trial; 0 where the space has no layers.
      seed: of all its draws.
      controller: how one learns that learns by TensorFlow.
      strategy: of the parameter servers that hold it then; None keeps it in this process.
    """

    space: SearchSpace
    max_depth: int
    seed: int
    controller: ReinforceConfig
    strategy: Any = None  # tf.distribute.ParameterServerStrategy


@dataclasses.dataclass(frozen=True)
class SearcherRow:
    """A searcher that is built in.

    Attributes:
      make: imports and makes it.
      needs_tensorflow: whether it learns by TensorFlow.
      settings: of the controller that it heeds.
    """

    make: Callable[[SearcherSetting], Searcher]
    needs_tensorflow: bool = False
    settings: tuple[str, ...] = ()


def _reinforce(setting: SearcherSetting) -> Reinforce:
    from nas_with_rl.controller.parameter_servers import SharedReinforce
    from nas_with_rl.controller.reinforce import Reinforce

    settings = {"max_depth": setting.max_depth, "seed": setting.seed}
    if setting.strategy is None:
        return Reinforce(setting.space, setting.controller, **settings)
    return SharedReinforce(setting.space, setting.controller, **settings, strategy=setting.strategy)


def _dream(setting: SearcherSetting) -> Searcher:
    from nas_with_rl.controller.dreaming.dream import ENTROPY_WEIGHT, Dream

    # Dreams are free, so that a policy without a bonus is soon sure of itself.
    weight = setting.controller.entropy_weight or ENTROPY_WEIGHT
    controller = dataclasses.replace(setting.controller, entropy_weight=weight)
    learner = _reinforce(dataclasses.replace(setting, controller=controller))
    return Dream(learner, setting.space, max_depth=setting.max_depth, seed=setting.seed)


def _evolution(setting: SearcherSetting) -> Searcher:
    from nas_with_rl.controller.evolution import Evolution

    return Evolution(setting.space, max_depth=setting.max_depth, seed=setting.seed)


def _local_search(setting: SearcherSetting) -> Searcher:
    from nas_with_rl.controller.local_search import LocalSearch

    return LocalSearch(setting.space, max_depth=setting.max_depth, seed=setting.seed)


def _random(setting: SearcherSetting) -> Searcher:
    from nas_with_rl.controller.random_search import RandomSearch

    return RandomSearch(seed=setting.seed)


# Its advantages are normal scores among all that it has tried, without a baseline.
_OF_DREAMS = ("learning_rate", "entropy_weight", "policy")
_ALL = tuple(field.name for field in dataclasses.fields(ReinforceConfig))
SEARCHERS: Mapping[str, SearcherRow] = MappingProxyType(
    {
        "dream": SearcherRow(_dream, needs_tensorflow=True, settings=_OF_DREAMS),
        "reinforce": SearcherRow(_reinforce, needs_tensorflow=True, settings=_ALL),
        "evolution": SearcherRow(_evolution),
        "local_search": SearcherRow(_local_search),
        "random": SearcherRow(_random),
    }
)


def is_own(name: str) -> bool:
    """Return whether a searcher's name is that of a class of one's own."""
    return ":" in name


def needs_tensorflow(name: str) -> bool:
    """Return whether a searcher learns by TensorFlow; what one's own needs it imports itself."""
    return not is_own(name) and SEARCHERS[name].needs_tensorflow


def settings_of(name: str) -> tuple[str, ...]:
    """Return which of the controller's settings a searcher heeds; one's own has none."""
    return () if is_own(name) else SEARCHERS[name].settings


def check_searcher_name(name: str) -> None:
    """Raise InputError for a name that no searcher can have; nothing is imported."""
    if is_own(name):
        check_name(name, flag=FIELD)
    elif name not in SEARCHERS:
        raise InputError(
            f"{FIELD} is {shown(name)}, not one of {', '.join(SEARCHERS)}; one of your own is "
            "MODULE:CLASS"
        )


def check_own_searcher(name: str) -> None:
    """Import a class of one's own, if the name is of one, before a run begins.

    Raises:
      InputError: that cannot be done, or it is no class of a searcher.
    """
    if is_own(name):
        _own_class(name)


def make_searcher(name: str, setting: SearcherSetting) -> Searcher:
    """Return a new searcher.

    Raises:
      InputError: it cannot search this space, or not on this backend of Keras.
    """
    if is_own(name):
        from nas_with_rl.controller.own_searcher import OwnSearcher

        made = _own_class(name)(setting.space, max_depth=setting.max_depth, seed=setting.seed)
        return OwnSearcher(made, name=name)
    if needs_tensorflow(name):
        _check_backend()
    return SEARCHERS[name].make(setting)


def _own_class(name: str) -> Callable[..., Any]:
    from nas_with_rl.controller.own_searcher import check_class

    found: Callable[..., Any] = imported(name, flag=FIELD)
    check_class(found, title=f"{FIELD}={name}")
    return found


def _check_backend() -> None:
    # Here, and not where nothing learns: it takes TensorFlow, seconds and half a gigabyte.
    import keras

    if keras.backend.backend() != "tensorflow":
        light = ", ".join(name for name, row in SEARCHERS.items() if not row.needs_tensorflow)
        raise InputError(
            f"KERAS_BACKEND is {keras.backend.backend()!r}, and a controller that learns runs on "
            f"tensorflow (search.searcher=random needs none, nor do the others of {light})"
        )

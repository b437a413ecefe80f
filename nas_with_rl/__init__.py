"""Neural Architecture Search with Reinforcement Learning (Zoph & Le, 2016).

The public names below resolve on first use, so that `import nas_with_rl` stays light:

    import nas_with_rl as nas

    space = nas.SearchSpace([nas.Choice("activation", ("relu", "tanh"))])
    result = nas.search(space, evaluate=lambda a: score(a["activation"]), num_samples=1000)
    print(result.best.architecture, result.best.reward)
"""

import importlib
from typing import TYPE_CHECKING, Any

from nas_with_rl.child_models.optional_imports import keep_options_out
from nas_with_rl.child_models.registration import register_with_keras

if TYPE_CHECKING:
    from nas_with_rl.child_models.data.image_sources import write_cifar10_npz as write_cifar10_npz
    from nas_with_rl.child_models.data.text import TextDataConfig as TextDataConfig
    from nas_with_rl.child_models.data.text import load_corpus as load_corpus
    from nas_with_rl.child_models.failures import ChildFailure as ChildFailure
    from nas_with_rl.child_models.failures import Stopped as Stopped
    from nas_with_rl.child_models.language_models.config import (
        LanguageModelTraining as LanguageModelTraining,
    )
    from nas_with_rl.child_models.saved_models import load_model as load_model
    from nas_with_rl.controller.configuration import PolicyConfig as PolicyConfig
    from nas_with_rl.controller.configuration import ReinforceConfig as ReinforceConfig
    from nas_with_rl.explorer.page.page import write_page as write_page
    from nas_with_rl.explorer.page.widget import explorer_widget as explorer_widget
    from nas_with_rl.explorer.page.widget import show as show
    from nas_with_rl.launch.api import SearchOptions as SearchOptions
    from nas_with_rl.launch.api import compare as compare
    from nas_with_rl.launch.api import search as search
    from nas_with_rl.launch.audits.audit import audit_search as audit_search
    from nas_with_rl.launch.comparisons.retraining import retrain as retrain
    from nas_with_rl.launch.evaluators.kinds.kind import ChildKind as ChildKind
    from nas_with_rl.launch.evaluators.kinds.kind import LocatedExperiment as LocatedExperiment
    from nas_with_rl.launch.evaluators.kinds.language_models import (
        LanguageModelTrainer as LanguageModelTrainer,
    )
    from nas_with_rl.launch.evaluators.kinds.nas_bench_201 import (
        nas_bench_201_accuracies as nas_bench_201_accuracies,
    )
    from nas_with_rl.launch.evaluators.kinds.tabular import table as table
    from nas_with_rl.launch.evaluators.measurements import Measurement as Measurement
    from nas_with_rl.launch.evaluators.running_trial import RunningTrial as RunningTrial
    from nas_with_rl.launch.experiments.children import OwnEvaluation as OwnEvaluation
    from nas_with_rl.launch.experiments.children import TabularLookup as TabularLookup
    from nas_with_rl.launch.experiments.experiment import Experiment as Experiment
    from nas_with_rl.launch.experiments.fitting import ChildFit as ChildFit
    from nas_with_rl.launch.experiments.search_config import Asha as Asha
    from nas_with_rl.launch.experiments.search_config import DepthSchedule as DepthSchedule
    from nas_with_rl.launch.experiments.search_config import SearchConfig as SearchConfig
    from nas_with_rl.launch.experiments.tabular.tabular_space import TabularSpace as TabularSpace
    from nas_with_rl.launch.explorations.exploring import explore as explore
    from nas_with_rl.launch.explorations.preparation import ExploreRequest as ExploreRequest
    from nas_with_rl.launch.handing_on.models import cell as cell
    from nas_with_rl.launch.handing_on.models import convnet as convnet
    from nas_with_rl.launch.host.backend import prepare_tensorflow as prepare_tensorflow
    from nas_with_rl.launch.results.loading import load as load
    from nas_with_rl.launch.results.search_result import SearchResult as SearchResult
    from nas_with_rl.search_spaces.architecture import Architecture as Architecture
    from nas_with_rl.search_spaces.architecture import parse_architecture as parse_architecture
    from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace as ConvolutionalSpace
    from nas_with_rl.search_spaces.drawing import draw as draw
    from nas_with_rl.search_spaces.errors import InputError as InputError
    from nas_with_rl.search_spaces.nas_bench_201 import NasBench201Space as NasBench201Space
    from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace as RecurrentCellSpace
    from nas_with_rl.search_spaces.space import Choice as Choice
    from nas_with_rl.search_spaces.space import SearchSpace as SearchSpace
    from nas_with_rl.search_spaces.space import Skips as Skips

__version__: str  # asked for when it is first used

_MODULES = {
    "Architecture": "search_spaces.architecture",
    "Asha": "launch.experiments.search_config",
    "ChildFailure": "child_models.failures",
    "ChildFit": "launch.experiments.fitting",
    "ChildKind": "launch.evaluators.kinds.kind",
    "Choice": "search_spaces.space",
    "ConvolutionalSpace": "search_spaces.convolutional",
    "DepthSchedule": "launch.experiments.search_config",
    "Experiment": "launch.experiments.experiment",
    "ExploreRequest": "launch.explorations.preparation",
    "InputError": "search_spaces.errors",
    "LanguageModelTrainer": "launch.evaluators.kinds.language_models",
    "LanguageModelTraining": "child_models.language_models.config",
    "LocatedExperiment": "launch.evaluators.kinds.kind",
    "Measurement": "launch.evaluators.measurements",
    "NasBench201Space": "search_spaces.nas_bench_201",
    "OwnEvaluation": "launch.experiments.children",
    "PolicyConfig": "controller.configuration",
    "RecurrentCellSpace": "search_spaces.recurrent_cell",
    "ReinforceConfig": "controller.configuration",
    "RunningTrial": "launch.evaluators.running_trial",
    "SearchConfig": "launch.experiments.search_config",
    "SearchOptions": "launch.api",
    "SearchResult": "launch.results.search_result",
    "SearchSpace": "search_spaces.space",
    "Skips": "search_spaces.space",
    "Stopped": "child_models.failures",
    "TabularLookup": "launch.experiments.children",
    "TabularSpace": "launch.experiments.tabular.tabular_space",
    "TextDataConfig": "child_models.data.text",
    "audit_search": "launch.audits.audit",
    "cell": "launch.handing_on.models",
    "compare": "launch.api",
    "convnet": "launch.handing_on.models",
    "draw": "search_spaces.drawing",
    "explore": "launch.explorations.exploring",
    "explorer_widget": "explorer.page.widget",
    "load": "launch.results.loading",
    "load_corpus": "child_models.data.text",
    "load_model": "child_models.saved_models",
    "nas_bench_201_accuracies": "launch.evaluators.kinds.nas_bench_201",
    "parse_architecture": "search_spaces.architecture",
    "prepare_tensorflow": "launch.host.backend",
    "retrain": "launch.comparisons.retraining",
    "search": "launch.api",
    "show": "explorer.page.widget",
    "table": "launch.evaluators.kinds.tabular",
    "write_cifar10_npz": "child_models.data.image_sources",
    "write_page": "explorer.page.page",
}
__all__ = [*_MODULES, "__version__"]

keep_options_out()  # of Keras and TensorFlow, which import much that nothing here uses
register_with_keras()  # so that Keras loads the models that are saved here


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _MODULES:
        raise AttributeError(f"module 'nas_with_rl' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nas_with_rl.{_MODULES[name]}"), name)


def _version() -> str:
    """Return the version that is installed; "0+unknown" of a checkout that was not."""
    import importlib.metadata

    try:
        return importlib.metadata.version("nas_with_rl")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

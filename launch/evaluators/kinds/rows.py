"""The kinds of child, a row each: what there is to know of them beside how one is trained."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nas_with_rl.child_models.cells.known_cells import KNOWN_CELLS
from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.launch.evaluators.kinds import (
    convnets,
    language_models,
    nas_bench_201,
    own_function,
    tabular,
)
from nas_with_rl.launch.evaluators.kinds.kind import (
    ChildKind,
    FinalKind,
    LocatedExperiment,
    PopulationKind,
    Trainer,
    loaded_once,
)
from nas_with_rl.launch.experiments.children import OwnEvaluation, TableLookup, TabularLookup
from nas_with_rl.launch.experiments.experiment import FITS, Experiment


def _populations() -> PopulationKind:
    # Here, as they import Keras, and a search over a table or by a function of one's own does not.
    from nas_with_rl.launch.evaluators.kinds import populations, timing

    return PopulationKind(
        populations.make_population_evaluate, populations.check_memory_of, timing.measure
    )


KINDS: Mapping[type, ChildKind] = MappingProxyType(
    {
        ImageTraining: ChildKind(
            load=convnets.load,
            fit=FITS[ImageTraining],
            metric="validation_accuracy",
            final=FinalKind(convnets.ConvNetTrainee, convnets.convnet_axes, convnets.drawn),
        ),
        LanguageModelTraining: ChildKind(
            load=language_models.load,
            fit=FITS[LanguageModelTraining],
            metric="validation_perplexity",
            populations=_populations,
            final=FinalKind(
                language_models.LanguageModelTrainee,
                language_models.language_model_axes,
                language_models.drawn,
                names=tuple(KNOWN_CELLS),
            ),
        ),
        TableLookup: ChildKind(
            load=nas_bench_201.load,
            fit=FITS[TableLookup],
            metric="validation_accuracy",
            default="here",
            needs_keras=False,
        ),
        TabularLookup: ChildKind(
            load=tabular.load,
            fit=FITS[TabularLookup],
            metric="value",
            default="here",
            needs_keras=False,
            loads_anew=True,  # a table that has not changed is read once
        ),
        OwnEvaluation: ChildKind(
            load=own_function.load,
            fit=FITS[OwnEvaluation],
            setup=own_function.setup,
            needs_keras=False,
            check=own_function.check_function,
            check_in_process=own_function.check_in_process,
        ),
    }
)


def kind_of(experiment: Experiment) -> ChildKind:
    """Return the row of an experiment's kind of child."""
    child = type(experiment.child)
    if child in KINDS:
        return KINDS[child]
    kind: ChildKind = child.kind  # of one's own, as `fit_of` has found it
    return kind


def trainer_of(data: LocatedExperiment) -> Trainer:
    """Return what trains an experiment's children one by one; its data is loaded once.

    Raises:
      InputError: data that is missing, damaged or too small; an own function whose module is
        missing.
    """
    kind = kind_of(data.experiment)
    return kind.load(data) if kind.loads_anew else loaded_once(kind.load, data)

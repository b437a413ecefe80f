"""Final training: one architecture to the end, its best weights kept, its test figure once.

After each epoch: the model where it is the best so far, then the checkpoint, then `result.json`.
A kill between any two leaves a training that continues to the same numbers, since an epoch is
keyed by (seed, epoch) and every checkpoint has the best model of its time beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from nas_with_rl.child_models.child_in_training import ChildInTraining
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.memory import out_of_memory_is_a_failure, release_child
from nas_with_rl.child_models.saved_models import describe_model, load_model, save_model
from nas_with_rl.launch.evaluators.kinds.kind import Trainee
from nas_with_rl.launch.host.device_names import device
from nas_with_rl.launch.records.checkpoints import Checkpoints
from nas_with_rl.launch.records.resumption import claim_workdir
from nas_with_rl.launch.records.storage_errors import storing
from nas_with_rl.launch.records.training_result import (
    TRAINING,
    FinalResult,
    best_epoch,
    read_result,
    write_result,
)
from nas_with_rl.launch.records.workdir import MODEL_FILE, Workdir
from nas_with_rl.launch.trainings.progress import (
    Epoch,
    EpochLines,
    EpochProgress,
    TrainingCurves,
)
from nas_with_rl.launch.trainings.summary import size_line
from nas_with_rl.launch.trainings.trainees import (
    FinalTraining,
    describe_training,
    in_metric,
    make_trainee,
)
from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.whole_files import write_whole, written_whole

if TYPE_CHECKING:
    import keras

Test = Literal["once", "never", "again"]
KEPT_CHECKPOINTS = 2
VARIABLES = "variables.npz"
EPOCHS = "epochs.json"


def train(
    training: FinalTraining,
    workdir: str | Path,
    *,
    resume: bool = False,
    test: Test = "once",
    progress: EpochProgress | None = None,
) -> FinalResult:
    """Train an architecture to the end, or continue to it, and look at the test set if told.

    Args:
      training: what, and how.
      workdir: where everything is kept.
      resume: continue the training that is there; a finished one is returned as it is.
      test: "once": look at the test set at the end unless it was looked at before; "again": look
        at it, whatever was before; "never": leave it for later.
      progress: shows the epochs; None for a line each.

    Returns:
      what `result.json` says. A child that failed is a result, of status "failed".

    Raises:
      InputError: an impossible request, a workdir of another run, data that is missing.
    """
    trainee = make_trainee(training)
    wanted = describe_training(training) | {"data_found": trainee.data_found}
    with claim_workdir(workdir, wanted, kind=TRAINING, resume=resume) as place:
        _check_model(place, trainee)
        result = read_result(place.path) or _first_result(training, trainee)
        if has_diverged(result):
            return result
        run = _Run(trainee, place, result)
        try:
            if result.status != "finished":
                run.train(progress or EpochLines())
            run.test(test)
        except ChildFailure as failure:
            run.fail(failure)
        finally:
            run.close()
        return run.result


def has_diverged(result: FinalResult) -> bool:
    """Say whether a training has failed for good; too little memory may be mended."""
    return result.status == "failed" and (result.failure or "").startswith("diverged")


def _first_result(training: FinalTraining, trainee: Trainee) -> FinalResult:
    return FinalResult(
        experiment=training.experiment.name,
        architecture=trainee.named.text,
        named=trainee.named.name,
        metric=trainee.metric,
        epochs=trainee.epochs,
    )


def _check_model(place: Workdir, trainee: Trainee) -> None:
    """Raise InputError where the model that is kept is not of the architecture in training."""
    if place.model.exists():
        found, wanted = describe_model(place.model), trainee.saved(0, 0.0)
        if (found.kind, found.architecture) != (wanted.kind, wanted.architecture):
            text = shortened(found.architecture)
            raise InputError(f"{place.model} is a model of another architecture: {text}")


class _Run:
    """A training as one process goes on with it: the child, its epochs, and their result.

    `result` is always what `result.json` says. `version`, `save` and `restore` are for checkpoints,
    which count by epochs.
    """

    def __init__(self, trainee: Trainee, place: Workdir, result: FinalResult):
        self.result = result
        self._trainee, self._place = trainee, place
        self._child: ChildInTraining | None = None
        self._epochs: list[Epoch] = []  # so far, as the newest checkpoint has them

    def train(self, progress: EpochProgress) -> None:
        """Train the epochs that are left."""
        child = self._built_child()
        checkpoints = Checkpoints(
            self._place.checkpoints,
            kept=KEPT_CHECKPOINTS,
            without="train from the first epoch again",
        )
        checkpoints.restore(self)
        begun = dataclasses.replace(self.result, status="training", failure=None, device=device())
        self._write(self._with_epochs(begun))
        heading = f"{size_line(self.result)}; {self._trainee.epochs} epochs on {self.result.device}"
        progress.begin(heading, self.result)
        curves = TrainingCurves(self._place.tensorboard, self._epochs, self._trainee.metric)
        with contextlib.closing(curves), contextlib.closing(progress):
            for number in range(self.version + 1, self._trainee.epochs + 1):
                epoch = self._train_epoch(child, number)
                if self._best == number:
                    saved = self._trainee.saved(number, epoch.validation)
                    self._write_files()
                    with storing(self._place.model):
                        save_model(child.model, self._place.model, saved)
                checkpoints.save(self)
                self._write(self._with_epochs(self.result))
                curves.add(epoch)
                progress.add(epoch, self.result)

    def test(self, test: Test) -> None:
        """Measure the kept model on the test set, if that is to be done; the training is over."""
        due = test == "again" or (test == "once" and not self.result.test_looks)
        data = self._trainee.test_data() if due else None
        over = dataclasses.replace(self.result, status="finished")
        if data is None:
            self._write(over)
            return
        self._check_kept()
        child = self._built_child()
        _take_over(load_model(self._place.model), child.model, self._place.model)
        figure = in_metric(child.test(data), self._trainee.metric)
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        looks = over.test_looks + 1
        self._write(dataclasses.replace(over, test=figure, test_looks=looks, test_looked_at=now))

    def _check_kept(self) -> None:
        """Raise InputError where the kept model is not the best epoch's of this training."""
        kept = describe_model(self._place.model)
        if (kept.epoch, kept.validation) != (self.result.best_epoch, self.result.best_validation):
            raise InputError(
                f"{self._place.model} is not the model of this training: its epoch {kept.epoch} "
                f"has the validation figure {kept.validation:.6g}, the best here is epoch "
                f"{self.result.best_epoch} with {self.result.best_validation or 0:.6g}"
            )

    def fail(self, failure: ChildFailure) -> None:
        """Record a failure; the best model so far stays."""
        text = f"{failure.reason}: {failure}"
        self._write(dataclasses.replace(self.result, status="failed", failure=text))

    def close(self) -> None:
        """Free the child's memory."""
        self._child = None
        release_child()

    def _built_child(self) -> ChildInTraining:
        if self._child is None:
            self._child = self._trainee.new_child()
            self._write(
                dataclasses.replace(
                    self.result,
                    num_parameters=self._child.num_parameters,
                    multiply_adds=self._child.multiply_adds,
                    units=self._trainee.units,
                )
            )
        return self._child

    def _write(self, result: FinalResult) -> None:
        self.result = result
        write_result(result, self._place)

    def _write_files(self) -> None:
        """Write what the model is used with where this project is not; equal for all its epochs."""
        for name, text in self._trainee.files_beside().items():
            path = self._place.path / name
            with storing(path):
                write_whole(text, path)

    @property
    def version(self) -> int:
        """How many epochs have been trained."""
        return len(self._epochs)

    @property
    def _best(self) -> int | None:
        return best_epoch([epoch.validation for epoch in self._epochs], self._trainee.metric)

    def _train_epoch(self, child: ChildInTraining, number: int) -> Epoch:
        """Train and validate an epoch, from 1."""
        start = time.perf_counter()
        with out_of_memory_is_a_failure():
            train_loss = child.train_epoch(number)
            validation = in_metric(child.validate(), self._trainee.metric)
        seconds = time.perf_counter() - start
        rate = self._trainee.learning_rate(number)
        self._epochs.append(Epoch(number, train_loss, validation, rate, seconds))
        return self._epochs[-1]

    def _with_epochs(self, result: FinalResult) -> FinalResult:
        """Return a result with what the epochs measured."""
        epochs, best = self._epochs, self._best
        return dataclasses.replace(
            result,
            train_loss=tuple(epoch.train_loss for epoch in epochs),
            validation=tuple(epoch.validation for epoch in epochs),
            seconds_per_epoch=statistics.median(e.seconds for e in epochs) if epochs else None,
            best_epoch=best,
            best_validation=epochs[best - 1].validation if best else None,
        )

    def save(self, directory: Path) -> None:
        """Write the variables, the epochs and the best model so far."""
        import keras

        variables = self._built_child().variables()
        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        np.savez(directory / VARIABLES, *values)
        epochs = [dataclasses.asdict(epoch) for epoch in self._epochs]
        (directory / EPOCHS).write_text(json.dumps(epochs), encoding="utf-8")
        _link(self._place.model, directory / MODEL_FILE)

    def restore(self, directory: Path) -> None:
        """Restore what `save` wrote, the best model in its place too."""
        stored = json.loads((directory / EPOCHS).read_text(encoding="utf-8"))
        epochs = [Epoch(**values) for values in stored]
        if any(type(v) not in (int, float) for epoch in epochs for v in vars(epoch).values()):
            raise TypeError(f"{EPOCHS} has what is no number")
        with np.load(directory / VARIABLES) as arrays:
            values = [arrays[name] for name in arrays.files]
        for variable, value in zip(self._built_child().variables(), values, strict=True):
            variable.assign(value)
        # A rename between two names of one file does nothing, and its writer clears the other.
        with written_whole(self._place.model) as temporary:
            _link(directory / MODEL_FILE, temporary)
        self._epochs = epochs


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that is impossible, as on some mounts."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _take_over(loaded: keras.Model, model: keras.Model, path: Path) -> None:
    """Give a model the values of one that was loaded, which has to be the same."""
    if json.dumps(loaded.get_config()) != json.dumps(model.get_config()):
        raise InputError(f"{path} is not the model of this training: it has other settings")
    for variable, value in zip(model.variables, loaded.variables, strict=True):
        variable.assign(value)

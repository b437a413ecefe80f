"""What a final training prints at its end."""

from __future__ import annotations

from pathlib import Path

from nas_with_rl.child_models.source_code.language_models import README_FILE
from nas_with_rl.launch.records.training_result import FinalResult, figure
from nas_with_rl.launch.records.workdir import TENSORBOARD, Workdir


def size_line(result: FinalResult) -> str:
    """Return the parameters, the multiply-adds and, of a language model, the hidden units."""
    units = f", {result.units} hidden units" if result.units else ""
    unit = "image" if result.metric == "accuracy" else "token"
    return (
        f"{result.num_parameters:,} parameters{units}, {result.multiply_adds:,} multiply-adds "
        f"per {unit}"
    )


def describe_end(result: FinalResult, workdir: str | Path, *, has_test: bool) -> str:
    """Return the end result as text: the best epoch, the test figure, size, time, files.

    Args:
      result: of a training that is over.
      workdir: where everything lies.
      has_test: whether the data has a test split.
    """
    workdir = Workdir(workdir).path
    lines = []
    if result.best_epoch is not None and result.best_validation is not None:
        best = figure(result.best_validation, result.metric)
        lines.append(f"best epoch {result.best_epoch} of {result.epochs}: validation {best}")
    lines.append(_test_line(result, workdir, has_test))
    lines.append(size_line(result))
    if result.seconds_per_epoch is not None:
        lines.append(f"{result.seconds_per_epoch:.1f} s per epoch on {result.device}")
    if result.best_epoch is None:
        return "\n".join(lines)
    curves = "tensorboard --logdir=" + str(Path(workdir, TENSORBOARD))
    if not Path(workdir, TENSORBOARD).exists():
        curves = "none, since TensorBoard is not installed"
    readme = Path(workdir, README_FILE)
    return "\n".join(
        [
            *lines,
            f"everything lies in {Path(workdir).resolve()}:",
            "  model.keras  result.json  experiment.json  checkpoints/",
            f"  curves: {curves}",
            f"  in Python: nas_with_rl.load_model('{workdir}/model.keras')",
            *(["  without this project: README.md says how"] if readme.exists() else []),
        ]
    )


def _test_line(result: FinalResult, workdir: str | Path, has_test: bool) -> str:
    if result.status == "failed":
        return f"failed after {len(result.validation)} epochs: {result.failure}"
    if result.test is not None:
        looks = "once" if result.test_looks == 1 else f"{result.test_looks} times"
        return f"test {figure(result.test, result.metric)} (looked at {looks})"
    if not has_test:
        return "no test figure: the data has no test split"
    return f"the test set was not looked at: --resume --workdir={workdir} --test=once does"

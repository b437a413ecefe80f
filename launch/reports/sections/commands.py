"""What a reader may run next, with the search's own workdir: a sentence and a command each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nas_with_rl.launch.experiments.named_modules import naming_flags
from nas_with_rl.launch.records.continuation import is_of_python, is_own_evaluation
from nas_with_rl.launch.records.ranking import Ranked
from nas_with_rl.launch.reports.subject import Subject

_PYTHON = "python -m nas_with_rl.launch."
_TRAINED = ("ImageTraining", "LanguageModelTraining")  # kinds that have a training to the end
_OF_A_SEARCH = ("search.", "controller.", "num_compared")  # settings that a training has no use for
_MOST_COMPARED = 3


class Command(NamedTuple):
    """Something to run.

    Attributes:
      why: what one has of it.
      text: for a shell, or for Python.
    """

    why: str
    text: str


def next_commands(subject: Subject, top: Sequence[Ranked]) -> list[Command]:
    """Return what to run next, what follows from the search's state first."""
    going_on, trainings = list(_going_on(subject)), list(_trainings(subject, top) if top else ())
    if subject.state == "finished":
        return [
            *trainings,
            *_again(subject, top),
            *_other_searches(subject),
            *_looking_inside(subject, top),
            *going_on,
            *_looking_on(subject),
        ]
    return [
        *going_on,
        *_looking_on(subject),
        *trainings,
        *_again(subject, top),
        *_looking_inside(subject, top),
        *_other_searches(subject),
    ]


def _going_on(subject: Subject) -> Iterator[Command]:
    config = subject.result.config
    if not subject.description or config is None:
        return
    samples, children = config.num_samples, config.num_children
    if subject.state == "finished":
        longer = [f"--num_samples={2 * samples}"]
        if children:
            longer = [f"--override=search.num_children={2 * children}"]
        why = "Search on, twice as far; it goes on as if it had never ended."
    else:
        longer = []
        why = "Continue: nothing that has an outcome is done again."
        if subject.state == "running":
            why = "It is running. If it is stopped, this continues it."
    if not is_of_python(subject.description):
        yield Command(why, _search_command(subject, "--resume", *_named(subject), *longer))
        return
    budget = f"num_children={2 * children}" if children else f"num_samples={2 * samples}"
    more = f"{budget}, " if longer else ""
    yield Command(
        f"{why} In the program that began it:",
        f"nas.search(space, evaluate, {more}workdir={str(subject.place.path)!r},\n"
        "           options=nas.SearchOptions(resume=True))",
    )


def _search_command(subject: Subject, *words: str) -> str:
    return _command("search", f"--workdir={subject.place.path}", *words)


def _command(binary: str, *words: str) -> str:
    return " ".join([f"{_PYTHON}{binary}", *map(_quoted, words)])


def _quoted(word: str) -> str:
    """Return a flag for a shell, its name outside the quotes of its value."""
    name, sign, value = word.partition("=")
    is_plain = bool(sign) and name == shlex.quote(name)
    return f"{name}={shlex.quote(value)}" if is_plain else shlex.quote(word)


def _named(subject: Subject) -> tuple[str, ...]:
    """Return the flags that name modules of one's own, which a run is continued with."""
    stored = subject.description
    overrides = stored.get("overrides")
    return naming_flags(
        stored.get("experiment"),
        evaluate=stored.get("evaluate"),
        overrides=overrides if isinstance(overrides, list) else (),
    )


def _trainings(subject: Subject, top: Sequence[Ranked]) -> Iterator[Command]:
    kind = subject.group("child").get("kind")
    if kind not in _TRAINED:
        return
    setting, best = _setting(subject), top[0].trial.architecture
    place = subject.place.path
    several = [f"--architecture={each.trial.architecture}" for each in top[:_MOST_COMPARED]]
    if kind == "LanguageModelTraining":
        several.append("--architecture=lstm")
    to_the_end = Command(
        "Train the best to the end, and look at the test set once.",
        _command(
            "train_architecture", *setting, f"--architecture={best}", f"--workdir={place}-best"
        ),
    )
    side_by_side = Command(
        "Is it luck? The best few side by side, each trained with another seed.",
        _command(
            "compare_architectures", *setting, *several, "--seed=1", f"--workdir={place}-again"
        ),
    )
    # What the search has told already need not be asked first.
    yield from (to_the_end, side_by_side)[:: 1 if subject.comparison else -1]
    yield Command(
        "The best few over a grid of settings, then the winner, as the paper ends.",
        _command(
            "grid_search",
            f"--search={place}",
            *_own_experiment(subject),
            "--grid=child.learning_rate=0.05,0.1",
            f"--workdir={place}-grid",
        ),
    )


def _again(subject: Subject, top: Sequence[Ranked]) -> Iterator[Command]:
    if top and is_own_evaluation(subject.description):
        yield Command(
            "Is it luck? The best few, evaluated again by your own function.",
            f"for found in nas.load({str(subject.place.path)!r}).top({_MOST_COMPARED}):\n"
            "    print(found, [evaluate(found.architecture) for _ in range(3)])",
        )


def _own_experiment(subject: Subject) -> list[str]:
    return [f"--experiment={subject.name}"] if ":" in subject.name else []


def _setting(subject: Subject) -> list[str]:
    """Return the flags of a training as the search's children had it."""
    overrides = subject.description.get("overrides")
    kept = [
        f"--override={each}"
        for each in (overrides if isinstance(overrides, list) else ())
        if not str(each).strip().startswith(_OF_A_SEARCH)
    ]
    return [f"--experiment={subject.name}", *kept, *_data_dir(subject)]


def _data_dir(subject: Subject) -> list[str]:
    where = subject.group("location").get("data_dir")
    return [f"--data_dir={where}"] if isinstance(where, str) else []


def _looking_inside(subject: Subject, top: Sequence[Ranked]) -> Iterator[Command]:
    if top and subject.result.space.noun == "recurrent cell":
        yield Command(
            "What does the best cell remember? It learns to count, beside an LSTM, on one page.",
            _command("explore", "--task=counter", "--cell=lstm", f"--cell={subject.place.path}"),
        )
    yield Command(
        "In Python: the best, every trial as a table, a drawing.",
        "import nas_with_rl as nas\n"
        f"result = nas.load({str(subject.place.path)!r})\n"
        "result.top(5), result.table(), result.plot()",
    )


def _other_searches(subject: Subject) -> Iterator[Command]:
    stored = subject.description
    if not stored or is_of_python(stored):
        return
    seed, place = stored.get("seed"), subject.place.path
    words = [f"--experiment={subject.name}", *_all_overrides(subject), *_data_dir(subject)]
    if stored.get("evaluate"):
        words.append(f"--evaluate={stored['evaluate']}")
    if isinstance(seed, int):
        yield Command(
            "Would another search find it again? The same with another seed.",
            _command("search", *words, f"--seed={seed + 1}", f"--workdir={place}-seed-{seed + 1}"),
        )
    if not stored.get("evaluate"):
        yield Command(
            "Which searcher is worth most here? Each with several seeds, on shared children.",
            _command("compare_searchers", *words, "--seeds=5"),
        )


def _all_overrides(subject: Subject) -> list[str]:
    overrides = subject.description.get("overrides")
    return [f"--override={each}" for each in (overrides if isinstance(overrides, list) else ())]


def _looking_on(subject: Subject) -> Iterator[Command]:
    place = subject.place.path
    yield Command(
        "This page, renewed while the search runs.",
        _command("report", f"--workdir={place}", "--serve=8000"),
    )
    yield Command(
        "Curves of the controller.", shlex.join(["tensorboard", f"--logdir={place}/tensorboard"])
    )
    if subject.description:
        searcher = subject.group("search").get("searcher")
        own = isinstance(searcher, str) and ":" in searcher
        words = [f"--searcher={searcher}"] if own else []
        yield Command(
            "Does the stored controller follow from the stored trials?",
            _command("audit", f"--workdir={place}", *words),
        )

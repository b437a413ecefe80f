"""This checkout beside another one and beside its peers: one table of all that costs a user time.

    python benchmarks/side_by_side.py --beside=CHECKOUT --torch-python=PYTHON --optuna-python=PYTHON
    python benchmarks/side_by_side.py --rows=starts,words --beside=CHECKOUT    # these rows alone
    python benchmarks/side_by_side.py --smallest                               # whether all runs

About 25 minutes on an idle core; the quickstart takes all cores. Each row is one of the benchmarks
in this folder, which has its own measure and says what is measured; here its figures are gathered.
Whoever takes part in a row takes turns, in processes of one pinned thread, and what counts are
their CPU seconds, where the table does not say otherwise.

What a row has found is kept in `--output` as soon as it has ended: the same command goes on where
it was interrupted, and measures again what was measured of other commits. `--again` does all anew.

The table is Markdown. A ratio is this checkout's cost, of the other's; the bound behind it is what
was to be reached, and bold is what was missed. The exit status is 1 if anything was missed, 2 if a
row could not be measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import figures
from figures import BESIDE, HERE, Figure

FOLDER = Path(__file__).resolve().parent
IDLE = 0.15  # cores that may be busy before a row begins
PEERS = {"PyTorch": "torch", "Optuna": "optuna", "JAX": "jax"}  # and the package of each
_STEPS = "--contestants=population_1,beside_population_1,jax_by_hand,torch"
_CHILDREN = ("--beside={beside}", "--torch_python={torch}", "--output={json}", _STEPS)
_COMMON = ("--beside={beside}", "--json={json}")
_TORCH = (*_COMMON, "--torch-python={torch}")


@dataclasses.dataclass(frozen=True)
class Row:
    """A benchmark, and how it is called.

    Attributes:
      command: the program in this folder and its words. A word with a name in braces is left out
        where nothing was given for that name.
      smallest: words that make it short, in place of `size`.
      minutes: on an idle core, about.
      size: words that say how much is measured.
      all_cores: rather than one.
      printed: what it prints is kept, as it writes no figures.
    """

    command: tuple[str, ...]
    smallest: tuple[str, ...]
    minutes: float
    size: tuple[str, ...] = ()
    all_cores: bool = False
    printed: bool = False


ROWS: Mapping[str, Row] = {
    "starts": Row(
        ("starts.py", *_COMMON, "--optuna={optuna_program}"), ("--count=1",), 12, ("--count=3",)
    ),
    "quickstart": Row(
        ("quickstart.py", *_COMMON), ("--num-samples=4",), 2, ("--runs=1",), all_cores=True
    ),
    "engine": Row(
        ("engine.py", *_COMMON, "--optuna-python={optuna}"), ("--share=0.02", "--rounds=1"), 2
    ),
    "words": Row(("words.py", *_TORCH), ("--rounds=1",), 3, ("--rounds=5",)),
    "new_networks": Row(
        ("convnets.py", "--table=new_networks", *_TORCH), ("--networks=1",), 2, ("--networks=6",)
    ),
    "steps": Row(
        ("children.py", "--table=steps", *_CHILDREN),
        ("--units=8", "--repetitions=1"),
        5,
        ("--units=32,64,128", "--repetitions=5"),
    ),
    "steps_base_2": Row(
        ("children.py", "--table=steps", "--base=2", *_CHILDREN),
        ("--units=8", "--repetitions=1"),
        1,
        ("--units=32", "--repetitions=7"),
    ),
    "rewards": Row(
        ("children.py", "--table=rewards", *_CHILDREN),
        ("--units=8", "--cells=1", "--rival_cells=1"),
        4,
        ("--units=32,64", "--cells=16", "--rival_cells=2"),
    ),
    "cluster": Row(
        ("cluster.py", "--table=simulation", "--repetitions=1"),
        ("--workers=4",),
        3,
        ("--workers=100",),
        printed=True,
    ),
}


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a row has found, as it stands in the file.

    Attributes:
      of: the commits, the peers' Pythons and whether it was made short; others are measured again.
      seconds: that it took.
      busy_cores: by others, in the second before it began.
      found: its figures.
      printed: what it has printed, where it has no figures.
    """

    of: Mapping[str, Any]
    seconds: float
    busy_cores: float
    found: tuple[Figure, ...]
    printed: str = ""

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Kept:
        """Return what `dataclasses.asdict` made of one."""
        found = tuple(Figure(**figure) for figure in values["found"])
        return cls(**{**values, "found": found})


class CannotMeasure(Exception):
    """A benchmark has ended without its figures."""


def words_of(row: Row, given: Mapping[str, str | None], *, smallest: bool) -> list[str]:
    """Return a row's command without the words for which nothing was given."""
    words = []
    for word in (*row.command, *(row.smallest if smallest else row.size)):
        named = [name for name in given if f"{{{name}}}" in word]
        if all(given[name] is not None for name in named):
            words.append(word.format_map(given))
    return words


def measured(row: Row, given: Mapping[str, str | None], of: Mapping[str, Any]) -> Kept:
    """Run a benchmark and return what it has found.

    Raises:
      CannotMeasure: it has failed.
    """
    busy = busy_cores()
    if busy > IDLE:
        print(f"  {busy:.1f} cores are busy with other work: figures may be off", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        words = words_of(row, {**given, "json": str(file)}, smallest=of["smallest"])
        command = [sys.executable, str(FOLDER / words[0]), *words[1:]]
        if not row.all_cores:
            command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
        start, lines = time.monotonic(), list[str]()
        environment = os.environ | {"PYTHONPATH": str(figures.ROOT)}
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with (
            open(f"{folder}/log", "w+", encoding="utf-8", errors="replace") as log,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                print(f"  {line}", end="", flush=True)
            status = process.wait()
            log.seek(0)
            last = "".join(log.readlines()[-15:])
        seconds = time.monotonic() - start
        if row.printed and status == 0:
            return Kept(of, seconds, busy, (), "".join(lines))
        if not file.exists():
            raise CannotMeasure(f"{words[0]} ended with status {status}\n{last}")
        return Kept(of, seconds, busy, tuple(figures.read(file)))


def busy_cores(seconds: float = 1.0) -> float:
    """Return how many cores are busy while this process does nothing; 0 where Linux is not."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0

    def ticks() -> int:
        user, nice, system, _, _, irq, soft, *_ = map(int, path.read_text().split()[1:11])
        return user + nice + system + irq + soft

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def commit_of(checkout: Path | None) -> str | None:
    """Return a checkout's commit, with a + where its files differ."""
    if checkout is None:
        return None

    def git(*words: str) -> str:
        command = ["git", "-C", str(checkout), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        edited = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short", "HEAD") + ("+" if edited else "")
    except (OSError, subprocess.CalledProcessError):  # a copy without its history
        return str(checkout)


def table(rows: Mapping[str, Kept], beside: str | None) -> Iterator[str]:
    """Yield the lines of the table, and what rows without figures have printed."""
    yield f"| | unit | here | beside ({beside}) | ratio | peer | its | ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for kept in rows.values():
        for figure in kept.found:
            yield from lines_of(figure)
    for name, kept in rows.items():
        if kept.printed:
            yield f"\n{name}:\n\n```text\n{kept.printed.rstrip()}\n```"


def lines_of(figure: Figure) -> Iterator[str]:
    """Yield a figure's lines: one, and one more for each further peer."""
    peers = [name for name in {**figure.targets, **figure.costs} if name not in (HERE, BESIDE)]
    of_here = marked(figure, HERE, number(figure.costs.get(HERE)))
    first = [figure.name, figure.unit, of_here, number(figure.costs.get(BESIDE))]
    first.append(ratio_of(figure, BESIDE))
    for place, peer in enumerate(peers or [""]):
        cost = number(figure.costs.get(peer))
        if peer and peer not in figure.costs:
            package = PEERS.get(peer.replace("'", " ").split()[0])
            cost = f"not installed: `pip install {package}`" if package else "not measured"
        cells = [*(first if place == 0 else [""] * len(first)), peer, cost]
        yield "| " + " | ".join([*cells, ratio_of(figure, peer)]) + " |"


def number(value: float | None) -> str:
    """Return three digits of a cost, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio_of(figure: Figure, contestant: str) -> str:
    """Return this checkout's cost of a contestant's, with its bound."""
    ratio = figure.ratio(contestant)
    return "" if ratio is None else marked(figure, contestant, f"{ratio:.2f}")


def marked(figure: Figure, contestant: str, text: str) -> str:
    """Return a text with the target behind it, in bold where that was missed."""
    most = figure.targets.get(contestant)
    with_bound = text if most is None else f"{text} (≤ {most:.3g})"
    return f"**{with_bound}**" if figure.met(contestant) is False else with_bound


class Conductor:
    """Runs rows one after the other, and keeps what they have found."""

    def __init__(self, options: argparse.Namespace):
        """Look for the peers, say who is not there, and read what is kept."""
        self._again, self._smallest = options.again, options.smallest
        beside = options.beside and options.beside.resolve()
        self._given = {"beside": beside and str(beside), **peers(options)}
        self.commits = {HERE: commit_of(figures.ROOT), BESIDE: commit_of(beside)}
        name = "side_by_side_smallest.json" if options.smallest else "side_by_side.json"
        self.output = Path(options.output or f"runs/{name}")
        found = json.loads(self.output.read_text("utf-8")) if self.output.exists() else {}
        self._kept = {name: Kept.of_json(values) for name, values in found.items()}

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the rows that are not kept, or of something else."""
        return [n for n in names if n not in self._kept or self._kept[n].of != self._of(ROWS[n])]

    def kept(self, names: Sequence[str]) -> dict[str, Kept]:
        """Return what has been found of rows, in their order."""
        missing = self.missing(names)
        return {name: self._kept[name] for name in names if name not in missing}

    def run(self, names: Sequence[str]) -> None:
        """Measure the rows that have to be; say of each how it went."""
        to_do = list(names) if self._again else self.missing(names)
        for place, name in enumerate(to_do):
            minutes = sum(map(self._minutes, to_do[place:]))
            print(f"\n{name}: row {place + 1} of {len(to_do)}; {minutes:.0f} minutes to go, about")
            self._kept.pop(name, None)
            try:
                kept = measured(ROWS[name], self._given, self._of(ROWS[name]))
            except CannotMeasure as error:
                print(f"  {name} cannot be measured: {error}", flush=True)
                continue
            self._kept[name] = kept
            self.output.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({n: dataclasses.asdict(k) for n, k in self._kept.items()}, indent=1)
            self.output.write_text(text + "\n", encoding="utf-8")
            print(f"  {kept.seconds / 60:.1f} minutes", flush=True)

    def _of(self, row: Row) -> dict[str, Any]:
        """Return what a row's figures hold for."""
        words = " ".join(row.command)
        used = {name: value for name, value in self._given.items() if f"{{{name}}}" in words}
        return {**used, "smallest": self._smallest, "commits": self.commits}

    def _minutes(self, name: str) -> float:
        if name in self._kept and self._kept[name].of["smallest"] == self._smallest:
            return self._kept[name].seconds / 60
        return 1 if self._smallest else ROWS[name].minutes


def peers(options: argparse.Namespace) -> dict[str, str | None]:
    """Return the peers' programs by the name that commands have for them; say who is not there."""
    found: dict[str, str | None] = {}
    for package, given in (("torch", options.torch_python), ("optuna", options.optuna_python)):
        python = given or sys.executable
        found[package] = python if figures.has_module(package, python) else None
        if not found[package]:
            print(f"no {package} in {python}: `pip install {package}`, --{package}-python=PYTHON")
    if not figures.has_module("jax", sys.executable):
        print(f"no jax in {sys.executable}: `pip install jax`")
    program = found["optuna"] and Path(found["optuna"]).parent / "optuna"
    return {**found, "optuna_program": str(program) if program and program.exists() else None}


def about_this_machine(commits: Mapping[str, str | None]) -> str:
    """Return a line that says what the figures hold for."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    of = ", ".join(f"{who}: {commit}" for who, commit in commits.items() if commit)
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores; {of}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--torch-python", help="a Python that has PyTorch and NumPy")
    parser.add_argument("--optuna-python", help="a Python that has Optuna")
    parser.add_argument("--rows", default=",".join(ROWS), help="which (default: %(default)s)")
    parser.add_argument("--smallest", action="store_true", help="a try of everything, no measure")
    parser.add_argument("--again", action="store_true", help="measure what is kept, too")
    parser.add_argument("--output", help="where it is kept (default: runs/side_by_side.json)")
    options = parser.parse_args()
    names = options.rows.split(",")
    if wrong := [name for name in names if name not in ROWS]:
        parser.error(f"--rows has {wrong[0]!r}, not one of {', '.join(ROWS)}")
    conductor = Conductor(options)
    print(about_this_machine(conductor.commits), flush=True)
    try:
        conductor.run(names)
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on from here")
    kept, missing = conductor.kept(names), conductor.missing(names)
    print("\n" + "\n".join(table(kept, conductor.commits[BESIDE])))
    if missing:
        print(f"\nnot measured: {', '.join(missing)}")
        return 2
    found = [figure for each in kept.values() for figure in each.found]
    return int(any(figure.met(who) is False for figure in found for who in figure.targets))


if __name__ == "__main__":
    sys.exit(main())

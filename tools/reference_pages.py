"""Write the pages of docs/reference/ that the code itself knows: flags, experiments, store, API.

    python tools/reference_pages.py            # writes them
    python tools/reference_pages.py --check    # names those that are not as they would be written

Run in the root of the checkout.
"""

import argparse
import contextlib
import dataclasses
import inspect
import os
import re
import runpy
import sqlite3
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what a few names import says nothing

# Of the public names: what they are for, in the order in which one meets them.
GROUPS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "Search a space of your own": (
            *("SearchSpace", "Choice", "Skips", "search", "SearchOptions", "Measurement"),
            *("RunningTrial", "ChildFailure", "Stopped", "SearchResult", "load", "retrain"),
            *("compare", "table", "audit_search"),
        ),
        "Architectures": ("Architecture", "parse_architecture", "draw", "cell", "convnet"),
        "The built-in spaces": (
            *("ConvolutionalSpace", "RecurrentCellSpace", "NasBench201Space", "TabularSpace"),
        ),
        "How a search runs and learns": (
            *("SearchConfig", "Asha", "DepthSchedule", "ReinforceConfig", "PolicyConfig"),
        ),
        "Experiments and kinds of child": (
            *("Experiment", "OwnEvaluation", "TabularLookup", "LanguageModelTraining"),
            *("TextDataConfig", "ChildKind", "ChildFit", "LocatedExperiment"),
            "LanguageModelTrainer",
        ),
        "Look inside a cell": (
            *("explore", "ExploreRequest", "show", "explorer_widget", "write_page"),
        ),
        "Models, data and errors": (
            *("load_model", "load_corpus", "nas_bench_201_accuracies", "prepare_tensorflow"),
            *("write_cifar10_npz", "InputError"),
        ),
    }
)


def main() -> int:
    """Write the pages, or compare them with those that are there; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    stale = []
    for name, write in PAGES.items():
        path, text = REFERENCE / name, write().rstrip() + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"not as the code says: {', '.join(stale)}; `make docs` writes them")
    return int(check and bool(stale))


def api_page() -> str:
    """Return the table of the public names; the site has their docstrings below it."""
    import nas_with_rl

    public = {name for name in nas_with_rl.__all__ if not name.startswith("__")}
    grouped = [name for names in GROUPS.values() for name in names]
    if sorted(grouped) != sorted(public):
        raise SystemExit(f"GROUPS has to have each public name once: {set(grouped) ^ public}")
    lines = [
        "# Python API",
        "All that is public, as `import nas_with_rl as nas` has it. Names come when they are "
        "first used, so the import is light, and Keras is imported only by what needs it.",
        "On the site the full documentation follows below; `help(nas.search)` prints it too.",
    ]
    for title, names in GROUPS.items():
        rows = ((f"`nas.{name}`", _first_line(getattr(nas_with_rl, name))) for name in names)
        lines += [f"## {title}", _table(("name", "what it is"), rows)]
    return "\n\n".join(lines)


def flags_page() -> str:
    """Return a section for each binary with its flags, in the order of the commands."""
    from nas_with_rl.launch.command_line import COMMANDS

    rows, sections = [], []
    for command, binary in COMMANDS.items():
        with flags_of(binary) as (told, flags):
            rows.append((f"[`{command}`](#{command})", _first_sentence(told)))
            sections += [
                f"## {command}",
                _told(told),
                _table(("flag", "default", "what it does"), map(_flag_row, flags)),
            ]
    lines = [
        "# Commands and their flags",
        "Each is a command after an installation by pip; `python -m nas_with_rl.launch.search` and "
        "so on, as the examples have it, runs the same anywhere. `--help` says what stands here, "
        "`--version` the version.",
        _table(("command", "what it does"), rows),
    ]
    return "\n\n".join([*lines, *sections])


@contextlib.contextmanager
def flags_of(binary: str) -> Iterator[tuple[str, Sequence[Any]]]:
    """Give a binary's docstring, and absl's flags as its --help lists them, defined until the end.

    It is run as far as to `run_main`. Each binary defines flags of the same names.
    """
    from absl import flags

    from nas_with_rl.launch import command_line

    before, argv, run_main = set(flags.FLAGS), sys.argv, command_line.run_main
    sys.argv = [binary]
    command_line.run_main = lambda main: None
    try:
        names = runpy.run_module(
            f"nas_with_rl.launch.{binary}", run_name="__main__", alter_sys=True
        )
    finally:
        sys.argv, command_line.run_main = argv, run_main
    found = [flags.FLAGS[name] for name in flags.FLAGS if name not in before]
    try:
        yield names["__doc__"], found
    finally:
        for flag in found:
            delattr(flags.FLAGS, flag.name)


def experiments_page() -> str:
    """Return every experiment with its source, cost, result and command."""
    from nas_with_rl.launch.experiments import catalogue

    lines = [
        "# Experiments",
        "What `--experiment` takes, as `nas-search --experiment=help` lists it. `--override` "
        "changes [any setting](settings.md) of one; one of your own is `MODULE:ATTRIBUTE` "
        "([how](../how_to/experiment.md)), a table of your own `--table=FILE` "
        "([how](../how_to/benchmark.md)).",
        _table(
            ("experiment", "time", "result"),
            (
                (f"[`{each.name}`](#{each.name})", each.expected_time, each.expected_result)
                for each in catalogue.EXPERIMENTS
            ),
        ),
    ]
    for each in catalogue.EXPERIMENTS:
        lines += [
            f"## {each.name}",
            f"{_first_upper(each.source)}.",
            f"- Time: {each.expected_time}\n- Result: {each.expected_result}",
            f"```bash\n{each.command}\n```",
        ]
    return "\n\n".join(lines)


def settings_page() -> str:
    """Return every setting that --override changes, by its group, with its default."""
    from nas_with_rl.launch.experiments import catalogue

    groups: dict[type, tuple[str, list[str]]] = {}
    for experiment in catalogue.EXPERIMENTS:
        for path, config in _groups(experiment):
            groups.setdefault(type(config), (path, []))[1].append(experiment.name)
    order = ("search", "controller", "space", "data", "child")
    lines = [
        "# Settings",
        "What `--override=FIELD=VALUE` changes, by group. The defaults are the class's; "
        "an experiment may have others, which its run's `experiment.json` has resolved. A wrong "
        "name or value is refused with the right ones.",
    ]
    for top in order:
        for kind, (path, names) in groups.items():
            if path.split(".")[0] != top:
                continue
            used = f"{len(names)} experiments" if len(names) > 4 else ", ".join(names)
            lines += [
                f"## {path}: {kind.__name__}",
                f"{_first_line(kind)} Of {used}.",
                _table(("field", "default", "what it is"), _setting_rows(path, kind)),
            ]
    return "\n\n".join(lines)


def _groups(experiment: Any) -> Iterable[tuple[str, Any]]:
    for top in ("search", "controller", "space", "data", "child"):
        config = getattr(experiment, top)
        if not dataclasses.is_dataclass(config):
            continue
        yield top, config
        for field in dataclasses.fields(config):
            inner = getattr(config, field.name)
            if dataclasses.is_dataclass(inner):
                yield f"{top}.{field.name}", inner


def _setting_rows(path: str, kind: Any) -> Iterable[Sequence[str]]:
    told = attributes(kind)
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            default = repr(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
            default = "" if dataclasses.is_dataclass(value) else repr(value)
        else:
            default = ""
        shown = f"`{default}`" if default else ""
        yield f"`{path}.{field.name}`", shown, told.get(field.name, "")


def store_page() -> str:
    """Return the columns of the trial store, and what they hold."""
    from nas_with_rl.launch.records.trial_store import Trial

    told = attributes(Trial)
    rows = ((f"`{name}`", kind.lower(), told[name]) for name, kind in _stored_columns())
    return "\n\n".join(
        [
            "# The store's columns",
            "`trials.sqlite` of a workdir has the table `trials`, a row for each trial, written "
            "when it is sampled and once more when it has its outcome. It is plain SQLite:",
            "```python\n" + _STORE_EXAMPLE + "```",
            _table(("column", "type", "what it holds"), rows),
            "`nas.load(workdir).trials` has the same rows in Python, `nas.load(workdir).table()` "
            "as a pandas DataFrame. [What else is in a workdir](../how_to/run_a_search.md).",
        ]
    )


def _stored_columns() -> Sequence[tuple[str, str]]:
    """Return name and type of the columns of a store that a search has just written."""
    import nas_with_rl as nas

    options = nas.SearchOptions(search=nas.SearchConfig(searcher="random"), progress=False)
    with tempfile.TemporaryDirectory() as workdir:
        nas.search({"a": (0, 1)}, float_of, num_samples=1, workdir=workdir, options=options)
        connection = sqlite3.connect(Path(workdir) / "trials.sqlite")
        with contextlib.closing(connection):
            told = connection.execute("PRAGMA table_info(trials)").fetchall()
    return [(name, kind) for _, name, kind, *_ in told]


def float_of(architecture: Any) -> float:
    """Return the reward of the search whose store is looked at."""
    return float(architecture["a"])


_STORE_EXAMPLE = """import sqlite3
import tempfile
import textwrap

import nas_with_rl as nas

workdir = tempfile.mkdtemp()
nas.search({"units": (16, 32)}, lambda each: each["units"], num_samples=8, workdir=workdir)

store = sqlite3.connect(f"file:{workdir}/trials.sqlite?mode=ro", uri=True)
query = "SELECT architecture, reward FROM trials WHERE status = 'completed' ORDER BY reward DESC"
print(store.execute(query).fetchone())  # ('32', 32.0)
"""


def attributes(thing: Any) -> Mapping[str, str]:
    """Return what a class's docstring says of each attribute; those of its bases too."""
    found: dict[str, str] = {}
    for kind in reversed(thing.__mro__):
        text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
        _, begins, listed = text.partition("Attributes:\n")
        if not begins:
            continue
        listed = re.split(r"^\S", listed, maxsplit=1, flags=re.MULTILINE)[0]
        for entry in re.split(r"^  (?=\S)", listed, flags=re.MULTILINE)[1:]:
            names, colon, words = entry.partition(":")
            if colon:
                for name in names.split(","):
                    found[name.strip()] = _first_upper(" ".join(words.split()))
    return found


def _flag_row(flag: Any) -> Sequence[str]:
    if flag.flag_type() == "bool":
        name = f"`--{flag.name}`"
    elif getattr(flag.parser, "enum_values", None):
        name = f"`--{flag.name}={'|'.join(flag.parser.enum_values)}`"
    else:
        kind = flag.flag_type().removeprefix("multi ").split()[-1]
        value = {"string": "TEXT", "int": "N", "float": "X", "strings": "A,B"}.get(kind, "TEXT")
        name = f"`--{flag.name}={value}`"
    default = flag.default
    shown = "" if default in (None, [], False, "") else f"`{flag.default_as_str}`"
    told = re.sub(r"^<[^>]*>: |; repeat this option.*$", "", " ".join((flag.help or "").split()))
    return name, shown, told.replace("<", "&lt;").rstrip(";")


def _told(docstring: str) -> str:
    """Return a docstring as markdown: what is indented is a command line."""
    first = re.compile(r"\A(.*?:)\s(python -m .*?)(?=\n\n|\Z)", re.DOTALL)
    text = inspect.cleandoc(docstring)
    if found := first.match(text):
        text = f"{found[1]}\n\n{textwrap.indent(found[2], '    ')}{text[found.end() :]}"
    paragraphs = re.split(r"\n\n+", text)
    return "\n\n".join(
        f"```bash\n{textwrap.dedent(each)}\n```" if each.startswith("    ") else each.strip()
        for each in paragraphs
    )


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0]


def _first_sentence(docstring: str) -> str:
    return re.split(r"[.:](?:\s|$)", docstring, maxsplit=1)[0]


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in cells
    )


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "api.md": api_page,
        "experiments.md": experiments_page,
        "flags.md": flags_page,
        "settings.md": settings_page,
        "store.md": store_page,
    }
)

if __name__ == "__main__":
    sys.exit(main())

"""Parses command lines against the binaries' own flags, experiments and settings.

    echo '[["search", ["--experiment=quickstart"]]]' | python documented_commands.py

Reads pairs of a binary and its words, and settings as pairs of "" and [FIELD=VALUE or FIELD], as
JSON; prints, as JSON, a list with what is wrong of each, "" where nothing is.
"""

import dataclasses
import json
import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import reference_pages

from nas_with_rl.launch.experiments import catalogue
from nas_with_rl.launch.experiments.overrides import with_overrides
from nas_with_rl.search_spaces.errors import InputError

EXPERIMENTS = (*catalogue.EXPERIMENTS, catalogue.TABLE)
ASSIGNING = ("override", "final_override", "grid_override")


def wrong(binary, words):
    """Return what is wrong with a command line, or a setting."""
    if not binary:
        return wrong_setting(words[0], None)
    with reference_pages.flags_of(binary):
        try:
            rest = flags.FLAGS([binary, *words])
        except flags.Error as error:
            return str(error)
        if rest[1:]:
            return f"no flags: {rest[1:]}"
        given = {name: flags.FLAGS[name].value for name in flags.FLAGS}
    experiment = given.get("experiment")
    if experiment in ("help", "...") or ":" in (experiment or ""):
        experiment = None
    try:
        named = None if experiment is None else catalogue.find_experiment(experiment)
    except InputError as error:
        return str(error)
    settings = [each for name in ASSIGNING for each in given.get(name) or []]
    settings += [each.split(",")[0] for each in given.get("grid") or []]
    return next(filter(None, (wrong_setting(each, named) for each in settings)), "")


def wrong_setting(text, experiment):
    """Return what is wrong with FIELD=VALUE, or FIELD, of an experiment; None for any of them."""
    said = ""
    for each in (experiment,) if experiment else EXPERIMENTS:
        try:
            if "=" in text:
                with_overrides(each, [text])
            else:
                found = each
                for name in text.split("."):
                    if name not in {field.name for field in dataclasses.fields(found)}:
                        raise InputError(f"no field {name} of {text}")
                    found = getattr(found, name)
        except (InputError, TypeError) as error:
            said = said or f"{text}: {error}"
        else:
            return ""
    return said


if __name__ == "__main__":
    print(json.dumps([wrong(binary, words) for binary, words in json.load(sys.stdin)]))

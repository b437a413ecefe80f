"""Experiments and evaluations of one's own, by name: what is called, and what a wrong name says."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from nas_with_rl.child_models.convnets.config import ImageTraining
from nas_with_rl.child_models.data.images import ImageDataConfig
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.controller.random_search import RandomSearch
from nas_with_rl.launch.evaluators import local
from nas_with_rl.launch.evaluators.child_process import Setup, WorkError
from nas_with_rl.launch.evaluators.evaluation import Evaluation, InProcess
from nas_with_rl.launch.evaluators.kinds import own_function
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.own_function import OwnTrainer, check_function
from nas_with_rl.launch.evaluators.kinds.rows import trainer_of
from nas_with_rl.launch.evaluators.process_pool import ProcessPool
from nas_with_rl.launch.experiments.catalogue import (
    configure,
    describe_experiments,
    find_experiment,
)
from nas_with_rl.launch.experiments.children import OwnEvaluation
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.experiments.search_config import SearchConfig
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.searches.loop import Search, run_search
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.convolutional import ConvolutionalSpace
from nas_with_rl.search_spaces.errors import InputError
from nas_with_rl.search_spaces.space import Choice, SearchSpace

FOLDER = Path(__file__).parents[3] / "harness"
SPACE = SearchSpace([Choice("units", (8, 16, 32, 64))])


@pytest.fixture(autouse=True)
def own_modules(monkeypatch, tmp_path):
    """Let this process and its children find the toy modules, and what a test writes."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path


def architecture(units):
    return parse_architecture(str(units), SPACE)


def message_of(function, *arguments, **named):
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def called(function, units=32, seed=10):
    return OwnTrainer(OwnEvaluation(f"own_functions:{function}"))(architecture(units), seed)


def test_the_function_is_called_with_the_seed_that_it_takes():
    plain, seeded, by_place = map(called, ("plain", "seeded", "by_place"))
    assert (plain.reward, plain.metrics, plain.num_parameters) == (0.5, {}, None)
    assert (seeded.reward, seeded.metrics, seeded.num_parameters) == (3.5, {"seed": 3}, None)
    assert (by_place.reward, by_place.metrics, by_place.num_parameters) == (3.5, {"seed": 3}, 5)


def test_failures_have_their_reasons_and_an_error_is_raised():
    with pytest.raises(ChildFailure, match="as it should") as failed:
        called("mixed", units=8)
    assert failed.value.reason == "timed_out"
    with pytest.raises(ChildFailure, match="nan") as diverged:
        called("mixed", units=16)
    assert diverged.value.reason == "diverged"
    with pytest.raises(ZeroDivisionError):
        called("errs")


def test_the_source_is_known_by_its_digest_and_not_imported(own_modules):
    source = own_modules / "never_imported.py"
    source.write_text("raise SystemExit\n")
    child = OwnEvaluation("never_imported:train")
    first = OwnTrainer(child).data
    assert first == {
        "function": "never_imported:train",
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    source.write_text("raise SystemExit(1)\n")
    assert OwnTrainer(child).data["sha256"] != first["sha256"]
    assert OwnTrainer(OwnEvaluation("math:sqrt")).data.keys() == {"function", "sha256"}
    assert OwnTrainer(OwnEvaluation("sys:intern")).data == {
        "function": "sys:intern",
        "sha256": None,
    }


@pytest.mark.parametrize(
    "text", ["", "train", "own_functions", ":train", "own_functions:", "a b:c", "a..b:c", "a:b.c"]
)
def test_a_name_of_another_form_is_refused(text):
    assert f"function={text}: expected MODULE:NAME" in message_of(OwnEvaluation, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_such_module:train", "No module named 'no_such_module'; it must lie"),
        ("no_such.module:train", "No module named 'no_such'; it must lie"),
        ("own_functions.inner:train", "'own_functions' is not a package; it must lie"),
        ("own_functions:train", "the module own_functions has no 'train'"),
        ("own_functions:NUMBER", "it is of type int, no function"),
    ],
)
def test_what_does_not_exist_is_one_line(text, message):
    said = message_of(check_function, OwnEvaluation(text))
    assert said.startswith(f"--evaluate={text}: ") and message in said


def test_a_missing_module_is_found_before_anything_is_imported():
    for text in ("no_such_module:train", "no_such.module:train", "own_functions.inner:train"):
        assert "lie in the current" in message_of(OwnTrainer, OwnEvaluation(text))
    OwnTrainer(OwnEvaluation("own_functions:train"))  # its functions are known when it is imported


def test_a_module_that_lacks_something_itself_says_what(own_modules):
    (own_modules / "needs_more.py").write_text("import not_installed_at_all\n")
    said = message_of(check_function, OwnEvaluation("needs_more:train"))
    assert said.endswith("needs_more cannot be imported: No module named 'not_installed_at_all'")
    (own_modules / "misuses.py").write_text(
        "import nas_with_rl as nas\nspace = nas.SearchSpace([])\n"
    )
    said = message_of(find_experiment, "misuses:MINE")
    assert said == "--experiment=misuses:MINE: space 'space' has no decisions"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
        ("raise SystemExit\n", "SystemExit"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def train(:\n", "SyntaxError"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        ("def __getattr__(name):\n    raise KeyError(name)\n", "KeyError: "),
    ],
)
@pytest.mark.parametrize("flag", ["--evaluate", "--experiment"])
def test_whatever_a_module_raises_names_it_and_the_flag(
    own_modules, monkeypatch, source, said, flag
):
    (own_modules / "raises.py").write_text(source)
    monkeypatch.delitem(sys.modules, "raises", raising=False)
    importing = {
        "--evaluate": lambda: check_function(OwnEvaluation("raises:train")),
        "--experiment": lambda: find_experiment("raises:train"),
    }[flag]
    message = message_of(importing)
    assert message.startswith(f"{flag}=raises:train: importing raises has raised {said}")
    assert "raises.py, line " in message


def test_a_package_that_raises_is_named_too(own_modules):
    (own_modules / "leaving").mkdir()
    (own_modules / "leaving" / "__init__.py").write_text("raise SystemExit(3)\n")
    (own_modules / "leaving" / "inner.py").write_text("")
    message = message_of(OwnTrainer, OwnEvaluation("leaving.inner:train"))
    assert message.startswith("--evaluate=leaving.inner:train: importing leaving.inner has raised")


def test_a_function_that_leaves_does_not_end_the_search_without_a_word():
    with pytest.raises(RuntimeError, match=r"own_functions:leaves called sys.exit\(0\)"):
        called("leaves")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("while True:\n    pass\n", "it took longer than 1.5 seconds"),
        ("import os\nos._exit(3)\n", "its process ended with status 3"),
        ("raise SystemExit\n", "importing endless has raised SystemExit"),
    ],
)
def test_an_import_without_an_end_is_one_line(own_modules, monkeypatch, source, said):
    (own_modules / "endless.py").write_text(source)
    monkeypatch.setattr(own_function, "IMPORT_SECONDS", 1.5)
    experiment = configure("nas_bench_201", (), evaluate="endless:train")
    data = LocatedExperiment(experiment, None, 0)

    def begun():
        with local.local_children(data, "single@1"):
            pytest.fail("it began")

    message = message_of(begun)
    assert message.startswith("--evaluate=endless:train: ") and said in message


def test_an_experiment_takes_an_evaluation_of_ones_own():
    experiment = configure("quickstart", ["search.batch_size=2"], evaluate="own_functions:plain")
    assert experiment.child == OwnEvaluation("own_functions:plain")
    assert experiment.data is None and experiment.num_compared == 0
    assert experiment.search.batch_size == 2
    assert experiment.space == find_experiment("quickstart").space
    assert "measured by own_functions:plain; changed: search.batch_size=2" in experiment.source
    assert isinstance(trainer_of(LocatedExperiment(experiment, None, 0)), OwnTrainer)
    assert configure("quickstart", ()) == find_experiment("quickstart")
    said = message_of(configure, "quickstart", ["child.epochs=5"], evaluate="own_functions:plain")
    assert "OwnEvaluation has no field 'epochs'; it has function" in said
    assert "--evaluate=plain: expected" in message_of(configure, "quickstart", (), evaluate="plain")


def test_an_experiment_of_ones_own_is_found_changed_and_described():
    mine = configure(
        "own_experiments:MINE",
        ["search.batch_size=3", "child.function=own_functions:plain"],
    )
    assert (mine.name, mine.search.batch_size, mine.search.num_samples) == ("mine", 3, 12)
    assert mine.child.function == "own_functions:plain"
    assert mine.search_space() == SPACE
    described = json.loads(json.dumps(as_json(mine)))
    assert described["space"] == {
        "decisions": ["Choice(name='units', options=(8, 16, 32, 64), only_if=None)"],
        "layer_decisions": [],
        "depth": 0,
    }
    assert described["child"] == {"kind": "OwnEvaluation", "function": "own_functions:plain"}
    assert pickle.loads(pickle.dumps(mine)) == mine and hash(mine) == hash(mine)
    assert "MODULE:ATTRIBUTE" in describe_experiments()


def test_layers_begin_at_the_schedules_depth_or_keep_their_own():
    assert configure("own_experiments:LAYERS", ()).search_space().depth == 2
    changed = configure("own_experiments:LAYERS", ["search.depth.initial=3", "space.depth=4"])
    assert (changed.search_space().depth, changed.space.depth) == (3, 4)
    assert configure("own_experiments:FIXED_LAYERS", ()).search_space().depth == 5


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("mine", [], "--experiment=mine: no such experiment; there are quickstart"),
        (":MINE", [], "--experiment=:MINE: expected MODULE:NAME"),
        ("no_such_module:MINE", [], "--experiment=no_such_module:MINE: the module no_such_module"),
        ("own_experiments:YOURS", [], "the module own_experiments has no 'YOURS'"),
        ("own_experiments:UNITS", [], "it is of type Choice, no nas_with_rl.Experiment"),
        ("own_experiments:MINE", ["search.batch=1"], "SearchConfig has no field 'batch'"),
        ("own_experiments:MINE", ["space.decisions=1"], "in Python alone"),
        ("own_experiments:MINE", ["space.depth=2"], "depth is 2 with 0 layer decisions"),
        ("own_experiments:MINE", ["child.function=train"], "function=train: expected"),
        ("own_experiments:MINE", ["data.source=ptb"], "Experiment has no field 'data'"),
    ],
)
def test_a_wrong_name_or_override_is_one_line(name, overrides, message):
    assert message in message_of(configure, name, overrides)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "runs/mine"}, "name is one word"),
        ({"name": ""}, "name is one word"),
        ({"child": "own_functions:plain"}, "child is 'own_functions:plain', not one of ImageTrain"),
        ({"child": SPACE}, "or a frozen dataclass of one's own whose class has a ChildKind"),
        (
            {"space": [1, 2]},
            "OwnEvaluation is for ConvolutionalSpace or .*, and the space is a list",
        ),
        ({"child": ImageTraining()}, "is for ConvolutionalSpace, and the space is a SearchSpace"),
        (
            {"child": ImageTraining(), "space": ConvolutionalSpace()},
            "needs a ImageDataConfig as data, not NoneType",
        ),
        ({"num_compared": 2}, "num_compared is 2, which has no effect"),
        ({"search": SearchConfig}, "search is <class .*, not a SearchConfig or None"),
        ({"data": ImageDataConfig()}, "OwnEvaluation needs no data, not ImageDataConfig"),
    ],
)
def test_an_experiment_whose_parts_do_not_fit_is_refused(changes, message):
    parts = {"name": "mine", "space": SPACE, "child": OwnEvaluation("own_functions:plain")}
    with pytest.raises(InputError, match=message):
        Experiment(**(parts | changes))


def searched(experiment, evaluator):
    """Return (architecture, reward, failure, metrics) of each trial of a whole search."""
    store = TrialStore(None)
    run_search(
        Search(
            space=experiment.search_space(),
            config=experiment.search,
            seed=1,
            searcher=RandomSearch(seed=1),
            evaluator=evaluator,
            store=store,
        )
    )
    return [(t.architecture, t.reward, t.failure, t.metrics) for t in store.all()]


def without(metric, trials):
    return [(*rest, {k: v for k, v in metrics.items() if k != metric}) for *rest, metrics in trials]


@pytest.mark.real_start  # a forked one has imported Keras
@pytest.mark.parametrize(
    "function", ["group_work:make_evaluate", "kinds.own_function:make_own_evaluate"]
)
def test_a_search_in_child_processes_is_that_of_one_process(function):
    mine = configure("own_experiments:MINE", ["search.duplicates=evaluate"])
    light = "own_function" in function
    argument = mine.child if light else ChildProgram(LocatedExperiment(mine, None, 0), "single")
    work = Setup(f"nas_with_rl.launch.evaluators.{function}", argument, backends=())
    with ProcessPool(work, num_processes=1, group_size=1) as processes:
        found = searched(mine, processes)
    expected = searched(mine, InProcess(trainer_of(LocatedExperiment(mine, None, 0))))
    pids, heavy = ({m[name] for *_, m in found if m} for name in ("pid", "keras"))
    assert len(found) == 12 and {trial[2] for trial in found} == {"timed_out", "diverged", None}
    assert len({reward for _, reward, failure, _ in found if not failure}) > 1  # the seeds tell
    assert os.getpid() not in pids and len(pids) == 1
    assert heavy == {0.0}
    found, expected = (without("keras", without("pid", trials)) for trials in (found, expected))
    assert found == expected


def test_child_processes_raise_errors_and_one_line_for_wrong_names():
    def evaluated(function):
        work = Setup(
            "nas_with_rl.launch.evaluators.kinds.own_function:make_own_evaluate",
            OwnEvaluation(function),
            backends=(),
        )
        with ProcessPool(work, num_processes=1, group_size=1) as processes:
            return list(processes.evaluate(deque([Evaluation(0, architecture(8), 0)])))

    with pytest.raises(WorkError, match=r"nothing to divide by\nraised for trial 0, archit.* '8'"):
        evaluated("own_functions:errs")
    assert message_of(evaluated, "own_functions:forgets").startswith("evaluate returned None; it")
    with pytest.raises(WorkError, match=r"called sys.exit\(0\)"):
        evaluated("own_functions:leaves")
    said = message_of(evaluated, "own_functions:train")
    assert said == "--evaluate=own_functions:train: the module own_functions has no 'train'"


def test_an_exception_in_a_child_process_may_be_a_failed_trial_and_numbers_are_plain():
    mine = configure("own_experiments:MINE", ["search.on_error=fail"], evaluate="own_functions:odd")
    work = Setup(
        "nas_with_rl.launch.evaluators.kinds.own_function:make_own_evaluate",
        mine.child,
        backends=(),
    )
    with ProcessPool(work, num_processes=1, group_size=1, on_error="fail") as processes:
        found = searched(mine, processes)
    assert {(text, reward, failure) for text, reward, failure, _ in found if failure} == {
        ("8", 0.0, "crashed"),
        ("16", 0.0, "crashed"),
    }
    measured = {text: metrics for text, _, failure, metrics in found if not failure}
    assert measured == {"32": {"each": [32, 1], "seed": 32}, "64": {"each": [64, 1], "seed": 64}}
    assert {type(metrics["seed"]) for metrics in measured.values()} == {int}


def test_the_module_of_own_evaluations_is_light():
    program = (
        "import sys, nas_with_rl as nas, nas_with_rl.launch.evaluators.kinds.own_function\n"
        "assert nas.OwnEvaluation('a:b').function == 'a:b'\n"
        "assert nas.ChildKind(load=print, fit=nas.ChildFit()).default == 'single'\n"
        "print(*{'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []

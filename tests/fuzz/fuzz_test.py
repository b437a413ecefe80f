"""Hostile inputs, some of each kind: accepted, or refused in one line. `make fuzz` tries more."""

import os

import pytest

SCALE_VARIABLE = "NAS_WITH_RL_FUZZ_SCALE"  # of the numbers below
FEW = 0.2  # of them are tried where it has to be quick
EXAMPLES = {
    "architecture": 300,
    "published": 150,
    "cell": 250,
    "override": 300,
    "TF_CONFIG": 200,
    "plan": 200,
    "space": 200,
    "settings": 200,
    "store bytes": 40,
    "store rows": 50,
    "checkpoint": 50,
    "corpus": 80,
    "model description": 150,
    ".keras file": 40,
    "experiment.json": 60,
    "result.json": 150,
    "table": 400,
}


@pytest.fixture(scope="module", autouse=True)
def modules(request):
    """Let the modules beside this test find one another."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(request.path.parent)
        yield


def test_every_subject_is_tried():
    from campaign import subject_classes

    assert [subject.name for subject in subject_classes()] == list(EXAMPLES)


@pytest.mark.parametrize("part", [FEW, pytest.param(1.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_input_is_accepted_or_refused_in_one_line(name, part, tmp_path):
    from campaign import subjects
    from fuzzing import check

    (subject,) = subjects(tmp_path, [name])
    scale = part * float(os.environ.get(SCALE_VARIABLE, "1"))
    check(subject, examples=max(1, round(EXAMPLES[name] * scale)))


class Tried:
    """A subject that fails in every way that there is."""

    name = "tried"

    def __init__(self, function):
        from hypothesis import strategies

        self.inputs, self.use = strategies.integers(), function


def test_what_counts_as_a_failure(monkeypatch, tmp_path):
    import fuzzing

    from nas_with_rl.search_spaces.errors import InputError

    def raising(error):
        def use(example):
            raise error

        return Tried(use)

    def hanging(example):
        while True:
            pass

    def growing(example):
        return bytearray(3 * 2**30)

    def writing(example):
        with fuzzing.unchanged_if_refused(tmp_path):
            (tmp_path / "file").write_text("other")
            raise InputError("refused")

    (tmp_path / "file").write_text("content")
    monkeypatch.setattr(fuzzing, "HANG_SECONDS", 0.1)
    expected = {
        "accepted": [Tried(lambda example: None)],
        "refused": [raising(InputError("--plan=x: no plan")), raising(InputError("of\ntwo"))],
        "failed": [
            raising(ValueError("no InputError")),
            raising(SystemExit(2)),
            raising(InputError("x" * 600)),
            Tried(hanging),
            Tried(growing),
            Tried(writing),
        ],
    }
    for kind, subjects in expected.items():
        for subject in subjects:
            assert fuzzing.outcome_of(subject, 0).kind == kind
    with pytest.raises(AssertionError, match="tried: ValueError at fuzz"):
        fuzzing.check(expected["failed"][0], examples=5)

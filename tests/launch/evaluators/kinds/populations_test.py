"""What a child process does with groups: memory is checked, a damaged program is compiled anew."""

import dataclasses

import pytest

from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.populations.memory import PopulationTooLarge
from nas_with_rl.launch.evaluators.kinds.kind import ChildProgram, LocatedExperiment
from nas_with_rl.launch.evaluators.kinds.populations import (
    check_memory_of,
    with_sound_programs,
)
from nas_with_rl.launch.experiments.catalogue import configure
from nas_with_rl.launch.host import compilation


def work(**changes):
    data = LocatedExperiment(configure("quickstart", ()), None, 0)
    return dataclasses.replace(ChildProgram(data, "population"), **changes)


def test_the_largest_population_that_fits_is_named_and_fits():
    with pytest.raises(PopulationTooLarge, match=r"5,000 needs about .* GiB: at most") as raised:
        check_memory_of(work(num_children=5_000, memory_gib=2.0))
    largest = int(str(raised.value).rpartition("at most ")[2].split()[0].replace(",", ""))
    check_memory_of(work(num_children=largest, memory_gib=2.0))
    with pytest.raises(PopulationTooLarge):
        check_memory_of(work(num_children=largest + 1, memory_gib=2.0))
    check_memory_of(work(program="single", num_children=1, memory_gib=0.1))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("TF_XLA_FLAGS", compilation.environment()["TF_XLA_FLAGS"])
    (directory,) = (tmp_path / "xla").iterdir()
    (directory / "program.pb").write_bytes(b"damaged")
    return directory


def test_a_damaged_program_is_deleted_and_compiled_anew(kept):
    calls = []

    def function():
        calls.append(list(kept.iterdir()))
        if calls[-1]:
            raise RuntimeError("Serialized cache key does not match")
        return "compiled"

    assert with_sound_programs(function) == "compiled"
    assert [len(files) for files in calls] == [1, 0]


def test_an_error_of_the_program_comes_again_and_a_failed_child_is_none(kept):
    def wrong():
        raise ZeroDivisionError

    def failed():
        raise ChildFailure("diverged")

    with pytest.raises(ChildFailure):
        with_sound_programs(failed)
    assert list(kept.iterdir())
    with pytest.raises(ZeroDivisionError):
        with_sound_programs(wrong)
    assert not list(kept.iterdir())
    with pytest.raises(ZeroDivisionError):
        with_sound_programs(wrong)

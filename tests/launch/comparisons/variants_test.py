"""Searchers with settings of their own: what is read, refused, and searched with."""

import csv

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.comparisons.variants import Variant, variant_of

PLAIN = nas.ReinforceConfig(0.02, policy=nas.PolicyConfig(num_layers=1, num_units=4))
SPACE = nas.SearchSpace([nas.Choice(f"d{place}", (0, 1, 2, 3)) for place in range(5)])
ONE = "reinforce+advantage=ranks+learning_rate=0.05"


def value(architecture):
    return sum(architecture[f"d{place}"] ** (place + 1) for place in range(5)) / 100


@pytest.mark.parametrize(
    ("title", "searcher", "settings"),
    [
        ("reinforce", "reinforce", ()),
        ("random", "random", ()),
        ("my_module:Searcher", "my_module:Searcher", ()),
        ("reinforce+advantage=ranks", "reinforce", ("advantage=ranks",)),
        (
            "dream+learning_rate=1e+0 + policy.num_units=20",
            "dream",
            ("learning_rate=1e+0", "policy.num_units=20"),
        ),
    ],
)
def test_a_title_is_a_name_with_settings(title, searcher, settings):
    assert variant_of(title) == Variant(title, searcher, settings)


def test_settings_take_the_place_of_the_usual_ones():
    found = variant_of(ONE + "+policy.num_units=7").controller(PLAIN)
    policy = nas.PolicyConfig(num_layers=1, num_units=7)
    assert found == nas.ReinforceConfig(0.05, policy=policy, advantage="ranks")
    assert variant_of("reinforce").controller(PLAIN) == PLAIN


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("reinforce+advantage=best", "'best' is not one of raw, normalised, ranks"),
        ("reinforce+learning_rate=-1", "controller.learning_rate is -1.0, not above 0"),
        ("reinforce+advantage", "expected FIELD=VALUE"),
        ("reinforce+policy=small", "policy is a group"),
        ("reinforce+rate=1", "no setting 'rate'; it has learning_rate, baseline_decay, entropy_w"),
        ("dream+advantage=raw", "dream has no setting 'advantage'; it has learning_rate, entropy"),
        ("evolution+learning_rate=1", "evolution has no setting 'learning_rate', nor any other"),
        ("a:B+learning_rate=1", "a:B has no setting 'learning_rate', nor any other"),
        ("+advantage=ranks", "searchers is '', not one of dream, reinforce"),
        ("reinforce+", "searchers has 'reinforce+', with no setting after its +"),
        ("reinforce+advantage=raw+advantage=ranks", "which has the setting advantage twice"),
        ("genetic+advantage=ranks", "searchers is 'genetic', not one of dream, reinforce"),
    ],
)
def test_what_there_is_not_is_one_line(title, message):
    with pytest.raises(nas.InputError) as caught:
        nas.compare(SPACE, value, searchers=(title,))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("searchers ")


def test_each_searches_with_its_own_settings(tmp_path):
    controller = nas.ReinforceConfig(
        0.02, policy=nas.PolicyConfig(num_layers=1, num_units=4, jit_compile=False)
    )
    config = nas.SearchConfig(batch_size=4, searcher="reinforce")
    options = nas.SearchOptions(search=config, controller=controller, progress=False)
    where = {"seeds": 1, "num_children": 40, "workdir": tmp_path, "options": options}
    nas.compare(SPACE, value, searchers=("reinforce",), **where)
    found = nas.compare(SPACE, value, searchers=("reinforce", ONE), **where)
    assert [each.searcher for each in found.standings] == ["reinforce", ONE]
    assert f"reinforce and {ONE} are not told apart" in str(found)
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    for title in ("reinforce", ONE):
        own = nas.SearchOptions(
            search=config, controller=variant_of(title).controller(controller), progress=False
        )
        alone = nas.search(SPACE, value, num_children=40, seed=0, options=own)
        children = [trial.architecture for trial in alone.trials if trial.reused_from is None]
        assert [row["architecture"] for row in rows if row["searcher"] == title] == children

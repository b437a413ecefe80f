"""TF_CONFIG: what it says, and one line for each thing that it can say wrongly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_with_rl.launch.clusters.tf_config import Task, as_tf_config, parse_tf_config
from nas_with_rl.search_spaces.errors import InputError

CLUSTER = {
    "chief": ["host0:2222"],
    "ps": ["host1:2222", "[::1]:2223"],
    "worker": ["127.0.0.1:2222", "localhost:2224", "host4:2222"],
}


def text_of(task=("worker", 1), **changes):
    kind, index = task
    cluster = {role: value for role, value in (CLUSTER | changes).items() if value != "absent"}
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def test_the_cluster_and_the_own_task():
    cluster, task = parse_tf_config(text_of())
    assert task == Task("worker", 1, "localhost:2224") and str(task) == "worker-1"
    assert (task.host, task.port) == ("localhost", 2224)
    assert cluster.chief == Task("chief", 0, "host0:2222")
    assert [other.address for other in cluster.tasks("ps")] == CLUSTER["ps"]
    assert [other.index for other in cluster.workers] == [0, 1, 2]


def test_what_is_written_is_read_again():
    for task in (("chief", 0), ("ps", 1), ("worker", 2)):
        read = parse_tf_config(text_of(task))
        assert parse_tf_config(as_tf_config(*read)) == read


def test_an_index_that_a_shell_has_composed():
    assert parse_tf_config(text_of(("ps", "1")))[1].index == 1
    without_index = json.dumps({"cluster": CLUSTER, "task": {"type": "chief"}})
    assert parse_tf_config(without_index)[1] == Task("chief", 0, "host0:2222")


@pytest.mark.parametrize("role", ["ps", "worker"])
def test_a_task_that_does_not_say_which_it_is_of_several_is_not_taken_for_the_first(role):
    with pytest.raises(InputError) as caught:
        parse_tf_config(json.dumps({"cluster": CLUSTER, "task": {"type": role}}))
    assert "has no index" in str(caught.value) and repr(role) in str(caught.value)


def test_which_addresses_only_this_machine_can_reach():
    cluster, _ = parse_tf_config(text_of())
    tasks = (cluster.chief, *cluster.ps, *cluster.workers)
    assert [task.is_on_loopback for task in tasks] == [False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("address", "is_on_loopback"),
    [
        ("LocalHost:1", True),
        ("[0:0:0:0:0:0:0:1]:2222", True),
        ("[2001:db8::1]:65535", False),
        ("[fe80::1%eth0]:2222", False),
        ("nas-worker_0.search.svc:2222", False),
    ],
)
def test_addresses_of_every_form(address, is_on_loopback):
    cluster, _ = parse_tf_config(text_of(chief=[address]))
    assert cluster.chief.address == address
    assert cluster.chief.is_on_loopback == is_on_loopback


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "TF_CONFIG is not set; it names the cluster's tasks, as in {"),
        ("", "TF_CONFIG is not set"),
        ("{'cluster': 1}", "TF_CONFIG is not JSON (Expecting property name"),
        ("{", "TF_CONFIG is not JSON"),
        ("[1]", "TF_CONFIG has no object 'cluster'"),
        ("null", "TF_CONFIG has no object 'cluster'"),
        ('{"cluster": []}', "TF_CONFIG has no object 'cluster'"),
        (json.dumps({"cluster": CLUSTER}), "TF_CONFIG has no object 'task'"),
        (json.dumps({"cluster": CLUSTER, "task": 3}), "TF_CONFIG has no object 'task'"),
        (json.dumps({"cluster": CLUSTER, "task": {"index": 0}}), "TF_CONFIG has no object 'task'"),
        (text_of(chief="absent"), "TF_CONFIG has no 'chief'; a cluster has at least one"),
        (text_of(ps=[]), "TF_CONFIG has no 'ps'"),
        (text_of(worker="absent"), "TF_CONFIG has no 'worker'"),
        (text_of(chief=["a:1", "b:1"]), "TF_CONFIG has 2 chiefs; there is one"),
        (text_of(master=["a:1"]), "TF_CONFIG has the role 'master'; the roles are chief, ps, w"),
        (text_of(evaluator=["a:1"]), "an evaluator would"),
        (text_of(ps="host1:2222"), "TF_CONFIG's 'ps' is a text; it is a list of 'host:port'"),
        (text_of(ps={"0": "host1:2222"}), "TF_CONFIG's 'ps' is {'0': 'host1:2222'}, not a list"),
        (text_of(ps=["host1"]), "TF_CONFIG's 'ps' has 'host1', which"),
        (text_of(ps=["host1:"]), "has 'host1:', which"),
        (text_of(ps=[":2222"]), "has ':2222', which"),
        (text_of(ps=["host1:0"]), "has 'host1:0', which"),
        (text_of(ps=["host1:65536"]), "has 'host1:65536', which"),
        (text_of(ps=["host1:-1"]), "has 'host1:-1', which"),
        (text_of(ps=["host1:2x"]), "has 'host1:2x', which"),
        (text_of(ps=["host1:²"]), "not a 'host:port'"),
        (text_of(ps=["grpc://host1:2222"]), "is not a 'host:port'; leave 'grpc://' out"),
        (text_of(ps=["http://host1:2222/"]), "not a 'host:port'; leave 'http://' out"),
        (text_of(ps=["host1:2222/"]), "not a 'host:port'"),
        (text_of(ps=["user:word@host1:2222"]), "not a 'host:port'"),
        (text_of(ps=["host1 :2222"]), "not a 'host:port'"),
        (text_of(ps=[" host1:2222"]), "not a 'host:port'"),
        (text_of(ps=["host1: 2222"]), "not a 'host:port'"),
        (text_of(ps=["host1:2222\n"]), "has 'host1:2222\\n', which"),
        (text_of(ps=["::1:2222"]), "as in '[::1]:2222'"),
        (text_of(ps=["[::1:2222"]), "not a 'host:port'"),
        (text_of(ps=["[]:2222"]), "not a 'host:port'"),
        (text_of(ps=["[::x]:2222"]), "not a 'host:port'"),
        (text_of(ps=["host1:+80"]), "not a 'host:port'"),
        (text_of(ps=["host1:0080"]), "not a 'host:port'"),
        (text_of(ps=["host1:０８０"]), "not a 'host:port'"),
        (text_of(ps=["host1:" + "9" * 5000]), "999…, which"),
        (text_of(ps=["\ud800:2222"]), "has '\\ud800:2222', which"),
        (text_of(ps=[None]), "has None, which"),
        (text_of(ps=["HOST0:2222"]), "gives chief-0 and ps-0 the same address"),
        (text_of(ps=[2222]), "has 2222, which"),
        (text_of(ps=["host0:2222"]), "gives chief-0 and ps-0 the same address, host0:2222"),
        (text_of(worker=["w:1", "w:1"]), "gives worker-0 and worker-1 the same address, w:1"),
        (text_of(("master", 0)), "task has the type 'master', not one of chief, ps, worker"),
        (text_of(([], 0)), "task has the type [], not one of chief, ps, worker"),
        (text_of(("worker", 3)), "has the index 3, but 'worker' has 3 addresses: indices are 0 to"),
        (text_of(("chief", 1)), "has the index 1, but 'chief' has 1 address: indices are 0 to 0"),
        (text_of(("worker", -1)), "has the index -1, but"),
        (text_of(("worker", True)), "has the index True, but"),
        (text_of(("worker", 1.0)), "has the index 1.0, but"),
        (text_of(("worker", "one")), "has the index 'one', but"),
        (text_of(("worker", "²")), "has the index '²', but"),
        (text_of(("worker", "")), "has the index '', but"),
        (text_of(("worker", "０")), "has the index '０', but"),
        (text_of(("worker", "9" * 5000)), "999…, but"),
        (text_of(("worker", 10**400)), "000…, but"),
        (text_of(("worker", float("nan"))), "has the index nan, but"),
        (text_of(("worker", [[]])), "has the index [[]], but"),
        (text_of((None, 0)), "task has the type None, not one of"),
        (text_of(({"a": []}, 0)), "task has the type {'a': []}, not one of"),
        (text_of(("x" * 5000, 0)), "xxx…, not one of"),
        (text_of(**{"y" * 5000: ["a:1"]}), "yyy…; the roles are"),
        (text_of() + text_of(), "TF_CONFIG is not JSON (Extra data"),
        ('{"cluster": {}, "cluster": {}}', "TF_CONFIG has 'cluster' twice in one object"),
        (text_of().replace('"index": 1', '"index": 1, "index": 0'), "has 'index' twice"),
        ("[" * 100_000, "TF_CONFIG is nested too deep"),
        ('{"cluster": {"ps": ' + "[" * 500 + "]" * 500 + "}}", "TF_CONFIG"),
        ("9" * 5000, "TF_CONFIG is not JSON"),
        (text_of(("worker", None)), "has the index None, but"),
    ],
)
def test_what_is_wrong_is_one_line(text, message):
    with pytest.raises(InputError) as caught:
        parse_tf_config(text)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ADDRESSES = st.lists(st.sampled_from(["a:1", "b:2", "[::1]:3"]) | JSON, max_size=3) | JSON
TASKS = JSON | st.fixed_dictionaries(
    {"type": st.sampled_from(["chief", "ps", "worker"]) | JSON},
    optional={"index": st.integers(0, 3) | JSON},
)
CLUSTERS = st.fixed_dictionaries({"chief": ADDRESSES, "ps": ADDRESSES, "worker": ADDRESSES}) | JSON


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.fixed_dictionaries({"cluster": CLUSTERS, "task": TASKS}).map(json.dumps)
)
def test_any_text_is_a_task_of_its_cluster_or_one_line(text):
    try:
        cluster, task = parse_tf_config(text)
    except InputError as error:
        assert str(error).isprintable() and len(str(error)) < 400
    else:
        assert cluster.tasks(task.role)[task.index] == task

"""TF_CONFIG: which tasks a cluster has, at which addresses, and which one this process is."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from nas_with_rl.search_spaces.errors import InputError, shown

VARIABLE = "TF_CONFIG"
Role = Literal["chief", "ps", "worker"]
ROLES: tuple[Role, ...] = get_args(Role)
EXAMPLE = (
    '{"cluster": {"chief": ["host0:2222"], "ps": ["host1:2222"], "worker": ["host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_HOST = re.compile(r"[\w.-]+", re.ASCII)
_IPV6 = re.compile(r"\[[0-9a-fA-F:.]+(%[\w.-]+)?\]", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_INDEX = re.compile(r"[0-9]{1,9}")


@dataclasses.dataclass(frozen=True)
class Task:
    """One process of a cluster.

    Attributes:
      role: what it does.
      index: among the tasks of its role.
      address: host:port, where its TensorFlow server listens.
    """

    role: Role
    index: int
    address: str

    def __str__(self) -> str:
        return f"{self.role}-{self.index}"

    @property
    def host(self) -> str:
        """The address without its port."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.address.rpartition(":")[2])

    @property
    def is_on_loopback(self) -> bool:
        """Whether only processes of its own machine can reach it."""
        if self.host.startswith("["):
            return ipaddress.IPv6Address(self.host[1:-1]).is_loopback
        return self.host.lower() == "localhost" or self.host.startswith("127.")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All tasks: a chief, parameter servers and workers."""

    chief: Task
    ps: tuple[Task, ...]
    workers: tuple[Task, ...]

    def tasks(self, role: Role) -> tuple[Task, ...]:
        """Return the tasks of a role."""
        return {"chief": (self.chief,), "ps": self.ps, "worker": self.workers}[role]


def describe_sizes(num_ps: int, num_workers: int) -> str:
    """Return how large a cluster is, in words."""
    counted = ((num_ps, "parameter server"), (num_workers, "worker"))
    return " and ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in counted)


def parse_tf_config(text: str | None) -> tuple[Cluster, Task]:
    """Return the cluster that TF_CONFIG describes, and the task of this process.

    A chief needs no index, for there is one; TensorFlow would take any task without one as the
    first of its role, and of several such workers only one would be who it says it is.

    Raises:
      InputError: a text that is missing, is no such JSON, or names what does not exist.
    """
    if not text:
        raise InputError(f"{VARIABLE} is not set; it names the cluster's tasks, as in {EXAMPLE}")
    try:
        values = json.loads(text, object_pairs_hook=_object)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{VARIABLE} is nested too deep; it looks like {EXAMPLE}") from None
    except ValueError as error:
        raise InputError(f"{VARIABLE} is not JSON ({error}); it looks like {EXAMPLE}") from None
    if not isinstance(values, dict) or not isinstance(values.get("cluster"), dict):
        raise InputError(f"{VARIABLE} has no object 'cluster'; it looks like {EXAMPLE}")
    cluster = _cluster(values["cluster"])
    return cluster, _own_task(values.get("task"), cluster)


def as_tf_config(cluster: Cluster, task: Task) -> str:
    """Return the text that `parse_tf_config` reads."""
    addresses = {role: [task.address for task in cluster.tasks(role)] for role in ROLES}
    return json.dumps({"cluster": addresses, "task": {"type": task.role, "index": task.index}})


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; of a name that is there twice, `json` would keep the last."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise InputError(f"{VARIABLE} has {shown(name)} twice in one object")
        values[name] = value
    return values


def _cluster(values: Mapping[str, Any]) -> Cluster:
    for name in values:
        if name not in ROLES:
            raise InputError(
                f"{VARIABLE} has the role {shown(name)}; the roles are {', '.join(ROLES)}"
                + (" (an evaluator would make the chief wait)" if name == "evaluator" else "")
            )
    tasks = {role: _tasks(role, values.get(role)) for role in ROLES}
    if len(tasks["chief"]) > 1:
        raise InputError(f"{VARIABLE} has {len(tasks['chief'])} chiefs; there is one")
    owners: dict[str, Task] = {}
    for task in (*tasks["chief"], *tasks["ps"], *tasks["worker"]):
        if other := owners.get(task.address.lower()):
            raise InputError(
                f"{VARIABLE} gives {other} and {task} the same address, {task.address}"
            )
        owners[task.address.lower()] = task
    return Cluster(tasks["chief"][0], tasks["ps"], tasks["worker"])


def _tasks(role: Role, addresses: Any) -> tuple[Task, ...]:
    if isinstance(addresses, str):
        raise InputError(f"{VARIABLE}'s {role!r} is a text; it is a list of 'host:port'")
    if not addresses:
        raise InputError(f"{VARIABLE} has no {role!r}; a cluster has at least one of {ROLES}")
    if not isinstance(addresses, list):
        raise InputError(f"{VARIABLE}'s {role!r} is {shown(addresses)}, not a list of 'host:port'")
    return tuple(Task(role, index, _address(role, text)) for index, text in enumerate(addresses))


def _address(role: Role, text: Any) -> str:
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not _is_host(host) or not _PORT.fullmatch(port) or int(port) >= 2**16:
        raise InputError(
            f"{VARIABLE}'s {role!r} has {shown(text)}, which is not a 'host:port'{_hint(host)}"
        )
    return text


def _is_host(text: str) -> bool:
    if not _IPV6.fullmatch(text):
        return bool(_HOST.fullmatch(text))
    try:
        return bool(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        return False


def _hint(host: str) -> str:
    if "://" in host:
        return f"; leave {shown(host.partition('://')[0] + '://')} out"
    return "; an IPv6 address stands in brackets, as in '[::1]:2222'" if ":" in host else ""


def _own_task(values: Any, cluster: Cluster) -> Task:
    if not isinstance(values, dict) or "type" not in values:
        raise InputError(f"{VARIABLE} has no object 'task' with 'type' and 'index'; see {EXAMPLE}")
    role = values["type"]
    if role not in ROLES:
        raise InputError(
            f"{VARIABLE}'s task has the type {shown(role)}, not one of {', '.join(ROLES)}"
        )
    tasks = cluster.tasks(role)
    if role == "chief" and "index" not in values:
        return cluster.chief
    index = values.get("index")
    if isinstance(index, str) and _INDEX.fullmatch(index):  # composed by a shell
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(tasks):
        found = f"the index {shown(index)}" if "index" in values else "no index"
        raise InputError(
            f"{VARIABLE}'s task has {found}, but {role!r} has {len(tasks)} "
            f"address{'es' if len(tasks) > 1 else ''}: indices are 0 to {len(tasks) - 1}"
        )
    return tasks[index]

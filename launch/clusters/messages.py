"""What the chief and the workers say to each other: JSON in scalar tensors of text."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from nas_with_rl.launch.evaluators.evaluation import Evaluation
from nas_with_rl.launch.evaluators.measurements import Failure, Measurement
from nas_with_rl.launch.experiments.experiment import Experiment
from nas_with_rl.launch.experiments.overrides import as_json
from nas_with_rl.launch.records.workdir import versions
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.space import SearchSpace

_MUST_AGREE = ("nas_with_rl", "tensorflow", "keras")  # of the versions


def identity_of(experiment: Experiment, seed: int, data_found: dict[str, Any]) -> dict[str, Any]:
    """Return what the chief and its workers must have in common, JSON-ready.

    The commit is not among it: a role that is started again after one was made, or after a file
    was edited, would end the search.

    Args:
      experiment: with its search.
      seed: of the search.
      data_found: what `experiment.json` says of the data, or of an own function.
    """
    found = versions()
    identity = {
        **{name: found[name] for name in _MUST_AGREE},
        "experiment": experiment.name,
        "seed": seed,
        "space": as_json(experiment.space),
        "child": as_json(experiment.child),
        "child_seconds": experiment.search.child_seconds if experiment.search else 0.0,
        "child_memory_gib": experiment.search.child_memory_gib if experiment.search else 0.0,
        "on_error": experiment.search.on_error if experiment.search else "raise",
        "data": as_json(experiment.data),
        "data_found": data_found,
    }
    normal: dict[str, Any] = json.loads(json.dumps(identity))  # as it is compared over the wire
    return normal


def digest_of(identity: dict[str, Any]) -> str:
    """Return a short text that differs where identities do."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def write_request(evaluation: Evaluation, digest: str) -> str:
    """Return the request for a child.

    Args:
      evaluation: of the child.
      digest: of the chief's identity.
    """
    return json.dumps(
        {
            "digest": digest,
            "trial": evaluation.trial,
            "architecture": str(evaluation.architecture),
            "depth": evaluation.architecture.space.depth,
            "seed": evaluation.seed,
            "rungs": evaluation.rungs,
        }
    )


def read_digest(text: bytes) -> str:
    """Return the digest of a request, which another search's worker could not read whole."""
    digest: str = json.loads(text)["digest"]
    return digest


def read_request(text: bytes, space: SearchSpace) -> Evaluation:
    """Return a request's evaluation."""
    values = json.loads(text)
    depth = values["depth"]
    architecture = parse_architecture(
        values["architecture"], space.at_depth(depth) if depth else space
    )
    rungs = values["rungs"]
    return Evaluation(
        values["trial"],
        architecture,
        values["seed"],
        rungs=None if rungs is None else tuple((step, least) for step, least in rungs),
    )


@dataclasses.dataclass(frozen=True)
class Reply:
    """What a worker says to a request.

    Attributes:
      worker: who says it.
      result: what came of the child; None where it was not evaluated.
      started, ended: when (seconds since the epoch, by the worker's clock).
      identity: the worker's, where it is not the chief's.
      error: why no child can be evaluated: a user error's line, or a traceback.
      is_input_error: which of them.
      is_stopped: whether the evaluation gave way to another.
    """

    worker: str
    result: Measurement | Failure | None = None
    started: float = 0.0
    ended: float = 0.0
    identity: dict[str, Any] | None = None
    error: str | None = None
    is_input_error: bool = False
    is_stopped: bool = False

    def text(self) -> str:
        """Return the message."""
        return json.dumps({**dataclasses.asdict(self), "failed": isinstance(self.result, Failure)})


def read_reply(text: bytes) -> Reply:
    """Return what `Reply.text` wrote."""
    values = json.loads(text)
    kind = Failure if values.pop("failed") else Measurement
    if values["result"] is not None:
        values["result"] = kind(**values["result"])
    return Reply(**values)

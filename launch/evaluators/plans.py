"""Plans: by which program children are trained, how many together, in how many processes."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

from nas_with_rl.search_spaces.errors import InputError, shortened
from nas_with_rl.search_spaces.field_checks import check_fields

Program = Literal["population", "single", "here"]
AUTO = "auto"
MAX_CHILDREN = 1_000
_COUNT = r"[0-9]{1,9}"  # Python reads no integer of thousands of digits
_FORM = re.compile(rf"(population:(?P<children>{_COUNT})|single)@(?P<processes>{_COUNT})|here")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How children are trained.

    Attributes:
      program: "population", one program for all cells of a base; "single", each child its own;
        "here", each its own, in this process.
      num_children: C, trained together; 1 but for populations.
      num_processes: child processes; 0 for "here".
    """

    program: Program
    num_children: int = 1
    num_processes: int = 0

    def __post_init__(self) -> None:
        check_fields(self, "plan")
        if max(self.num_children, self.num_processes) > MAX_CHILDREN:
            raise InputError(
                f"--plan={self} has more than {MAX_CHILDREN:,} children together or processes"
            )
        if self.num_children < 1 or (self.program == "here") != (self.num_processes == 0):
            raise InputError(f"--plan={self} has too few children or processes, at least 1 each")
        if self.num_children > 1 and self.program != "population":
            raise InputError(f"{self.num_children} children together are a population's")

    def __str__(self) -> str:
        """Return the text that `parse_plan` reads."""
        if self.program == "here":
            return "here"
        children = f":{self.num_children}" if self.program == "population" else ""
        return f"{self.program}{children}@{self.num_processes}"

    def describe(self) -> str:
        """Return the plan in words."""
        if self.program == "here":
            return "one child after the other, in this process"
        processes = f"{self.num_processes} process{'es' if self.num_processes > 1 else ''}"
        if self.program == "single":
            return f"a program for each child, in {processes}"
        children = f"{self.num_children} at a time, " if self.num_children > 1 else ""
        return f"one program for all cells, {children}in {processes}"


def parse_plan(text: str) -> Plan:
    """Read "population:4@2" (4 children together, in 2 processes), "single@2" or "here".

    Raises:
      InputError: it is none of these.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise InputError(
            f"--plan={shortened(text)}: expected {AUTO}, population:CHILDREN@PROCESSES, "
            "single@PROCESSES or here, as in population:4@2"
        )
    if text == "here":
        return Plan("here")
    processes = int(match["processes"])
    if match["children"] is None:
        return Plan("single", 1, processes)
    return Plan("population", int(match["children"]), processes)

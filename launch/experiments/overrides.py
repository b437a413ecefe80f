"""Configurations: frozen dataclasses, changed by `--override=child.epochs=5`, kept as JSON."""

from __future__ import annotations

import ast
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from nas_with_rl.search_spaces.errors import InputError, shortened, shown
from nas_with_rl.search_spaces.space import Choice, Decision, SearchSpace, Skips

Config = TypeVar("Config")
_UNIONS = (types.UnionType, typing.Union)
DESCRIPTIVE = {"descriptive": True}  # metadata of fields that decide nothing: no override
# Fields that came later, by their group's class, with the value of runs begun before them.
_ADDED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "LanguageModelTraining": {"num_layers": 2},
        "ReinforceConfig": {"advantage": "raw"},
        "SearchConfig": {
            "accumulate_gradients": 1,
            "num_replicas": 0,
            "failure_retries": 2,
            "on_error": "raise",
            "early_stopping": "none",
            "asha": {"kind": "Asha", "reduction_factor": 3, "min_steps": 1, "brackets": 1},
        },
        "TableLookup": {"statistic": "median"},
        "TextDataConfig": {"test_share": 0.0},
    }
)


def with_overrides(config: Config, assignments: Sequence[str]) -> Config:
    """Return the configuration with "path.to.field=value" assignments applied.

    Raises:
      InputError: no such field, or a value that is not of the field's type.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        place = f"override {shortened(assignment)}"
        if not equals:
            raise InputError(f"{place}: expected FIELD=VALUE, as in child.epochs=5")
        config = _assigned(config, path.strip().split("."), text.strip(), place)
    return config


def as_json(config: object) -> Any:
    """Return a configuration as JSON-ready values, each group with its class's name.

    Of a plain search space these are the decisions, of which equal ones have equal texts, and
    options that are classes, functions and the like are theirs; its name decides nothing.
    """
    if isinstance(config, SearchSpace):
        config = config.plain()
        return {
            "decisions": [repr(decision) for decision in config.decisions],
            "layer_decisions": [repr(decision) for decision in config.layer_decisions],
            "depth": config.depth,
        }
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        values = {f.name: as_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"kind": type(config).__name__, **values}
    if isinstance(config, tuple):
        return [as_json(item) for item in config]
    return config


def from_json(kind: type[Config], values: Any) -> Config:
    """Return the configuration that `as_json` wrote, groups within it too.

    Raises:
      InputError: values of another class, or that it does not allow.
    """
    if not isinstance(values, dict) or values.get("kind") != kind.__name__:
        raise InputError(f"{shown(values)} is no {kind.__name__}")
    hints, read = typing.get_type_hints(kind), {}
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, value in {**_ADDED.get(kind.__name__, {}), **values}.items():
        if name in known:
            read[name] = _value_from_json(hints[name], value)
        elif name in values and name != "kind":
            raise InputError(f"{kind.__name__} has no field {shown(name)}")
    try:
        return kind(**read)
    except TypeError as error:
        raise InputError(f"{shown(values)} is no {kind.__name__}: {error}") from None


def space_from_json(values: Mapping[str, Any]) -> SearchSpace:
    """Return the space whose decisions `as_json` wrote; nothing that they name is called.

    Raises:
      InputError: values that are no decisions, or options that are no plain values.
    """
    groups = [values.get(group) for group in ("decisions", "layer_decisions")]
    if not all(isinstance(group, list) for group in groups):
        raise InputError(f"{shown(values)} are no decisions")
    decisions, layer_decisions = ([_decision(text) for text in group or ()] for group in groups)
    return SearchSpace(decisions, layer_decisions, values.get("depth", 0))  # type: ignore[arg-type]


def _decision(text: Any) -> Decision:
    kinds: Mapping[str, type[Decision]] = {"Choice": Choice, "Skips": Skips}
    try:
        call = _PlainNumbers().visit(ast.parse(text, mode="eval").body)
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("it is no call with named arguments")
        arguments = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        return kinds[ast.unparse(call.func)](**arguments)
    except (ValueError, TypeError, LookupError, SyntaxError, RecursionError):
        raise InputError(f"{shown(text)} is no decision of plain options") from None


class _PlainNumbers(ast.NodeTransformer):
    """Reads a number that is written with its type, as NumPy's are, as the number alone."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # as the library calls it
        """Return the argument of np.float64(0.5), and of what looks like it."""
        node = ast.Call(
            node.func,
            [self.visit(each) for each in node.args],
            [ast.keyword(each.arg, self.visit(each.value)) for each in node.keywords],
        )
        is_number = ast.unparse(node.func).startswith("np.") and not node.keywords
        is_alone = len(node.args) == 1 and isinstance(node.args[0], ast.Constant | ast.UnaryOp)
        return node.args[0] if is_number and is_alone else node


def _value_from_json(hint: Any, value: Any) -> Any:
    groups: list[Any] = [
        each for each in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(each)
    ]
    if groups and isinstance(value, dict):
        return from_json(groups[0], value)
    return tuple(value) if isinstance(value, list) else value


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """Return the first field in which two `as_json` values differ, as "path: one / other".

    A field that one of them lacks, since its run was begun before there was one, has the value that
    it had then.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        added = _ADDED.get(str(one.get("kind")), {})
        one, other = {**added, **one}, {**added, **other}
        for name in dict.fromkeys([*one, *other]):
            inner = f"{path}.{name}" if path else name
            if found := difference(one.get(name), other.get(name), inner):
                return found
        return None
    lists = isinstance(one, list) and isinstance(other, list) and len(one) == len(other)
    if lists and (repr(one), repr(other)) != (shown(one), shown(other)):  # too long to be shown
        for index, (there, here) in enumerate(zip(one, other, strict=True)):
            if found := difference(there, here, f"{path}[{index}]"):
                return found
        return None
    return None if one == other else f"{path}: {shown(one)} / {shown(other)}"


def _assigned(config: Any, path: Sequence[str], text: str, place: str) -> Any:
    name, *rest = path
    fields = _overridable(config)
    if name not in fields:
        raise InputError(
            f"{place}: {type(config).__name__} has no field {shown(name)}; "
            f"it has {', '.join(fields)}"
        )
    value = getattr(config, name)
    if dataclasses.is_dataclass(value):
        if not rest:
            raise InputError(
                f"{place}: {name} is a group; name one of its fields: "
                + ", ".join(f"{name}.{field}" for field in _overridable(value))
            )
        changed = _assigned(value, rest, text, place)
    elif rest:
        raise InputError(f"{place}: {name} has no fields of its own")
    else:
        changed = _parsed(fields[name], text, place)
    return dataclasses.replace(config, **{name: changed})


def _overridable(config: Any) -> dict[str, Any]:
    """The fields that an override may name, with their types.

    A group that is None has no fields to name; a value that is None can be set.
    """
    hints = typing.get_type_hints(type(config))
    return {
        field.name: hints[field.name]
        for field in dataclasses.fields(config)
        if field.metadata != DESCRIPTIVE
        and (getattr(config, field.name) is not None or _is_value(hints[field.name]))
    }


def _is_value(kind: Any) -> bool:
    """Whether a type is that of values that a text can stand for, None besides."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in _UNIONS else (kind,)
    return all(
        each in (int, float, str, bool, type(None)) or typing.get_origin(each) is Literal
        for each in kinds
    )


def _parsed(kind: Any, text: str, place: str) -> Any:
    """Read a text as a value of a type.

    Args:
      kind: the type.
      text: the value.
      place: where it stands, for the message.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if text not in arguments:
            known = ", ".join(map(str, arguments))
            raise InputError(f"{place}: {shown(text)} is not one of {known}")
        return text
    if origin is tuple:
        items = [item.strip() for item in text.split(",")] if text else []
        return tuple(_parsed(arguments[0], item, place) for item in items)
    if origin in _UNIONS:
        if type(None) in arguments and text.lower() == "none":
            return None
        inner = next(argument for argument in arguments if argument is not type(None))
        return _parsed(inner, text, place)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{place}: {shown(text)} is not true or false")
        return text.lower() == "true"
    if kind not in (int, float, str):
        raise InputError(f"{place}: such a value can be set in Python alone")
    try:
        return kind(text)
    except ValueError:
        article = {"int": "an integer", "float": "a number"}.get(kind.__name__, kind.__name__)
        raise InputError(f"{place}: {shown(text)} is not {article}") from None

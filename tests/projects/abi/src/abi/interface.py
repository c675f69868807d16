"""The interface of a module: its public functions and their parameters."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.VAR_POSITIONAL: "rest",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "keywords",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter, as far as a caller can tell."""

    name: str
    kind: str = "either"
    optional: bool = False


@dataclass(frozen=True)
class Function:
    """A public function or method."""

    name: str
    parameters: Tuple[Parameter, ...] = ()

    def positional(self) -> Tuple[Parameter, ...]:
        """The parameters that can be given by position, in order."""
        return tuple(p for p in self.parameters if p.kind in ("positional", "either"))

    def named(self) -> Dict[str, Parameter]:
        """The parameters that can be given by name."""
        return {p.name: p for p in self.parameters if p.kind in ("either", "keyword")}

    def takes(self, kind: str) -> bool:
        """Does it take any number of arguments of this kind?"""
        return any(p.kind == kind for p in self.parameters)


@dataclass(frozen=True)
class Interface:
    """All public functions of a module, by name."""

    name: str
    functions: Mapping[str, Function]

    def to_json(self) -> str:
        """A text that from_json() reads and that is the same for the same interface."""
        functions = {
            name: [[p.name, p.kind, p.optional] for p in function.parameters]
            for name, function in self.functions.items()
        }
        document = {"name": self.name, "functions": functions}
        return json.dumps(document, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Interface:
        """Read what to_json() wrote; ValueError for anything else."""
        document = json.loads(text)
        try:
            functions = {
                str(name): Function(str(name), _parameters(rows))
                for name, rows in document["functions"].items()
            }
            return cls(str(document["name"]), functions)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not an interface: {error!r}") from error


def _parameters(rows: Any) -> Tuple[Parameter, ...]:
    parameters = []
    for name, kind, optional in rows:
        if kind not in KINDS.values():
            raise ValueError(f"not an interface: unknown kind {kind!r}")
        parameters.append(Parameter(str(name), kind, bool(optional)))
    return tuple(parameters)


def describe(module: ModuleType) -> Interface:
    """The interface of an imported module, as it stands."""
    functions = dict(_functions(module))
    return Interface(module.__name__, functions)


def _functions(module: ModuleType) -> Iterator[Tuple[str, Function]]:
    for name, value in _public(module):
        if inspect.isfunction(value):
            yield name, function_of(name, value)
        elif inspect.isclass(value):
            for method, body in _public(value):
                if inspect.isfunction(body):
                    full = f"{name}.{method}"
                    yield full, function_of(full, body)


def _public(owner: Any) -> Iterator[Tuple[str, Any]]:
    names = getattr(owner, "__all__", None) or sorted(vars(owner))
    module = owner.__name__ if inspect.ismodule(owner) else owner.__module__
    exported = bool(getattr(owner, "__all__", None))
    for name in names:
        value = getattr(owner, name)
        if name.startswith("_"):
            continue
        if exported or getattr(value, "__module__", None) == module:
            yield name, value


def function_of(name: str, value: Callable[..., Any]) -> Function:
    """The parameters of a function, under this name."""
    parameters = tuple(
        Parameter(p.name, KINDS[p.kind], p.default is not inspect.Parameter.empty)
        for p in inspect.signature(value).parameters.values()
    )
    return Function(name, parameters)

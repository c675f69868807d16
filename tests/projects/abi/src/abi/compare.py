"""What changed between two interfaces, and whether callers can bear it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence

from abi.interface import Function, Interface, Parameter


@dataclass(frozen=True)
class Change:
    """One difference. A breaking one makes a call wrong that was right before."""

    function: str
    what: str
    breaking: bool

    def __str__(self) -> str:
        mark = "breaking" if self.breaking else "added"
        return f"{mark}: {self.function}: {self.what}"


def compare(old: Interface, new: Interface) -> List[Change]:
    """The changes from `old` to `new`, by name."""
    changes: List[Change] = []
    for name in sorted(set(old.functions) | set(new.functions)):
        before = old.functions.get(name)
        after = new.functions.get(name)
        if after is None:
            changes.append(Change(name, "is gone", True))
        elif before is None:
            changes.append(Change(name, "is new", False))
        elif before != after:
            changes.extend(_function_changes(before, after))
    return changes


def required_part(changes: Sequence[Change]) -> str:
    """The part of the version that must count up at least."""
    if any(change.breaking for change in changes):
        return "major"
    return "minor" if changes else "patch"


def _function_changes(old: Function, new: Function) -> Iterator[Change]:
    broken = list(_broken(old, new))
    for what in broken:
        yield Change(old.name, what, True)
    if not broken:
        yield Change(old.name, "takes more than before", False)


def _broken(old: Function, new: Function) -> Iterator[str]:
    yield from _broken_positions(old, new)
    yield from _broken_names(old, new)
    yield from _new_demands(old, new)
    for kind, what in (("rest", "more positions"), ("keywords", "other names")):
        if old.takes(kind) and not new.takes(kind):
            yield f"no longer takes {what}"


def _broken_positions(old: Function, new: Function) -> Iterator[str]:
    positions = new.positional()
    for index, parameter in enumerate(old.positional()):
        after = positions[index] if index < len(positions) else None
        if after is None:
            if not new.takes("rest"):
                yield f"no longer takes '{parameter.name}' by position"
        elif parameter.kind == "either" and after.name != parameter.name:
            yield f"has '{after.name}' where '{parameter.name}' was"


def _broken_names(old: Function, new: Function) -> Iterator[str]:
    named = new.named()
    for name in old.named():
        if name not in named and not new.takes("keywords"):
            yield f"no longer takes '{name}' by name"


def _new_demands(old: Function, new: Function) -> Iterator[str]:
    for index, parameter in enumerate(new.parameters):
        if parameter.optional or parameter.kind in ("rest", "keywords"):
            continue
        before = _counterpart(old, parameter, index)
        if before is None or before.optional:
            yield f"demands '{parameter.name}'"


def _counterpart(old: Function, new: Parameter, index: int) -> Optional[Parameter]:
    by_name = old.named().get(new.name)
    positions = old.positional()
    if by_name or new.kind == "keyword" or index >= len(positions):
        return by_name
    return positions[index]

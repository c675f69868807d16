"""Semantic versions: reading, ordering, counting up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Tuple

PARTS = ("major", "minor", "patch")

_PATTERN = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version MAJOR.MINOR.PATCH, with what may stand behind a hyphen."""

    major: int
    minor: int
    patch: int
    prerelease: Tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version; a leading "v", as tags have it, is fine."""
        match = _PATTERN.fullmatch(text[1:] if text.startswith("v") else text)
        if match is None:
            raise ValueError(f"not a semantic version: {text!r}")
        major, minor, patch, prerelease = match.groups()
        return cls(
            int(major),
            int(minor),
            int(patch),
            tuple(prerelease.split(".")) if prerelease else (),
        )

    def bump(self, part: str) -> Version:
        """The next version that changes `part`; a prerelease ends."""
        if part == "major":
            return Version(self.major + 1, 0, 0)
        if part == "minor":
            return Version(self.major, self.minor + 1, 0)
        if part == "patch":
            return Version(self.major, self.minor, self.patch + 1)
        raise ValueError(f"expected one of {', '.join(PARTS)}, found {part!r}")

    def __str__(self) -> str:
        core = f"{self.major}.{self.minor}.{self.patch}"
        return "-".join([core, ".".join(self.prerelease)]) if self.prerelease else core

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key() < other._key()

    def _key(self) -> Tuple[int, int, int, bool, Tuple[Tuple[bool, int, str], ...]]:
        # A prerelease comes before its release; numbers come before words.
        words = tuple(
            (not word.isdigit(), int(word) if word.isdigit() else 0, word)
            for word in self.prerelease
        )
        return (self.major, self.minor, self.patch, not self.prerelease, words)

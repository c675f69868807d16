"""The command line: describe, compare, bump, self-check."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import List, Optional

import abi
from abi.compare import compare, required_part
from abi.interface import Interface, describe
from abi.version import PARTS, Version

MODULES = ("abi", "abi.cli", "abi.compare", "abi.interface", "abi.version")


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(prog="abi", description=abi.__doc__)
    top.add_argument("--version", action="version", version=f"abi {abi.__version__}")
    commands = top.add_subparsers(dest="command", required=True)

    command = commands.add_parser("describe", help="print a module's interface as JSON")
    command.add_argument("module")

    command = commands.add_parser("compare", help="say what changed between two files")
    command.add_argument("old", type=Path)
    command.add_argument("new", type=Path)
    command.add_argument("--current", type=Version.parse, metavar="VERSION")

    command = commands.add_parser("bump", help="print the next version")
    command.add_argument("current", type=Version.parse, metavar="VERSION")
    command.add_argument("part", choices=PARTS)

    commands.add_parser("self-check", help="check that this installation works")
    return top


def run_compare(old: Path, new: Path, current: Optional[Version]) -> int:
    """Print the changes; 1 when they break callers."""
    changes = compare(
        Interface.from_json(old.read_text(encoding="utf-8")),
        Interface.from_json(new.read_text(encoding="utf-8")),
    )
    part = required_part(changes)
    for change in changes:
        print(change)
    print(f"next version: {current.bump(part) if current else part}")
    return 1 if part == "major" else 0


def self_check() -> int:
    """Every module of the package survives the way through JSON unchanged."""
    count = 0
    for name in MODULES:
        interface = describe(importlib.import_module(name))
        again = Interface.from_json(interface.to_json())
        if again != interface or compare(interface, again):
            print(f"self-check: {name} does not survive JSON", file=sys.stderr)
            return 1
        count += len(interface.functions)
    if str(Version.parse(abi.__version__)) != abi.__version__:
        print("self-check: the version is not canonical", file=sys.stderr)
        return 1
    print(f"abi {abi.__version__}: {len(MODULES)} modules, {count} functions: ok")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line says."""
    if arguments.command == "describe":
        print(describe(importlib.import_module(arguments.module)).to_json(), end="")
        return 0
    if arguments.command == "compare":
        return run_compare(arguments.old, arguments.new, arguments.current)
    if arguments.command == "bump":
        print(arguments.current.bump(arguments.part))
        return 0
    return self_check()


def main(argv: Optional[List[str]] = None) -> int:
    """Run the program; its exit code: 1 breaking or not well, 2 bad input."""
    arguments = parser().parse_args(argv)
    try:
        return run(arguments)
    except (ImportError, OSError, ValueError) as error:
        print(f"abi: {error}", file=sys.stderr)
        return 2

"""abi: what a Python interface promises, and which version a change of it asks for."""

from abi.compare import Change, compare, required_part
from abi.interface import Function, Interface, Parameter, describe
from abi.version import Version

__version__ = "1.2.0"

__all__ = [
    "Change",
    "Function",
    "Interface",
    "Parameter",
    "Version",
    "compare",
    "describe",
    "required_part",
]

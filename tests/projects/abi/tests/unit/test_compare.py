import inspect

import pytest

from abi.compare import compare, required_part
from abi.interface import KINDS, Function, Interface, Parameter


def interface(**signatures):
    """An interface of functions with parameters as Python writes them."""
    functions = {}
    for name, text in signatures.items():
        scope = {}
        exec(f"def made({text}): ...", scope)
        functions[name] = Function(
            name,
            tuple(
                Parameter(p.name, KINDS[p.kind], p.default is not p.empty)
                for p in inspect.signature(scope["made"]).parameters.values()
            ),
        )
    return Interface("m", functions)


def changes(old, new):
    return [str(c) for c in compare(interface(f=old), interface(f=new))]


@pytest.mark.parametrize(
    "old, new",
    [
        ("a", "a, b=1"),
        ("a", "a, *rest"),
        ("a", "a, **others"),
        ("a", "a=1"),
        ("a, /", "b, /"),
        ("a, /", "a"),
        ("*, a", "a"),
        ("*, a", "*, a, b=1"),
    ],
)
def test_callers_do_not_notice(old, new):
    assert changes(old, new) == ["added: f: takes more than before"]


@pytest.mark.parametrize(
    "old, new, what",
    [
        ("a", "", "no longer takes 'a' by position"),
        ("a", "*, a", "no longer takes 'a' by position"),
        ("a", "a, /", "no longer takes 'a' by name"),
        ("*, a", "", "no longer takes 'a' by name"),
        ("a", "a, b", "demands 'b'"),
        ("a", "a, *, b", "demands 'b'"),
        ("a=1", "a", "demands 'a'"),
        ("a, b", "b, a", "has 'b' where 'a' was"),
        ("a, *rest", "a", "no longer takes more positions"),
        ("a, **others", "a", "no longer takes other names"),
    ],
)
def test_callers_break(old, new, what):
    assert f"breaking: f: {what}" in changes(old, new)


def test_what_is_the_same_is_no_change():
    assert changes("a, *, b=1", "a, *, b=2") == []


def test_functions_come_and_go():
    old, new = interface(gone="", stays="a"), interface(fresh="", stays="a")
    assert [str(c) for c in compare(old, new)] == [
        "added: fresh: is new",
        "breaking: gone: is gone",
    ]


@pytest.mark.parametrize(
    "old, new, part",
    [
        ({"f": ""}, {"f": ""}, "patch"),
        ({"f": ""}, {"f": "", "g": ""}, "minor"),
        ({"f": "", "g": ""}, {"f": ""}, "major"),
    ],
)
def test_required_part(old, new, part):
    assert required_part(compare(interface(**old), interface(**new))) == part

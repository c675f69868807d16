import pytest

from abi.compare import compare, required_part
from abi.interface import Function, Interface, function_of


def interface(**functions):
    """An interface of these functions."""
    made = {name: function_of(name, value) for name, value in functions.items()}
    return Interface("m", made)


def changes(old, new):
    return [str(c) for c in compare(interface(f=old), interface(f=new))]


@pytest.mark.parametrize(
    "old, new",
    [
        (lambda a: 0, lambda a, b=1: 0),
        (lambda a: 0, lambda a, *rest: 0),
        (lambda a: 0, lambda a, **others: 0),
        (lambda a: 0, lambda a=1: 0),
        (lambda a, /: 0, lambda b, /: 0),
        (lambda a, /: 0, lambda a: 0),
        (lambda *, a: 0, lambda a: 0),
        (lambda *, a: 0, lambda *, a, b=1: 0),
    ],
)
def test_callers_do_not_notice(old, new):
    assert changes(old, new) == ["added: f: takes more than before"]


@pytest.mark.parametrize(
    "old, new, what",
    [
        (lambda a: 0, lambda: 0, "no longer takes 'a' by position"),
        (lambda a: 0, lambda *, a: 0, "no longer takes 'a' by position"),
        (lambda a: 0, lambda a, /: 0, "no longer takes 'a' by name"),
        (lambda *, a: 0, lambda: 0, "no longer takes 'a' by name"),
        (lambda a: 0, lambda a, b: 0, "demands 'b'"),
        (lambda a: 0, lambda a, *, b: 0, "demands 'b'"),
        (lambda a=1: 0, lambda a: 0, "demands 'a'"),
        (lambda a, b: 0, lambda b, a: 0, "has 'b' where 'a' was"),
        (lambda a, *rest: 0, lambda a: 0, "no longer takes more positions"),
        (lambda a, **others: 0, lambda a: 0, "no longer takes other names"),
    ],
)
def test_callers_break(old, new, what):
    assert f"breaking: f: {what}" in changes(old, new)


def test_what_is_the_same_is_no_change():
    assert changes(lambda a, *, b=1: 0, lambda a, *, b=2: 0) == []


def test_functions_come_and_go():
    old = interface(gone=lambda: 0, stays=lambda a: 0)
    new = interface(fresh=lambda: 0, stays=lambda a: 0)
    assert [str(c) for c in compare(old, new)] == [
        "added: fresh: is new",
        "breaking: gone: is gone",
    ]


@pytest.mark.parametrize(
    "old, new, part",
    [("f", "f", "patch"), ("f", "fg", "minor"), ("fg", "f", "major")],
)
def test_required_part(old, new, part):
    before, after = (
        Interface("m", {n: Function(n) for n in names}) for names in (old, new)
    )
    assert required_part(compare(before, after)) == part

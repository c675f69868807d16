import importlib.util
import json

import pytest

from abi.interface import Function, Interface, Parameter, describe

SOURCE = """
from os.path import join

LIMIT = 3

def call(first, /, second, *rest, third, fourth=4, **others): ...
def _hidden(): ...

class Thing:
    def method(self, value=None): ...
    def _hidden(self): ...
"""


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "made.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("made", str(path))
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_describe_finds_what_is_public(module):
    assert sorted(describe(module).functions) == ["Thing.method", "call"]


def test_describe_tells_kinds_apart(module):
    assert describe(module).functions["call"].parameters == (
        Parameter("first", "positional"),
        Parameter("second", "either"),
        Parameter("rest", "rest"),
        Parameter("third", "keyword"),
        Parameter("fourth", "keyword", True),
        Parameter("others", "keywords"),
    )


def test_describe_follows_all(module):
    module.__all__ = ["join"]
    assert sorted(describe(module).functions) == ["join"]


def test_json_is_the_same_for_the_same(module):
    interface = describe(module)
    backwards = dict(reversed(list(interface.functions.items())))
    assert Interface("made", backwards).to_json() == interface.to_json()
    assert Interface.from_json(interface.to_json()) == interface


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"name": "x", "functions": []},
        {"name": "x", "functions": {"f": 1}},
        {"name": "x", "functions": {"f": [["a", "nowhere", False]]}},
    ],
)
def test_json_refuses_what_is_no_interface(document):
    with pytest.raises(ValueError, match="not an interface"):
        Interface.from_json(json.dumps(document))


def test_a_function_sorts_its_parameters():
    function = Function("f", (Parameter("a", "positional"), Parameter("b", "keyword")))
    assert [p.name for p in function.positional()] == ["a"]
    assert list(function.named()) == ["b"]
    assert not function.takes("rest")

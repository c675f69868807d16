import pytest

from abi.version import Version

ORDERED = [
    "0.9.10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.10.0",
    "2.0.0",
]


def test_order_is_that_of_the_specification():
    versions = [Version.parse(text) for text in ORDERED]
    assert sorted(reversed(versions)) == versions
    assert [str(version) for version in versions] == ORDERED


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-a..b", "x1.2.3", "1.2.3\n"],
)
def test_refuses(text):
    with pytest.raises(ValueError, match="not a semantic version"):
        Version.parse(text)


def test_reads_a_tag():
    assert Version.parse("v1.2.3") == Version(1, 2, 3)


@pytest.mark.parametrize(
    "current, part, following",
    [
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3-rc.1", "patch", "1.2.4"),
    ],
)
def test_bump(current, part, following):
    assert str(Version.parse(current).bump(part)) == following


def test_bump_refuses_what_is_no_part():
    with pytest.raises(ValueError, match="expected one of major, minor, patch"):
        Version(1, 2, 3).bump("build")


def test_is_not_ordered_with_text():
    with pytest.raises(TypeError):
        assert Version(1, 2, 3) < "1.2.4"

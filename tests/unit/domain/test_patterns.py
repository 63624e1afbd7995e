"""Users' regular expressions: found as RE2 finds them, refused if they cannot be read, bounded in time."""

import pytest

from mljobs.domain.spec.patterns import compiled, is_found


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("NCCL", "an NCCL error", True),
        ("NCCL", "an nccl error", False),
        ("(?i)NCCL", "an nccl error", True),
        ("^NCCL", "an NCCL error", False),
        (r"\bexit \d+$", "exit 42", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("ü", "Für", True),
        ("x*", "", True),
        ("(", "(", False),
    ],
)
def test_found_anywhere_in_the_text(pattern: str, text: str, found: bool) -> None:
    assert is_found(pattern, text) is found


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "a{1001}", "((a{30}){30}){30}", r"\pL{1000}"])
def test_what_cannot_be_read_or_is_too_large_is_none(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert compiled(pattern) is None
    assert capfd.readouterr() == ("", "")


def test_nested_repetitions_are_searched_in_linear_time() -> None:
    """Engines that go back would not come to an end within the life of the universe."""
    assert not is_found("(a+)+$", f"{'a' * 4000}b")
    assert is_found("(a|aa)+$", "a" * 4000)

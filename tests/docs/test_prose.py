"""Tests of the style rules in `tests.prose`, with text that breaks the rules and text that follows them."""

import pytest

from tests.prose.rules import AVOID, faults_of_python, faults_of_text


@pytest.mark.parametrize("opening", ["What", "Whether", "How", "It", "One"])
@pytest.mark.parametrize("head", ["def f():", "async def f():", "class A:"])
def test_docstring_that_opens_with_a_question_word_or_a_pronoun_is_a_fault(opening: str, head: str) -> None:
    (fault,) = faults_of_python(f'x = 1\n{head}\n    """{opening} is there to see."""\n')
    assert (fault.line, opening in fault.words) == (3, True)


def test_words_that_only_begin_like_a_question_word_are_accepted() -> None:
    assert not [*faults_of_python('def f():\n    """Items are counted by their kind."""\n')]


def test_docstring_of_three_words_is_a_fragment() -> None:
    (fault,) = faults_of_python('def f():\n    """Return the name."""\n')
    assert "fewer than 4 words" in fault.words


@pytest.mark.parametrize(
    "text",
    [
        'x = 1\n"""How often it was made anew."""\n',
        "x = 1\ny = 2  # made anew\n",
        'x = 1\nprint(f"{x} was made anew")\n',
        'x = 1\nraise ValueError("made anew")\n',
    ],
)
def test_word_to_avoid_is_found_in_docstrings_comments_and_messages(text: str) -> None:
    (fault,) = faults_of_python(text)
    assert (fault.line, fault.words) == (2, "'anew'; write: again")


def test_names_and_strings_of_tests_are_left_alone() -> None:
    assert not [*faults_of_python("anew = 1\n")]
    assert not [*faults_of_python('x = "anew"\n', checks_strings=False)]


def test_fault_of_a_long_docstring_has_the_line_of_its_word() -> None:
    (fault,) = faults_of_python('def f():\n    """Return what was read.\n\n    It is read anew.\n    """\n')
    assert fault.line == 4


@pytest.mark.parametrize(
    ("phrase", "pattern"),
    [
        ("anew", "anew"),
        ("Whoever", "whoever"),
        ("is of no fleet", "(?:is|are|be|was) of no fleet"),
        ("ends of branches", None),
        ("end of a branch", "ends? of (?:a|the|its|their) branch(?:es)?"),
    ],
)
def test_phrases_are_found_in_documents(phrase: str, pattern: str | None) -> None:
    found = [fault.words for fault in faults_of_text(f"# Title\n\nThat {phrase} here.\n")]
    assert found == ([] if pattern is None else [f"{phrase!r}; write: {AVOID[pattern]}"])

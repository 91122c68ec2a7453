"""A text constant of a module: it reads back, the program stays the same, and so does every other byte."""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.embedded.python_strings import read_constant, replace_constant
from pytest_metaprompt.errors import RoutineError

# The values hold old escapes such as \\d on purpose.
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "SyntaxWarning")]

PIECES = st.sampled_from(
    [
        "a",
        "rule",
        " ",
        "\n",
        "\n\n",
        "\t",
        "'",
        '"',
        "'''",
        '"""',
        "\\",
        "\\n",
        "\\d",
        "{{x}}",
        "é",
        "漢🍌",
        "\x07",
        "\u2028",
    ]
)
VALUES = st.lists(PIECES, max_size=12).map("".join)
QUOTES = ["'", '"', "'''", '"""']


def literal(value: str, quotes: str, raw: bool) -> str:
    """The value between these quotes, where they can hold it; else as Python writes it."""
    body = value if raw else value.replace("\\", "\\\\").replace(quotes[0], "\\" + quotes[0])
    body = body if raw or len(quotes) == 3 else body.replace("\n", "\\n")
    candidate = f"{'r' if raw else ''}{quotes}{body}{quotes}"
    try:
        fits = ast.literal_eval(candidate) == value
    except (SyntaxError, ValueError):
        fits = False
    return candidate if fits else repr(value)


def other_tokens(text: str) -> list[tuple[int, str]]:
    """The tokens of a module but for its strings and line breaks, comments included."""
    skipped = (tokenize.STRING, tokenize.NL)
    return [
        (one.type, one.string)
        for one in tokenize.generate_tokens(io.StringIO(text).readline)
        if one.type not in skipped
    ]


@settings(max_examples=400, deadline=None)
@given(
    pieces=st.lists(st.tuples(VALUES, st.sampled_from(QUOTES), st.booleans()), min_size=1, max_size=4),
    new=VALUES,
    annotated=st.booleans(),
)
def test_a_replaced_constant_reads_back_and_the_program_stays(
    pieces: list[tuple[str, str, bool]], new: str, annotated: bool
) -> None:
    joined = "  # why\n    ".join(literal(*piece) for piece in pieces)
    text = f"é = 'é'; NAME{': str' if annotated else ''} = ({joined}\n)  # 🍌\nz = [1.0, NAME]\n"
    old = "".join(value for value, _, _ in pieces)
    assert read_constant(text, "NAME") == old
    assert replace_constant(text, "NAME", old) == text
    changed = replace_constant(text, "NAME", new)
    space: dict[str, object] = {}
    exec(compile(changed, "m.py", "exec"), space)
    assert (space["NAME"], space["é"]) == (new, "é")
    assert changed.startswith(text[: text.index("(") + 1])
    assert changed.endswith("\n)  # 🍌\nz = [1.0, NAME]\n")
    assert other_tokens(changed) == other_tokens(text)


@pytest.mark.parametrize(
    ("text", "new", "wanted"),
    [
        ('A = "old"\n', "new", 'A = "new"\n'),
        ("A = 'old'\n", "it's\nnew", "A = 'it\\'s\\nnew'\n"),
        ('A = """\\\nold\n"""\n', 'old\nsay "x"\n', 'A = """\\\nold\nsay "x"\n"""\n'),
        ('A = """old"""\n', 'say "x"', 'A = """say "x\\""""\n'),
        ('A = r"\\d old"\n', "\\d new", 'A = r"\\d new"\n'),
        ('A = r"\\d"\n', '\\d "x"', 'A = "\\\\d \\"x\\""\n'),
        ('A = "\\x41\\N{BULLET} old"\n', "A• new", 'A = "\\x41\\N{BULLET} new"\n'),
        (
            'A = ("one "  # first\n     "two "\n     "three")\n',
            "one 2 three and four",
            'A = ("one "  # first\n     "2 "\n     "three and four")\n',
        ),
    ],
)
def test_quotes_escapes_pieces_and_comments_stay(text: str, new: str, wanted: str) -> None:
    assert replace_constant(text, "A", new) == wanted


def test_a_dedented_text_keeps_its_indentation() -> None:
    text = 'import textwrap\nclass A:\n    B = textwrap.dedent("""\n        One\n          two\n        """)\n'
    assert read_constant(text, "A.B") == "\nOne\n  two\n"
    changed = replace_constant(text, "A.B", "\nOne\n  two\nThree\n")
    assert changed == text.replace("two\n", "two\n        Three\n")


def test_attributes_of_classes_are_found() -> None:
    text = 'A = "x"\nclass P:\n    A = "é"\n    class Q:\n        A: str = "deep"\n'
    assert [read_constant(text, name) for name in ("A", "P.A", "P.Q.A")] == ["x", "é", "deep"]
    assert replace_constant(text, "P.Q.A", "new") == text.replace("deep", "new")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A = f'hi {x}'\n", "A is an f-string"),
        ("A = 'a' f'hi {x}'\n", "A is an f-string"),
        ("A = 'a' + b\n", r"A is no text in quotes but \"'a' \+ b\""),
        ("A = b'x'\n", "A is no text in quotes"),
        ("A = 'x'\nA = 'y'\n", "A is assigned 2 times"),
        ("AA = 'x'\n", r"there is no A \(did you mean 'AA'\?|there is no A"),
        ("A = (\n", "not valid Python on line 1"),
        ("def f():\n    A = 'x'\n", "there is no A"),
    ],
)
def test_what_is_no_text_constant_says_why(text: str, reason: str) -> None:
    with pytest.raises(RoutineError, match=reason):
        read_constant(text, "A")


@given(new=st.text("ab \n", min_size=1).filter(lambda text: textwrap.dedent(text) == text and text.strip()))
def test_a_dedented_text_reads_back_or_says_that_it_cannot(new: str) -> None:
    text = 'A = dedent("""\\\n    One\n    two\n""")\n'
    try:
        changed = replace_constant(text, "A", new)
    except RoutineError:
        changed = None
    assert changed is None or read_constant(changed, "A") == new
    assert changed is not None or not new.endswith("\n") or new != new.strip(" ")

import re

import pytest

from pytest_metaprompt.scorers.javascript_regex import compile_javascript

from .asking import judge


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("x$", "x", True),
        ("x$", "x\n", False),
        ("[$.]", "$", True),
        ("a.b", "a\u2028b", False),
        ("a[^]b", "a\nb", True),
        ("a[]b", "ab", False),
        (r"\s", "\ufeff", True),
        (r"[\s,]", "\u00a0", True),
        (r"\S", "\u2003", False),
        (r"\d", "٣", False),
        (r"\w", "é", False),
        ("(?<y>a)\\k<y>", "aa", True),
        ("(?<=a)b", "ab", True),
        (r"\/a\/", "/a/", True),
        (r"[[a]", "[", True),
        (r"\Ab", "Ab", True),
        ("a{2}", "aa", True),
        (r"\u0041\x42", "AB", True),
        (r"[\]a]", "]", True),
        ("[^a]", "a", False),
        (r"^[\w-\.]+@([\w-]+\.)+[\w-]{2,4}$", "ann-b@shop.co", True),
        (r"[+-\d]x", "-x", True),
        (r"a{,3}", "a", False),
        (r"a{,3}", "a{,3}", True),
        (r"\p\i\-\_", "pi-_", True),
        (r"\Z\cA\u4", "Z\x01u4", True),
        (r"[a&&b||~~]", "&", True),
    ],
)
def test_a_pattern_has_javascripts_meaning(pattern, text, matches):
    assert (compile_javascript(pattern).search(text) is not None) is matches


@pytest.mark.parametrize("pattern", ["(", "(?i)a", "[b-a]", "a++", "(?>a)", "(?P<n>a)"])
def test_what_is_invalid_there_is_invalid_here(pattern):
    with pytest.raises(re.error):
        compile_javascript(pattern)


def test_a_native_suite_has_pythons_patterns():
    assert judge("regex", "(?i)abc$", "ABC\n").passed
    assert not judge("regex", "abc$", "abc\n", dialect="promptfoo").passed

"""What a run costs before and around its cases."""

from __future__ import annotations

import pytest

SUITE = """
routine: {inline: "Say it again."}
target: "echo:"
cases:
  - {id: one, input: hello, assert: [{type: contains, value: hello}]}
"""

TELL = """
import sys

def pytest_unconfigure():
    ours = {name: type(one.__loader__).__name__ for name, one in sys.modules.items() if "pytest_metaprompt." in name}
    print("loaded:", len(ours))
    print("rewritten:", sorted(name for name, loader in ours.items() if loader == "AssertionRewritingHook"))
"""


def test_our_own_modules_are_not_rewritten_by_pytest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(TELL)
    pytester.path.joinpath("hello.metaprompt.yaml").write_text(SUITE, encoding="utf-8")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    # Named by -p, a plugin's package is marked for rewriting, as it is where it is installed from a wheel.
    after = pytester.runpytest_subprocess("-s", "-p", "pytest_metaprompt.plugin")

    after.assert_outcomes(passed=1)
    after.stdout.fnmatch_lines(["rewritten: ['pytest_metaprompt.plugin', 'pytest_metaprompt.plugin.plain_imports']"])

"""The packages that only some assertions need."""

from __future__ import annotations

from importlib.util import find_spec

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.suites import Assertion


def need(assertion: Assertion, *packages: str, extra: str) -> None:
    """Returns if the packages are installed; they are not imported.

    Raises:
        SetupError: One is not, with what to type.
    """
    for package in packages:
        if find_spec(package) is None:
            hint = f'pip install "pytest-metaprompt[{extra}]"'
            raise SetupError(f"{assertion.type} needs the package {package}", where=assertion.where, hint=hint)

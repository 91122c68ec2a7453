"""Prompt regression testing and proven auto-repair, as a pytest plugin."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pytest-metaprompt")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]

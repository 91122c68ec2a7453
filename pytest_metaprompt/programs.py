"""Programs of the user's, run for what they print."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_metaprompt.python_files import UserCodeError

TIMEOUT_S = 60.0


def run_program(command: str, arguments: Sequence[str], *, folder: Path, env: Mapping[str, str]) -> str:
    """What a program prints, called in a folder with the arguments after its own.

    Raises:
        UserCodeError: It cannot be run, fails, or takes longer than a minute.
    """
    try:
        done = subprocess.run(
            [*_words(command, folder), *arguments],
            cwd=folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UserCodeError(f"{command!r} cannot be run: {error}") from None
    if done.returncode != 0:
        raise UserCodeError(f"{command!r} exited with {done.returncode}: {done.stderr.strip()[-200:]}")
    return done.stdout


def _words(command: str, folder: Path) -> list[str]:
    """The command's words; a program that lies in the folder is named by its path."""
    first, *rest = shlex.split(command)
    return [str(folder / first) if (folder / first).is_file() else first, *rest]

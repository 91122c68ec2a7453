"""Git as it sees a folder, whoever calls us."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""What git tells its hooks. With it, another folder than the one that the hook began in is taken for the top."""


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What a git command in a folder came to; None where git is not installed."""
    git = shutil.which("git")
    if git is None:
        return None
    environ = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    command = [git, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)

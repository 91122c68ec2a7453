"""What is done with a proved repair: written, shown, kept for a patch, or asked about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import write_new_bytes
from pytest_metaprompt.repair.job import RepairJob
from pytest_metaprompt.repair.outcome import Found, apply_repair
from pytest_metaprompt.repair.patches import as_patch, as_suggestions, by_file, change_of
from pytest_metaprompt.results import RepairOutcome

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import PromptSession


def settle(session: PromptSession, job: RepairJob, found: Found) -> RepairOutcome:
    """The outcome after the session's mode has had its say."""
    if found.routine is None:
        return found.outcome
    match session.options.mode:
        case "apply":
            return apply_repair(job, found)
        case "review":
            from pytest_metaprompt.plugin.reviewing import review

            return review(session, job, found)
        case "patch":
            return _for_patch(session, found)
        case "diff":
            return found.outcome


def _for_patch(session: PromptSession, found: Found) -> RepairOutcome:
    try:
        change = change_of(found)
    except FileAccessError as error:
        return replace(found.outcome, status="error", reason=f"no patch: {error}")
    if change is None:
        return found.outcome
    session.changes.append(change)
    # A later repair of another text in the same file builds on this one.
    return replace(found.outcome, written=change.after)


def write_patch(session: PromptSession) -> None:
    """Write the patch of all proved repairs, if that is the mode; what could not be written is said."""
    if session.options.mode != "patch" or not session.options.fix:
        return
    path = session.options.patch
    if not session.changes:
        session.notes.append(f"no repair was proved, so {path.name} was not written")
        return
    try:
        write_new_bytes(path, _content(path, session))
    except OSError as error:
        session.notes.append(f"the patch was not written: {path}: {error.strerror or error}")
        return
    how = "paste its blocks into a review" if path.suffix == ".md" else f"apply it with: git apply {path.name}"
    count = len(session.changes)
    session.notes.append(f"{count} {'repair' if count == 1 else 'repairs'} written to {path}; {how}")


def _content(path: Path, session: PromptSession) -> bytes:
    changes = by_file(session.changes)
    if path.suffix == ".md":
        return "\n".join(as_suggestions(change, root=session.root) for change in changes).encode()
    return b"".join(as_patch(change, root=session.root) for change in changes)

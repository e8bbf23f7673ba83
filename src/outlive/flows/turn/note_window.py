"""Where a conversation was compacted, noted when the line that says so is captured: nobody looks for it later."""

from __future__ import annotations

from outlive.core.ledger import PATH as LEDGER
from outlive.core.manifests import Window
from outlive.core.trees import PackDraft, TreeState
from outlive.core.windows import MARKER, Piece, find_window, is_main, spans_of, with_aside
from outlive.protocols import Workspace


async def note_window(
    draft: PackDraft, state: TreeState, workspace: Workspace, path: str, start: int, content: bytes
) -> None:
    """Put the window that a compaction in the new bytes opens into the draft.

    Once per compaction the bytes of the window before are looked through, for the messages that are kept; a turn
    without one looks at its own bytes only. Without a usable window the file has none, and is restored whole.
    """
    if not is_main(path):
        return
    if not start:
        draft.windows.pop(path, None)
    if MARKER not in content:
        return
    pieces = [*await _before(state, workspace, path, start), (start, content)]
    window = find_window(pieces)
    if window is None:
        if _is_compacted(content):
            draft.windows.pop(path, None)
            draft.windows.pop(LEDGER, None)
        return
    texts = [content[window.boundary - start :], *(_cut(pieces, span) for span in window.kept)]
    draft.windows[path] = with_aside(window, path, state.manifest.entries, texts)
    if LEDGER in state.manifest.entries:
        draft.windows[LEDGER] = Window(state.manifest.entries[LEDGER].size)


async def _before(state: TreeState, workspace: Workspace, path: str, start: int) -> list[Piece]:
    """What the agent had in mind: the window before, of which a machine may have more than that on disk."""
    spans = spans_of(state.manifest.windows.get(path), start)
    return [(low, await workspace.read(path, low, high - low)) for low, high in spans if low < high <= start]


def _cut(pieces: list[Piece], span: tuple[int, int]) -> bytes:
    start, end = span
    return next((content[start - at : end - at] for at, content in pieces if at <= start < at + len(content)), b"")


def _is_compacted(content: bytes) -> bool:
    """Whether the mark is a line's own, and not text that somebody wrote about it."""
    return any(MARKER in line and b'"type":"system"' in line for line in content.splitlines())

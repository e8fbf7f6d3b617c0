"""Claims: which questions this process is asking, so that two runs over one ledger never ask the same at a time."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from corpora.digest import sha256_text

SLOTS = 16_384  # lock files at most; two questions that share one are taken for the same


class Claims:
    """Questions of one labeler, each claimed until all claims are released.

    A claim is a lock that the operating system holds for this process: it ends with the process, however that ends.

    Args:
        folder: where the lock files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, FileLock] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, question_id: str, *, wait: bool = False) -> bool:
        """Claim a question; false where another process has it.

        Args:
            question_id: the question.
            wait: until it is free. Whoever holds claims meanwhile may wait for somebody who waits for them.

        Raises:
            OSError: the folder cannot be written.
        """
        slot = int(sha256_text(question_id)[:8], 16) % SLOTS
        if slot in self._held:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{slot:04x}.lock", thread_local=False)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
        self._held[slot] = lock
        return True

    def release(self) -> None:
        """Give all claims back."""
        for lock in self._held.values():
            lock.release()
        self._held.clear()

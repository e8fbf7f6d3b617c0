"""Claims: two processes never ask the same question at a time."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from corpora.storage import sha256_text

SLOTS = 16_384  # most lock files; two questions that share a file are claimed together


class Claims:
    """Claims on the questions of one reader, held until all of them are released.

    A claim is a lock that the operating system holds for this process: it ends with the process, however that ends.

    Args:
        folder: folder of the lock files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, FileLock] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, question_id: str, *, wait: bool = False) -> bool:
        """Claim a question; False if another process has it.

        Args:
            question_id: the question.
            wait: whether to wait until it is free. Hold no other claim then: two processes could wait for each other.

        Raises:
            OSError: the folder is not writable.
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

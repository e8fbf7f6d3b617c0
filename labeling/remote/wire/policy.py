"""How long a call may take and how much a reply may hold: one policy for every call to every provider."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.prompting.remote_config import RemoteConfig

MIB = 1 << 20


class UnboundedError(Exception):
    """A reply that breaks the policy. The same call would bring the same again, and might be paid for again.

    Args:
        found: what came.
        expected: what the policy allows.
    """

    def __init__(self, found: str, expected: str) -> None:
        self.found, self.expected = found, expected
        super().__init__(f"{found}: expected {expected}")


@dataclass(frozen=True)
class Policy:
    """Bounds on every call; tests set tiny ones.

    Attributes:
        seconds: for a whole call, the pauses between its bytes included; large files get more by `bytes_per_second`.
        bytes_per_second: the slowest transfer of a file that is still waited for.
        reply_bytes: most bytes of a reply, or of one line of a result file, after decompression.
        file_bytes: most bytes of a result file, after decompression.
        wait_seconds: the longest wait that a provider may ask for; a longer one ends the run.
        pages: most pages of one list.
        depth: deepest nesting of a reply.
        digits: most digits of a whole number in a reply.
    """

    seconds: float = 900.0
    bytes_per_second: float = 16_384.0
    reply_bytes: int = 16 * MIB
    file_bytes: int = 2048 * MIB
    wait_seconds: float = 900.0
    pages: int = 500  # of a hundred batches each
    depth: int = 64
    digits: int = 19


def policy_for(remote: RemoteConfig) -> Policy:
    """The policy for a reader; whoever lets a model think for long gets more time for the whole call too."""
    return Policy(seconds=max(Policy.seconds, 2 * remote.timeout))


def show_bytes(n: int) -> str:
    """A number of bytes in words."""
    return f"{n / MIB:.0f} MiB" if n >= MIB else f"{n} bytes"

"""Downloads a file from an address, from where an earlier try broke off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from corpora.errors import InputError

MOST_BYTES = 1 << 30  # of a file whose size is unknown
SECONDS = 30.0  # without a byte, until an address counts as silent


@contextlib.contextmanager
def opened_client() -> Iterator[httpx.Client]:
    """A client that keeps its connections: some corpora are many small files."""
    # Compressed on the way, a file could not be continued from a byte.
    headers = {"Accept-Encoding": "identity", "User-Agent": "tercet"}
    with httpx.Client(follow_redirects=True, timeout=SECONDS, headers=headers) as client:
        yield client


def download(client: httpx.Client, address: str, target: Path, n_bytes: int) -> None:
    """Download a file.

    What has come stays in `TARGET.part` if the connection breaks off, and the next try asks for the rest.

    Args:
        client: see `opened_client`.
        address: where the file is.
        target: where it is put once it is complete; its digest is not checked here.
        n_bytes: its size; 0 if unknown.

    Raises:
        InputError: the address does not deliver the file, or delivers more than its size.
    """
    part = target.with_name(f"{target.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    if not n_bytes or have != n_bytes:
        try:
            _continue(client, address, part, n_bytes or MOST_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            came = part.stat().st_size if part.is_file() else 0
            raise InputError(
                f"{address} broke off or did not answer ({type(error).__name__}; {came} bytes are here)",
                "the whole file",
                "check the network and run the same command again, which continues from there",
            ) from error
    part.replace(target)


def _continue(client: httpx.Client, address: str, part: Path, most: int) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if have > most:
        part.unlink()
        have = 0
    with client.stream("GET", address, headers={"Range": f"bytes={have}-"} if have else {}) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if response.headers.get("Content-Range") != f"bytes */{have}":
                part.unlink()
                raise InputError(f"{address} is another file by now", "the one whose beginning is here", "run again")
            return  # complete already
        if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise InputError(
                f"{address} answered {response.status_code} {response.reason_phrase}".rstrip(),
                "the file",
                "check the network, or put the files into a folder of your own and name it with --data",
            )
        # A server that cannot continue sends the whole file.
        continued = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        _write(response, address, part, have if continued else 0, most)


def _write(response: httpx.Response, address: str, part: Path, have: int, most: int) -> None:
    length = response.headers.get("Content-Length", "")
    _refuse_too_large(have + int(length) if length.isdecimal() else 0, address, part, most)
    with part.open("ab" if have else "wb") as file:
        for block in response.iter_raw():  # as it comes: what broke off in the middle of a block would be lost
            have += len(block)
            _refuse_too_large(have, address, part, most)
            file.write(block)


def _refuse_too_large(n_bytes: int, address: str, part: Path, most: int) -> None:
    if n_bytes > most:
        part.unlink(missing_ok=True)  # the beginning of another file
        raise InputError(
            f"{address} delivers more than {most} bytes",
            "the file that the registry knows",
            "put the files into a folder of your own and name it with --data",
        )

"""Whether the readers of an experiment can be asked: files on this machine, models that providers serve."""

from __future__ import annotations

import difflib
import time
from typing import NamedTuple

from corpora.errors import InputError
from flows.session.experiment import ReaderConfig
from flows.session.session import Session
from labeling.remote.client import Provider, ProviderError
from labeling.remote.pacing import insist

NEAREST = 5
TRIES = 3


class Check(NamedTuple):
    """What is known of a reader's model, in one line."""

    is_fine: bool
    line: str


def check_reader(reader: ReaderConfig, session: Session) -> Check:
    """Look for a reader's model on this machine, or ask its provider for the models that it serves."""
    try:
        return _ask_provider(reader, session) if reader.remote.is_remote else _look_here(reader, session)
    except InputError as error:
        return Check(False, f"{reader.label}: {error}")


def _look_here(reader: ReaderConfig, session: Session) -> Check:
    session.readers.verify(reader.model)
    return Check(True, f"{reader.label}: on this machine, sha256 {session.readers.sha256(reader.model)[:12]}")


def _ask_provider(reader: ReaderConfig, session: Session) -> Check:
    provider = session.providers.client(reader.remote)
    try:
        served = insist(provider.models, sleep=time.sleep, tries=TRIES, say=session.providers.tell)
    except ProviderError as error:
        raise provider.explain(error, reader.model) from error
    if reader.model in served:
        return Check(True, f"{reader.label}: {provider.name} serves {reader.model}")
    near = difflib.get_close_matches(reader.model, served, NEAREST, cutoff=0.3) or sorted(served)[:NEAREST]
    return Check(
        False,
        f"{reader.label}: {provider.name} does not serve {reader.model!r}{_reason(provider, reader.model)}; it serves "
        f"{len(served)} models, such as {', '.join(near) or 'none'}: change `model`",
    )


def _reason(provider: Provider, model: str) -> str:
    """What the provider says about the missing model, which may name another in its place."""
    try:
        provider.model(model)
    except ProviderError as error:
        return f" ({error.message})"
    return ""

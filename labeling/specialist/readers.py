"""The readers of this machine and the specialists of a store, all from one place."""

from __future__ import annotations

from typing import NamedTuple

import psutil

from corpora.errors import InputError
from corpora.schema import LabelSet
from corpora.storage import StorePath
from labeling.engine.local_readers import Readers, Tokenize
from labeling.engine.machine.kernels import KernelChoice
from labeling.models.registry import is_specialist
from labeling.prompting.labeler import LabelerConfig, Scoring
from labeling.specialist.folder import MODEL, SHOWN, Specialist, find_specialist
from labeling.specialist.look import Head, Look, OpenLook
from labeling.specialist.reader import SpecialistLabeler, tokens_of
from labeling.votes.vote import Labeler


class _Open(NamedTuple):
    look: Look
    head: Head
    digest: str
    memory: int


class ReadersAndSpecialists:
    """Opens both; at most one model is loaded. What is no specialist goes to the other readers as it is.

    Args:
        others: the readers that are no specialists.
        store: where the specialists are.
        open_look: opens what a specialist sees with.
    """

    def __init__(self, others: Readers, store: StorePath, open_look: OpenLook) -> None:
        self._others, self._store, self._open_look = others, store, open_look
        self._found: dict[str, Specialist] = {}
        self._looks: dict[str, Look] = {}
        self._open: _Open | None = None

    def sha256(self, model: str) -> str:
        """Digest of a model; a specialist's is that of everything that changes its answers."""
        return self._find(model).manifest.digest if is_specialist(model) else self._others.sha256(model)

    def verify(self, model: str) -> None:
        """Read a model's files."""
        if is_specialist(model):
            self._find(model).verify()
        else:
            self._others.verify(model)

    def n_bytes(self, model: str) -> int:
        """Size of a model; for a specialist without its embedder."""
        return self._find(model).n_bytes if is_specialist(model) else self._others.n_bytes(model)

    def scoring(self, config: LabelerConfig, labels: LabelSet) -> Scoring:
        """Which version of the scoring rule applies; a specialist's digest covers its own."""
        return "label/1" if is_specialist(config.model) else self._others.scoring(config, labels)

    def kernels(self, model: str) -> KernelChoice | None:
        """How this process runs a model's matrices; None for specialists, which have one way."""
        return None if is_specialist(model) else self._others.kernels(model)

    def memory(self) -> int:
        """Resident bytes that the loaded model has added."""
        return self._open.memory if self._open else self._others.memory()

    def device(self) -> str:
        """What readers other than specialists run on."""
        return self._others.device()

    def tokenizer(self, config: LabelerConfig) -> Tokenize:
        """The token ids of a prompt; nothing is loaded for it."""
        if not is_specialist(config.model):
            return self._others.tokenizer(config)
        look = self._look(self._find(config.model))
        return lambda prompt: tokens_of(look, prompt)

    def open(self, config: LabelerConfig, labels: LabelSet) -> Labeler:
        """A reader; its model stays loaded until another one is opened.

        Raises:
            InputError: as `Readers.open`; also if the specialist has another label set, or its embedder has changed.
        """
        if not is_specialist(config.model):
            self._open = None
            return self._others.open(config, labels)
        specialist = self._find(config.model)
        manifest = specialist.manifest
        if manifest.labels != labels.labels:
            raise InputError(
                f"reader {config.label!r} answers with the labels {list(manifest.labels)}",
                f"the labels of the corpus, {list(labels)}",
                "use it on a corpus with its labels, or train a specialist on this one",
            )
        if self._open is None or self._open.digest != manifest.digest:
            self._others.close()
            before = psutil.Process().memory_info().rss
            specialist.verify()
            look, head = self._look(specialist), open_head(specialist)
            self._open = _Open(look, head, manifest.digest, 0)
            look.look("?", "?")  # its embedder loads now, so that its memory is counted
            self._open = self._open._replace(memory=max(0, psutil.Process().memory_info().rss - before))
        return SpecialistLabeler(config, labels, self._open.look, self._open.head, manifest.digest)

    def close(self) -> None:
        """Free the memory that readers hold."""
        self._open = None
        self._others.close()

    def _find(self, model: str) -> Specialist:
        if model not in self._found:
            self._found[model] = find_specialist(self._store, model)
        return self._found[model]

    def _look(self, specialist: Specialist) -> Look:
        manifest = specialist.manifest
        if manifest.digest not in self._looks:
            look = self._open_look(manifest)
            if look.digest != manifest.embedder_digest:
                raise InputError(
                    f"specialist {manifest.name} ({manifest.digest[:SHOWN]}) was trained on vectors of another version "
                    f"of the embedder {manifest.embedder.get('model')}",
                    f"an embedder with the digest {manifest.embedder_digest[:SHOWN]}; the one here has "
                    f"{look.digest[:SHOWN]}",
                    "install the versions that its manifest names, or train it again",
                )
            self._looks[manifest.digest] = look
        return self._looks[manifest.digest]


def open_head(specialist: Specialist) -> Head:
    """What answers in a specialist."""
    # Imported here: scikit-learn and SciPy take as long to load as a plan.
    from labeling.specialist.encoder import FOLDER, open_encoder
    from labeling.specialist.linear import load_linear

    folder = specialist.folder / MODEL
    if specialist.manifest.kind == "linear":
        return load_linear(folder)
    return open_encoder(folder / FOLDER, len(specialist.manifest.labels))

"""What a loaded model adds to the process: found once, and anew for another model."""

from types import SimpleNamespace

import pytest

from corpora.schema import LabelSet
from labeling.engine import local_readers
from labeling.engine.local_readers import LocalReaders
from labeling.engine.machine.kernels import KernelChoice
from labeling.models.registry import ModelFile
from labeling.prompting.labeler import LabelerConfig

READER = LabelerConfig(model="m", mode="generate")


@pytest.fixture
def resident(monkeypatch, tmp_path):
    """Readers whose models take 100 bytes each, and the resident bytes of the process."""
    process = SimpleNamespace(rss=1000)

    def load(*_, **__):
        process.rss += 100
        return SimpleNamespace(close=lambda: None)

    file = ModelFile(name="m", path=tmp_path / "m.gguf", sha256="0" * 64, is_pinned=True)
    monkeypatch.setattr(local_readers, "LlamaModel", load)
    monkeypatch.setattr(local_readers, "GeneratingLabeler", lambda *_: None)
    monkeypatch.setattr(local_readers, "resolve_model", lambda _: file)
    monkeypatch.setattr(local_readers.psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: process))
    kernels = SimpleNamespace(choose=lambda *_: KernelChoice(repack=True, origin="given"))
    return LocalReaders(kernels, reads_again=False), process


def test_what_grows_after_a_model_has_answered_is_not_its_memory(resident):
    readers, process = resident
    assert readers.memory() == 0
    readers.open(READER, LabelSet())
    process.rss += 20  # its KV cache, with the first answers
    assert readers.memory() == 120
    process.rss += 5000  # tables of votes
    assert readers.memory() == 120


def test_another_size_of_context_is_loaded_and_its_memory_found_anew(resident):
    readers, process = resident
    readers.open(READER, LabelSet())
    assert readers.memory() == 100
    process.rss += 5000
    readers.open(READER.model_copy(update={"num_ctx": 8192}), LabelSet())
    process.rss += 70
    assert readers.memory() == 170
    readers.close()
    assert readers.memory() == 0

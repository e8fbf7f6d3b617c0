"""The small reader of the tests, opened once, where its file is on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labeling.engine.llama import LlamaModel
from labeling.models.registry import find_model


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    path = find_model("smollm2-135m").path
    if not path.is_file():
        pytest.skip(f"no model file {path}; fetch it with `tercet models fetch smollm2-135m`")
    return path


@pytest.fixture(scope="session")
def smollm2(smollm2_path) -> Iterator[LlamaModel]:
    with LlamaModel(smollm2_path, num_ctx=1024, threads=1) as model:
        yield model


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder of this test's own, so that no real model is found, overwritten or deleted."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TERCET_CACHE", str(folder))
    return folder

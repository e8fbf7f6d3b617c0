import pytest
from pydantic import ValidationError

from retrieval.chunking.splitters import Chunking
from retrieval.config import RetrievalConfig
from retrieval.context import Cut


def test_every_combination_is_one_chunking_without_repeats():
    config = RetrievalConfig(splitters=("tokens", "sentences"), sizes=(64, 128, 64), overlaps=(0, 8))
    assert config.chunkings() == [
        Chunking(splitter, size, overlap)
        for splitter in ("tokens", "sentences")
        for size in (64, 128)
        for overlap in (0, 8)
    ]


def test_cuts_are_every_k_and_every_budget_without_repeats():
    config = RetrievalConfig(k=(1, 3, 1), budgets=(256,))
    assert config.cuts() == [Cut("k", 1), Cut("k", 3), Cut("budget", 256)]


@pytest.mark.parametrize("wrong", [{"chunk_sizes": [64]}, {"splitters": ["words"]}, {"sizes": []}, {"splitters": []}])
def test_unknown_keys_and_splitters_and_an_empty_sweep_are_refused(wrong):
    with pytest.raises(ValidationError):
        RetrievalConfig.model_validate(wrong)

"""A real cross-encoder of a few thousand random weights: the folder that sentence-transformers writes is read back."""

import numpy as np
import pytest

from retrieval.reranking.reranker import Reranker


@pytest.mark.slow
def test_scores_are_those_of_sentence_transformers(tmp_path):
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification

    from tests.doubles.tiny_encoder import write_tiny_encoder

    words = ["which", "pump", "leaks", "the", "red", "blue", "stands"]
    folder = write_tiny_encoder(tmp_path / "model", words)
    torch.manual_seed(1)
    config = BertConfig.from_pretrained(folder, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder)
    pairs = [("which pump leaks", "the red pump leaks"), ("which pump leaks", "the blue one stands " * 6), ("a", "b")]
    expected = CrossEncoder(str(folder), local_files_only=True).predict(pairs, activation_fn=torch.nn.Identity())
    found = Reranker("tiny", folder, "0" * 64, tmp_path / "cache").scores(pairs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(set(found.round(6))) == 3

"""A reranker whose scores come from a script, on a folder that looks like a cross-encoder's: nothing is loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from flows.session.workspace import Workspace
from retrieval.config import reranker_label
from retrieval.reranking.reranker import Reranker


def write_cross_encoder(folder: Path, n_labels: int = 1, window: int = 200, kind: str = "Bert") -> Path:
    """Write the files of a cross-encoder, but for its weights; its tokens are words."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "architectures": [f"{kind}ForSequenceClassification"], "max_position_embeddings": window,
        "id2label": {str(at): f"LABEL_{at}" for at in range(n_labels)},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


class ScriptedReranker(Reranker):
    """Scores pairs by a script, and lists those that it was asked."""

    def __init__(self, name: str, folder: Path, cache: Path, script: Callable[[str, str], float]) -> None:
        super().__init__(name, folder, "0" * 64, cache)
        self._script, self.asked = script, []

    def _score(self, pairs):
        self.asked += pairs
        return np.array([self._script(*pair) for pair in pairs], dtype=np.float32)

    def rest(self) -> None:
        pass


def scripted_rerankers(script: Callable[[str, str], float]) -> Callable[[str, Workspace], ScriptedReranker]:
    """In place of `find_reranker`."""

    def open_reranker(model: str, workspace: Workspace) -> ScriptedReranker:
        folder = write_cross_encoder(Path(workspace.root) / model)
        return ScriptedReranker(reranker_label(model), folder, workspace.embeddings, script)

    return open_reranker

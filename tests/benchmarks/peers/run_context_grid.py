"""context-grid's sweep over some cells, as its `Lab` does it; run by the Python that has context-grid.

    python run_context_grid.py FOLDER MODEL CELLS

context-grid embeds through a server or through a plugin: here the plugin is sentence-transformers in this process, with
the same weights, which costs no round trip. Its sentence splitter counts sentences; packing is left to `recursive`.
"""

import json
import sys
from pathlib import Path

import contextgrid as cg
from contextgrid.embed import EMBEDDERS, EmbeddingResult

SENTENCE_TOKENS = 32  # of a sentence in these articles, about: how many make up a size


class SentenceTransformerEmbedder:
    """The plugin."""

    name, version, normalised, max_tokens, dimensions = "sentence-transformer", "1", True, None, 384

    def __init__(self, folder: str) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(folder)

    def prepare(self, documents) -> None:
        """Nothing to learn from the documents."""

    def embed_documents(self, texts) -> EmbeddingResult:
        """Vectors of unit length."""
        vectors = self._model.encode(list(texts), batch_size=64, show_progress_bar=False, normalize_embeddings=True)
        return EmbeddingResult(vectors=vectors)

    embed_queries = embed_documents


def chunker(splitter: str, size: int, overlap: int) -> str:
    """context-grid's splitter of the same kind."""
    if splitter == "sentences":
        return f"sentence:{max(1, size // SENTENCE_TOKENS)}"
    return f"{'fixed' if splitter == 'tokens' else 'recursive'}:{size},overlap={overlap}"


def main(folder: Path, model: str, cells: list) -> None:
    """Run the sweep and print its summary."""
    embedder = SentenceTransformerEmbedder(model)
    EMBEDDERS.register("st", doc="sentence-transformers in this process")(lambda: embedder)
    lab = cg.Lab(corpus=str(folder / "documents"))
    chunkers = list(dict.fromkeys(chunker(*cell) for cell in cells))
    lab.grid(parser="text", chunker=chunkers, embedder="st", index="dense", k=5)
    results = lab.run(cg.read_jsonl(folder / "context_grid.jsonl"), mode="factorial", headline="recall@5")
    sys.stdout.write(results.summary("recall@5") + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))

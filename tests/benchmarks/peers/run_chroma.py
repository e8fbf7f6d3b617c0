"""Chroma's chunking evaluation on some cells, one run of its `BaseEvaluation` each; run by the Python that has it.

    python run_chroma.py FOLDER MODEL CELLS

It keeps no vectors from one cell to the next, and asks the questions anew in each. Its search is approximate (HNSW). It
has no splitter by sentences; packing is left to its recursive one.
"""

import json
import sys
from pathlib import Path

from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction
from chunking_evaluation.chunking import FixedTokenChunker, RecursiveTokenChunker
from chunking_evaluation.evaluation_framework.base_evaluation import BaseEvaluation
from tiktoken import get_encoding

RETRIEVED = 5


def chunker(splitter, size, overlap):
    """Chroma's splitter of the same kind, in tokens of cl100k."""
    if splitter == "tokens":
        return FixedTokenChunker(chunk_size=size, chunk_overlap=overlap)
    count = get_encoding("cl100k_base")
    return RecursiveTokenChunker(
        chunk_size=size, chunk_overlap=overlap, length_function=lambda text: len(count.encode(text))
    )


def main(folder: Path, model: str, cells: list) -> None:
    """Evaluate each cell, and print its scores."""
    embed = SentenceTransformerEmbeddingFunction(model_name=model, normalize_embeddings=True)
    paths = {file.stem: str(file) for file in (folder / "documents").glob("*.txt")}
    evaluation = BaseEvaluation(str(folder / "chroma.csv"), corpora_id_paths=paths)
    for cell in cells:
        scores = evaluation.run(chunker(*cell), embed, retrieve=RETRIEVED)
        sys.stdout.write(f"{cell}: recall {scores['recall_mean']:.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))

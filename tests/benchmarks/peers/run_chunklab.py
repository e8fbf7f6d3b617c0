"""chunklab's evaluation of some cells, as its `run` command does it; run by the Python that has chunklab.

    python run_chunklab.py FOLDER MODEL CELLS

A run of chunklab takes each splitter once, so the cells go into as few runs as that allows, in one process, with one
cache of vectors, which starts empty.
"""

import json
import os
import sys
from pathlib import Path

KINDS = {"tokens": "fixed", "recursive": "recursive", "sentences": "structure"}


def strategy(splitter: str, size: int, overlap: int) -> dict:
    """chunklab's splitter of the same kind; for sentences its `structure`, which packs paragraphs without overlap."""
    params = {"max_tokens": size} if splitter == "sentences" else {"chunk_size": size, "overlap": overlap}
    return {"name": KINDS[splitter], "params": params}


def main(folder: Path, model: str, cells: list) -> None:
    """Evaluate the cells and write chunklab's own report of each run."""
    os.environ["CHUNKLAB_CACHE_DIR"] = str(folder / "chunklab-cache")
    from chunklab.config import Config
    from chunklab.report.json_report import write_json_report
    from chunklab.runner import evaluate

    runs = [[cell for cell in cells if tuple(cell[1:]) == key] for key in dict.fromkeys((c[1], c[2]) for c in cells)]
    for number, run in enumerate(runs):
        config = Config.model_validate(
            {
                "embedding": {"model": model},
                "retrieval": {"mode": "dense", "top_k": 5},
                "strategies": [strategy(*cell) for cell in run],
                "output": {"formats": ["json"], "dir": str(folder / f"chunklab-{number}")},
            }
        )
        report = evaluate(
            docs=folder / "documents", questions=folder / "chunklab.yaml", config=config, skip_validation=True
        )
        write_json_report(report, folder / f"chunklab-{number}.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))

"""Make the recording that `tercet demo` answers from, out of a store where the demo was run afresh.

tercet demo --fresh --store FOLDER
python -m tests.benchmarks.recording FOLDER
"""

import os
import sys
from pathlib import Path

from corpora.errors import counted
from corpora.loading.load import load_corpus
from flows.session.experiment import load_experiment
from flows.session.recording import record, recording_of
from flows.session.session import Session
from flows.session.workspace import Workspace


def main(store: Path) -> None:
    """Record the votes of a store."""
    demo = load_experiment(Path("demo"))
    with Session(Workspace(store)) as session:
        labels = load_corpus(demo.corpus).labels
        machine = f"a machine with {counted(os.cpu_count() or 1, 'core')}"
        record(session, demo.readers, labels, recording_of("demo"), machine)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Runs to be killed: processes that begin with everything imported, so that fifty of them take a minute."""

import multiprocessing
import os
import time
from pathlib import Path

import polars as pl

from flows.cli.main import main
from flows.run import pipeline
from flows.session import session as sessions
from labeling.votes.storage.entries import decode
from labeling.votes.vote import KEY, vote_id
from tests.doubles.scripted import ScriptedReader, ScriptedReaders, open_word_embedder

SECONDS = 0.003  # that an answer takes: kills come between two of them, and within one
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

EXPERIMENT = """
name = "killed"
[corpus]
source = "sample"
split = "held_out"
sample = 12
[calibration]
per_label = 1
[retrieval]
sizes = [32, 64]
k = [1]
budgets = [64]
[scoring]
n_resamples = 100
[[readers]]
model = "steady"
"""
PAID = """
name = "killed"
[corpus]
source = "generated"
sample = %d
generator = { n_documents = 67, words = 60 }
[calibration]
per_label = 0
[[readers]]
model = "openai/gpt-oss-20b"
[readers.remote]
provider = "groq"
api = "direct"
connections = 4
"""


class LoggedReader(ScriptedReader):
    """Writes down what it is asked before it answers."""

    log: Path

    def ask(self, prompts):
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (" ".join(prompt.key.id for prompt in prompts) + "\n").encode())
        os.close(file)
        return super().ask(prompts)


class LoggedReaders(ScriptedReaders):
    def open(self, config, labels):
        reader = LoggedReader(config, labels, answer)
        reader.log = self.log
        return reader


def answer(_, prompt):
    time.sleep(SECONDS)
    return ((0.6, 0.3, 0.1), (0.2, 0.5, 0.3), (0.1, 0.1, 0.8))[len(prompt.message) % 3]


def start(kind, folder, environment=None):
    """Start `tercet KIND` on the experiment in a folder; its output goes into a file there."""
    process = CONTEXT.Process(target=_run, args=(kind, folder, environment or {}))
    process.start()
    return process


def _run(kind, folder, environment):
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    pipeline.draw_plots = lambda _: []  # they take seconds
    if not environment:
        readers = LoggedReaders(answer)
        readers.log = folder / "asked.txt"
        opened = sessions.Session
        sessions.Session = lambda workspace: opened(workspace, readers, open_word_embedder)
    main([kind, str(folder / "killed.toml"), "--store", str(folder / "runs"), "--quiet", "--max-cost", "10"])


def asked(folder) -> list[list[str]]:
    """What the readers were asked, call by call."""
    log = folder / "asked.txt"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def shard_rows(folder) -> pl.DataFrame:
    """The keys of the votes in all shards, doubles included."""
    shards = sorted(folder.glob("runs/ledger/*/*.parquet"))
    frames = [pl.read_parquet(one, columns=list(KEY)) for one in shards]
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(KEY, pl.String))


def on_disk(folder) -> set[str]:
    """The keys of all votes that a next run will find, whether in shards or in journals."""
    rows = shard_rows(folder).select(KEY[1:]).iter_rows()
    journals = folder.glob("runs/ledger/*/journal/*.jsonl")
    return {vote_id(*row).hex() for row in rows} | {
        vote.id for one in journals for vote in decode(one.read_bytes()).votes
    }


def tables(folder) -> dict[str, bytes]:
    """The tables of the only finished run in a folder."""
    (manifest,) = folder.glob("runs/*/manifest.json")
    return {file.name: file.read_bytes() for file in manifest.parent.glob("*.parquet")}

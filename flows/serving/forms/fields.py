"""The fields of the forms: each with its title, its bounds, and a line that says what it does.

Every bound that one field can state is in its JSON schema, so that the browser checks it. Choices that depend on what
is served are added when serving starts.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from corpora.loading.config import Source
from labeling.votes.consensus import Rule
from retrieval.chunking.splitters import Splitter
from retrieval.config import Control
from retrieval.ranking.retrievers import Retriever

MOST_TOKENS = 32_768
Tokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)]

# What to try.
Sizes = Annotated[
    list[Tokens], Field(min_length=1, title="Chunk sizes", description="In the embedder's tokens; one sweep tries all.")
]
Budgets = Annotated[
    list[Tokens],
    Field(
        title="Token budgets",
        description="The reader sees as many chunks as fit into this many tokens, so that sizes are compared at equal "
        "cost. No budget may be below the largest size.",
    ),
]
TopK = Annotated[
    list[Annotated[int, Field(ge=1, le=1000)]],
    Field(title="Chunks read (k)", description="The reader sees this many chunks; it answers once for each number."),
]
Overlaps = Annotated[
    list[Annotated[int, Field(ge=0, le=MOST_TOKENS)]],
    Field(
        min_length=1,
        title="Overlaps",
        description="How many tokens neighbouring chunks share; less than every size.",
    ),
]
Splitters = Annotated[
    list[Splitter], Field(min_length=1, title="Splitters", description="How documents are cut into chunks.")
]
Embedders = Annotated[
    list[str], Field(min_length=1, title="Embedders", description="Models that find chunks by meaning.")
]
Retrievers = Annotated[
    list[Retriever],
    Field(
        min_length=1,
        title="Retrievers",
        description="dense: exact FAISS; bm25: by words; hybrid: both, fused by reciprocal rank; approximate: HNSW.",
    ),
]
Rerankers = Annotated[
    list[str],
    Field(
        min_length=1,
        title="Rerankers",
        description="Cross-encoders that order the best chunks anew: hub ids or folders. none: the ranking as it is.",
    ),
]
Controls = Annotated[
    list[Control],
    Field(
        title="Controls",
        description="What else each reader is shown, to find out where accuracy is lost; fewer take less time.",
    ),
]
Margin = Annotated[
    float, Field(ge=0, lt=1, title="Margin", description="How much worse than the best a cheaper setting may be.")
]
UntilTold = Annotated[
    bool,
    Field(
        title="Stop early",
        description="Read in looks, each of twice as many questions, and stop once the advice is told.",
    ),
]

# Who reads what.
FETCH = "Local models must be fetched first: `tercet models fetch NAME`."
Readers = Annotated[
    list[str],
    Field(min_length=1, title="Readers", description=f"Each votes three times on every question. {FETCH}"),
]
ComparedReaders = Annotated[
    list[str],
    Field(min_length=2, title="Readers", description=f"Two or more, compared on the same questions. {FETCH}"),
]
SweptReaders = Annotated[
    list[str],
    Field(
        title="Readers",
        description="Each makes its own gold set and then answers from chunks. If there are none, sizes are compared "
        f"by retrieval alone. {FETCH}",
    ),
]
Questions = Annotated[
    int, Field(ge=0, title="Questions", description="How many questions to ask, drawn by seed. 0: all of them.")
]
SpendingLimit = Annotated[
    float,
    Field(
        ge=0,
        title="Spending limit",
        description="US dollars that this run may spend on remote readers; each Retry may spend as much again. 0: "
        "nothing, so a run that would cost money is refused.",
    ),
]

# Which questions are kept.
GoldRule = Annotated[
    Rule,
    Field(
        title="Gold set",
        description="Which questions are kept: those where all three votes agree; where they agree and match the "
        "corpus's own answer, or what people said in a review; where two of three agree; where the mean probability "
        "passes the threshold; or where three votes would probably agree (confident).",
    ),
]
Threshold = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        title="Threshold",
        description="Lowest mean probability to keep; for the rule min_probability only.",
    ),
]
Agreement = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        title="Agreement",
        description="Lowest probability that three votes agree; for the rule confident only.",
    ),
]

# Where the run comes from, and how it is run.
Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", title="Name", description="The name of the run's folder."),
]
CorpusSource = Annotated[
    Source,
    Field(
        title="Corpus",
        description="sample: the bundled handbook; generated: artificial documents; folder: the documents in a folder, "
        "with a table questions.* in it; the others read the files at Path.",
    ),
]
CorpusPath = Annotated[
    str,
    Field(
        title="Path",
        description="Folder or file of the corpus, on the machine where `tercet serve` runs. Leave it empty for "
        "sample and generated, or if the experiment names its files one by one.",
    ),
]
Threads = Annotated[
    int,
    Field(
        ge=0,
        le=1024,
        title="Threads",
        description="CPU threads of local readers. 0: as in the experiment, or one per core.",
    ),
]
Dask = Annotated[
    str,
    Field(
        pattern=r"^$|^(tcp|tls|ws|wss|ucx)://.+$",
        title="Dask scheduler",
        description="Its address, such as tcp://127.0.0.1:8786; its workers run the readers. Empty: this machine does.",
    ),
]
ExperimentFile = Annotated[
    str,
    Field(
        min_length=1,
        title="Experiment",
        description="The experiment file, which says all that this form does not show.",
    ),
]
Store = Annotated[
    str,
    Field(
        min_length=1,
        title="Store",
        description="Folder for runs and votes, or an address such as s3://bucket/runs.",
    ),
]

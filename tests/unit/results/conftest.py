"""A sweep and votes built by hand, whose right and wrong answers a test chooses, and tokenizers for spans."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from corpora.schema import Corpus, Document, LabelSet, Question, documents_frame, questions_frame
from labeling.votes.consensus import GOLD, ConsensusConfig, ReaderVotes, Rule, build_gold
from labeling.votes.sampling import Sampling
from labeling.votes.vote import Vote, votes_frame
from results.advice.advice import Advice
from results.advice.verdict import reach_verdicts
from results.config import ScoringConfig
from results.evidence.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES
from results.readers.answers import ANSWERS
from results.readers.labelers import LABELERS
from results.readers.labeling_tables import labeling_tables
from results.readers.unanimity import Cast, read_cast
from results.sweep.judged import BASELINE_ARMS
from results.sweep.retrieval_means import mean_retrieval
from results.sweep.scoring import Scored, score_sweep
from retrieval.tokens import EmbedderTokenizer

CONFIG = ScoringConfig(answers="drawn", n_resamples=400)


class Sweep(NamedTuple):
    """The inputs of `score_sweep`, with shortcuts to its output, to the retrieval means and to the verdicts."""

    corpus: Corpus
    answers: pl.DataFrame
    retrieval: pl.DataFrame
    readers: tuple[ReaderVotes, ...]

    @property
    def golds(self) -> dict[str, pl.DataFrame]:
        return {reader.name: reader.gold for reader in self.readers}

    def with_golds(self, **golds: pl.DataFrame) -> "Sweep":
        return self._replace(readers=tuple(one._replace(gold=golds.get(one.name, one.gold)) for one in self.readers))

    def score(self, config: ScoringConfig = CONFIG) -> Scored:
        return score_sweep(self.corpus, self.answers, self.readers, ConsensusConfig(), config)

    def retrieval_means(self, config: ScoringConfig = CONFIG) -> pl.DataFrame:
        return mean_retrieval(self.corpus, self.retrieval, config)

    def verdicts(self, qualified: bool | dict[str, bool] | None = True, config: ScoringConfig = CONFIG) -> list[Advice]:
        scored = self.score(config)
        told = None if isinstance(qualified, dict) else qualified
        rows = [{"reader": reader, "qualified": told} for reader in self.golds]
        labelers = pl.DataFrame(rows, schema={name: LABELERS[name] for name in ("reader", "qualified")})
        if isinstance(qualified, dict):
            labelers = labelers.with_columns(qualified=pl.col("reader").replace_strict(qualified))
        return reach_verdicts(scored.cells, scored.comparisons, labelers, config, "unanimous", scored.cells)


def build_sweep(
    right: Mapping[int, Sequence[bool]],
    *,
    kept: Sequence[bool] | None = None,
    cuts: Sequence[tuple[str, int]] = (("k", 3),),
    readers: Sequence[str] = ("reader",),
    splitter: str = "tokens",
    retriever: str = "dense",
    questions_per_document: int = 1,
    tokens: Mapping[int, int] | None = None,
    arms: Mapping[str, Sequence[bool]] | None = None,
) -> Sweep:
    """A sweep over chunk sizes in which `right[size][question]` says whether that answer is right.

    The right answer of question n is yes where n is even and no where it is odd; it is the reference and, where `kept`
    (everywhere by default), the gold label, whose votes are not known. A chunk of size s makes a context of `tokens[s]`
    tokens (s by default). `arms[arm][question]` says the same of another arm, in every cell alike.
    """
    n = len(next(iter(right.values())))
    labels = ["yes" if number % 2 == 0 else "no" for number in range(n)]
    ids = [f"q{number:03d}" for number in range(n)]
    documents = [Document(f"d{number}", f"text {number}") for number in range(-(-n // questions_per_document))]
    questions = [
        Question(one, "?", (documents[number // questions_per_document].id,), labels[number])
        for number, one in enumerate(ids)
    ]
    corpus = Corpus("by hand", documents_frame(documents), questions_frame(questions), LabelSet())
    gold = _gold(ids, labels, [True] * n if kept is None else kept)
    answers: list[dict[str, Any]] = []
    retrieval: list[dict[str, Any]] = []
    of_all, of_cells = _parted(arms or {})
    for size, flags in right.items():
        setting = {"splitter": splitter, "size": size, "overlap": 0, "embedder": "minilm", "retriever": retriever}
        cost = {"n_context_tokens": (tokens or {}).get(size, size)}
        for cut, amount in cuts:
            cell = setting | {"cut": cut, "amount": amount} | cost
            for number, one in enumerate(ids):
                scores = {name: 1 / (number + 3) for name in (*DOCUMENT_SCORES, *SPAN_SCORES)}
                retrieval.append(cell | {"question_id": one} | scores)
            for arm, of_arm in ({"retrieved": flags} | of_cells).items():
                answers += _answers(arm, of_arm, cell | {"n_chunks": 3}, readers, ids, labels)
    for arm, of_arm in of_all.items():
        answers += _answers(arm, of_arm, {}, readers, ids, labels)
    asked = corpus.questions.select("question_id")
    votes = [ReaderVotes(one, Sampling(), "resample", asked, votes_frame([]), gold, None) for one in readers]
    return Sweep(corpus, pl.DataFrame(answers, schema=ANSWERS), pl.DataFrame(retrieval), tuple(votes))


def _parted(arms: Mapping[str, Sequence[bool]]) -> tuple[dict[str, Sequence[bool]], dict[str, Sequence[bool]]]:
    """The arms that no cell changes, and the others."""
    of_all = {arm: flags for arm, flags in arms.items() if arm in BASELINE_ARMS}
    return of_all, {arm: flags for arm, flags in arms.items() if arm not in BASELINE_ARMS}


def _gold(ids: Sequence[str], labels: Sequence[str], kept: Sequence[bool]) -> pl.DataFrame:
    rows = [
        {"question_id": one, "votes": [label] * 3, "label": label if keep else None, "kept": keep, "reason": "",
         "reference": label}
        for one, label, keep in zip(ids, labels, kept, strict=True)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=GOLD)


def _answers(
    arm: str, flags: Sequence[bool], place: Mapping[str, Any], readers: Sequence[str], ids: Sequence[str],
    labels: Sequence[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """The answers of all readers in one arm and cell: the right label where a flag is set, else the other one."""
    other = {"yes": "no", "no": "yes"}
    return [
        {"reader": reader, "arm": arm, "question_id": one, **place, "label": label if flag else other[label],
         "failure": None, "margin": 0.5, "prompt_hash": f"{arm}{place.get('size')}{one}"}
        for reader in readers
        for one, label, flag in zip(ids, labels, flags, strict=True)
    ]  # fmt: skip


@pytest.fixture
def sweep():
    return build_sweep


Shown = Sequence[float] | str | None  # a distribution, a label that came without one, or a failed vote


def build_votes(
    shown: Mapping[str, Sequence[float] | Sequence[Shown]],
    labels: LabelSet = LabelSet(),  # noqa: B008  # frozen
    drawn: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Three votes a question, frame of schema `VOTES`.

    `shown[question]` is one distribution for all three votes or a list of three: a distribution, a label (generate
    mode, no distribution), or None (failed). A vote draws the most probable label unless `drawn` says otherwise.
    """
    votes = []
    for question, of_question in shown.items():
        three: Any = [of_question] * 3 if isinstance(of_question[0], float | int) else of_question
        for number, one in enumerate(three):
            told = {"labeler": "f", "prompt_hash": f"p{number}", "arm": "document", "vote": number, "seed": number}
            told |= {"question_id": question, "failure": None, "probabilities": (), "n_prompt_tokens": 10}
            told |= {"label": one, "outside_mass": None, "margin": None}
            if one is None:
                told |= {"failure": "off_label"}
            elif not isinstance(one, str):
                best = labels.labels[max(range(len(one)), key=lambda at: one[at])]
                first, second = sorted((p / sum(one) for p in one), reverse=True)[:2]
                told |= {"probabilities": tuple(one), "outside_mass": 1 - sum(one), "margin": first - second}
                told |= {"label": drawn[question][number] if drawn and question in drawn else best}
            votes.append(Vote(**told))
    return votes_frame(votes)


def build_cast(
    shown: Mapping[str, Sequence[float] | Sequence[Shown]],
    references: Mapping[str, str | None],
    *,
    sampling: Sampling = Sampling(),  # noqa: B008  # immutable
    clusters: Mapping[str, str] | None = None,
    labels: LabelSet = LabelSet(),  # noqa: B008  # frozen
    drawn: Mapping[str, Sequence[str]] | None = None,
    reader: str = "reader",
) -> Cast:
    """What `read_cast` makes of votes; every question is a document of its own unless `clusters` says otherwise."""
    rows = [(one, references.get(one), (clusters or {}).get(one, one)) for one in shown]
    schema = {"question_id": pl.String, "reference": pl.String, "cluster": pl.String}
    facts = pl.DataFrame(rows, schema=schema, orient="row")
    return read_cast(reader, sampling, build_votes(shown, labels, drawn), facts, labels)


def build_corpus(
    references: Sequence[str | None],
    *,
    labels: LabelSet = LabelSet(),  # noqa: B008  # frozen
    questions_per_document: int = 1,
    tags: Mapping[str, Sequence[str | None]] | None = None,
    annotators: Mapping[str, Sequence[str | None]] | None = None,
    texts: Sequence[str] | None = None,
    words: Sequence[int] | None = None,
    tune: Sequence[str | None] = (),
    name: str = "by hand",
) -> Corpus:
    """A corpus with the questions q000, q001, ... and, for calibration, t000, t001, ...

    `tags[name][n]` and `annotators[name][n]` belong to question n, None for none; `words[d]` is the length of document
    d, in words.
    """

    def given(of: Mapping[str, Sequence[str | None]] | None, number: int) -> dict[str, str]:
        return {name: values[number] for name, values in (of or {}).items() if values[number] is not None}

    documents = [
        Document(f"d{number}", " ".join(["word"] * (words[number] if words else 5)))
        for number in range(-(-len(references) // questions_per_document))
    ]
    questions = [
        Question(
            f"q{number:03d}", texts[number] if texts else "Does it?", (f"d{number // questions_per_document}",),
            reference, (), given(annotators, number), "held_out", given(tags, number),
        )
        for number, reference in enumerate(references)
    ]  # fmt: skip
    spare = [Question(f"t{at:03d}", "?", (f"e{at}",), one, (), {}, "tune") for at, one in enumerate(tune)]
    documents += [Document(f"e{at}", "word") for at in range(len(tune))]
    return Corpus(
        name, documents_frame(documents), questions_frame(questions), labels,
        tune=questions_frame(spare) if tune else None,
    )  # fmt: skip


def build_tables(
    corpus: Corpus,
    votes: Mapping[str, pl.DataFrame],
    *,
    tune: Mapping[str, pl.DataFrame] | None = None,
    sampling: Sampling = Sampling(),  # noqa: B008  # immutable
    diversity: str = "resample",
    rule: Rule = "unanimous",
    no_tune: str = "off",
) -> dict[str, pl.DataFrame]:
    """The tables of a label run, from the votes of each reader: `labeling_tables`, and gold and questions beside it."""
    consensus = ConsensusConfig(rule=rule)
    readers, golds = [], []
    for name, cast in votes.items():
        asked = corpus.questions.filter(pl.col("question_id").is_in(cast["question_id"].unique().to_list()))
        gold = build_gold(cast, asked, corpus.labels, consensus)
        golds.append(gold.select(pl.lit(name).alias("reader"), pl.all()))
        readers.append(ReaderVotes(name, sampling, diversity, asked, cast, gold, (tune or {}).get(name)))
    tables = labeling_tables(corpus, readers, consensus, 0.95, no_tune)
    return tables | {"gold": pl.concat(golds), "questions": corpus.questions}


@pytest.fixture(scope="session")
def tables_of():
    return build_tables


@pytest.fixture(scope="session")
def ballots():
    return build_votes


@pytest.fixture(scope="session")
def cast_of():
    return build_cast


@pytest.fixture(scope="session")
def corpus_of():
    return build_corpus


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> EmbedderTokenizer:
    """Every word and every punctuation mark is one token."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    folder = tmp_path_factory.mktemp("tiny_embedder")
    tokenizer.save(str(folder / "tokenizer.json"))
    return EmbedderTokenizer(folder)

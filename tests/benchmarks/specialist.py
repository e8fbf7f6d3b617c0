"""What a specialist learns from the gold labels of a published reader, and what it does not.

    python -m tests.benchmarks.specialist results/published/pubmedqa-labelers --data FOLDER

The handbook: the demonstration's recorded votes, half of which are on tune questions; trained and scored by the code of
`tercet specialise`. A published run whose votes are on held-out questions only is cross-fitted: its questions are cut
into folds by document, and each fold is answered by a model that has learnt from the gold labels of the others.

    python -m tests.benchmarks.specialist --tune-run runs/pubmedqa-tune-label-1a2b3c4d --data FOLDER --no-handbook

A finished run of your own that labeled tune questions: trained and scored as `tercet specialise` does, in its store.
With --save PAGE.md, the manifest and the tables of each specialist are kept beside it, in the folder PAGE.
"""

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import polars as pl
from sklearn.model_selection import GroupKFold

from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from flows.run.gold.specialist.judging import HeldOut, judged_by, pace_of
from flows.run.gold.specialist.learning import Floats, Learnt, Order, examples_of, learn, see, smaller_sets
from flows.run.gold.specialist.source import Source, teacher_pace
from flows.run.gold.specialist.training import Specialised, specialise
from flows.run.pipeline import execute
from flows.session.embedders import find_embedder
from flows.session.experiment import EXPERIMENTS, ReaderConfig, load_experiment
from flows.session.recording import open_recording, recording_of
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.progress import Bars
from flows.stages.runner import Runner
from labeling.specialist.examples import Example
from labeling.specialist.fine_tuning import Recipe
from labeling.specialist.folder import MODEL
from labeling.specialist.look import Seen
from labeling.votes.consensus import ConsensusConfig
from labeling.votes.vote import VOTES
from results.advice.cards.specialist import Times, advise, findings
from results.advice.wording import from_to, percent
from results.config import ScoringConfig
from results.gold.specialist.scores import CURVE, SPECIALIST, curve_point, score
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.passages import Passages
from tests.benchmarks.saving import save_option, show

READER = "qwen2.5-coder-1.5b"
THREADS = 1  # of the teacher, for its speed
ENCODER_FOLDS = 2  # fine-tuning takes long on two cores
ENCODER_PASSAGES = 1  # as above


def handbook(orders: Sequence[Order], store: Path, kept: Path | None) -> Iterator[str]:
    """The demonstration, run from its recording, and a specialist of each kind on its tune questions.

    Args:
        orders: one a kind.
        store: for the run and the specialists.
        kept: as for `labeled_tune`.
    """
    workspace = Workspace(store, EXPERIMENTS)
    with open_recording(recording_of("demo"), workspace, "record the demonstration again") as session:
        demo = load_experiment(Path("demo"))
        # The demonstration's own rule looks at the references, which a user without references could not.
        demo = demo.model_copy(update={"consensus": ConsensusConfig(rule="unanimous")}).with_settings(threads=THREADS)
        run = execute(demo, "label", session, Runner(Bars())).folder
        for order in orders:
            done = specialise(run, order, READER, session, Runner(Bars()))
            yield f"## The handbook, {order.kind}"
            yield ""
            yield from _lines(done, kept)


def labeled_tune(run: Path, orders: Sequence[Order], data: Path | None, kept: Path | None) -> Iterator[str]:
    """A finished run whose reader labeled tune questions, and a specialist of each kind in that run's store.

    What the store holds of each, all but the weights, is copied to a folder of its name below `kept`, if that is given.
    """
    with Session(Workspace(run.parent, EXPERIMENTS, data=data)) as session:
        for order in orders:
            name = f"{run.name.rpartition('-label-')[0]}-{order.kind}"
            done = specialise(run, order._replace(name=name), READER, session, Runner(Bars()))
            yield f"## {run.name}, {order.kind}"
            yield ""
            yield from _lines(done, kept)


def _lines(done: Specialised, kept: Path | None) -> Iterator[str]:
    """What training found; the specialist is copied without its weights."""
    yield from (f"* {line}" for line in done.lines[:-1])
    yield ""
    if kept and done.specialist:
        without_weights = shutil.ignore_patterns(MODEL)
        folder = kept / done.specialist.manifest.name
        shutil.copytree(done.specialist.folder, folder, ignore=without_weights, dirs_exist_ok=True)


def read_published(folder: Path, data: Path) -> Source:
    """A published run of an earlier version, as far as a specialist needs it."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    section = manifest["config"]["corpus"]
    path = data / Path(section["path"]).name
    corpus = load_corpus(CorpusConfig(source=section["source"], path=path, seed=section["seed"], split="all"))
    votes, gold = (pl.read_parquet(folder / f"{name}.parquet").filter(reader=READER) for name in ("votes", "gold"))
    votes = votes.with_columns(pl.lit(None).cast(VOTES[name]).alias(name) for name in set(VOTES) - set(votes.columns))
    asked = corpus.questions.join(gold, on="question_id", how="semi", maintain_order="left")
    how = ScoringConfig()
    consensus = ConsensusConfig.model_validate(manifest["config"]["consensus"])
    labeler = manifest["readers"][READER]["labeler"]
    config = ReaderConfig(model=READER, threads=THREADS)
    return Source(
        folder.name, config, labeler, corpus, asked, gold, votes.select(VOTES.names()), consensus, how,
        EmbedderConfig(), None,
    )  # fmt: skip


class Fold(NamedTuple):
    """The rows of the questions that a fold answers, and the examples that the others give."""

    rows: list[int]
    examples: list[Example]


class CrossFitted(NamedTuple):
    """Models by fold; each question is answered by the one that knows neither it nor its document."""

    folds: list[Fold]
    models: list[Learnt]

    def probabilities(self, questions: Sequence[str], seen: Sequence[Seen | None]) -> Floats:
        """As `Learnt.probabilities`."""
        given: Floats | None = None
        for fold, model in zip(self.folds, self.models, strict=True):
            of_fold = model.probabilities([questions[row] for row in fold.rows], [seen[row] for row in fold.rows])
            given = np.full((len(questions), of_fold.shape[1]), np.nan) if given is None else given
            given[fold.rows] = of_fold
        assert given is not None
        return given

    @property
    def head(self) -> Any:
        """What the first fold's model answers with, to time it."""
        return self.models[0].head


def cut(source: Source, examples: Sequence[Example], n_folds: int) -> list[Fold]:
    """The folds, whole documents each."""
    documents = source.asked["document_ids"].list.first().to_list()
    split = GroupKFold(n_folds, shuffle=True, random_state=0).split(documents, groups=documents)
    folds = []
    for _, rows in split:
        held = {documents[row] for row in rows}
        folds.append(Fold(rows.tolist(), [one for one in examples if one.document not in held]))
    return folds


def cross_fitted(source: Source, order: Order, n_folds: int, store: Path) -> Iterator[str]:
    """Train and score on folds of a published run's questions."""
    runner = Runner(Bars())
    with Session(Workspace(store)) as session:
        look = Passages(session.embedder(source.embedder), order.passage_size, order.n_passages)
        seen = see(source.corpus, source.asked, look, runner, f"look at {source.run}")
        gold = source.gold.filter("kept").select("question_id", gold="label")
        labeled = source.asked.with_row_index("row").join(gold, on="question_id", maintain_order="left")
        examples = examples_of(source, labeled, [seen[row] for row in labeled["row"]])
        folds = cut(source, examples, n_folds)
        base = None if order.kind == "linear" else find_embedder(EmbedderConfig(model=order.base))[0]

        def fit(parts: list[Fold], kind: str) -> CrossFitted:
            of_kind = order._replace(kind=kind)
            return CrossFitted(parts, [learn(of_kind, one.examples, base, None, runner) for one in parts])

        learnt = fit(folds, order.kind)
        baseline: Any = learnt if order.kind == "linear" else fit(folds, "linear")
        held_out = HeldOut(source.asked, seen, source.votes)
        judged = judged_by(source, held_out, learnt, baseline)  # type: ignore[arg-type]  # it answers as one does
        scored = score(judged, source.scoring.confidence)
        times = Times(pace_of(source, held_out, learnt, look), teacher_pace(source, session))  # type: ignore[arg-type]  # as above
        curve = pl.concat([pl.DataFrame(schema=CURVE), *_curve(source, order, folds, fit, held_out, learnt)])
    yield f"## {source.run}, {order.kind}"
    yield ""
    labels = dict(gold["gold"].value_counts().iter_rows())
    said = ", ".join(f"{n} {label}" for label, n in sorted(labels.items(), key=lambda one: -one[1]))
    yield (
        f"* {len(examples)} published gold labels of {READER} on questions of the split held_out, the only ones with "
        f"published votes ({said}); cross-fitted in {n_folds} folds of documents, so that no question is answered by a "
        "model that has seen its document."
    )
    yield from (f"* {line}" for line in findings(scored, curve, times, source.scoring.confidence))
    advice = advise(scored, source.scoring.margin, 1 - source.scoring.confidence, times)
    yield f"* Advice: {advice.line}"
    if order.kind == "linear":
        said = "; ".join(_other_labels(source, seen, n_folds, held_out, fit))
        yield f"* What it could learn, cross-fitted alike, by accuracy on all questions: {said}."
    yield ""


def _other_labels(
    source: Source, seen: Sequence[Seen | None], n_folds: int, held_out: HeldOut, fit: Any
) -> Iterator[str]:
    """The same model on other labels of all questions: whether the gold labels or the model set the bound."""
    labels = source.corpus.labels
    every = examples_of(source, source.asked.with_columns(gold="reference"), seen)
    known = dict(source.asked.select("question_id", "reference").iter_rows())
    human = [one._replace(target=np.eye(len(labels))[labels.index(known[one.question_id])]) for one in every]
    for what, examples in (("the teacher's distributions", every), ("human references", human)):
        model = fit(cut(source, examples, n_folds), "linear")
        judged = judged_by(source, held_out, model, model).of(SPECIALIST)
        point = curve_point(judged, labels.labels, (0, 0), source.scoring.confidence).row(0, named=True)
        low, high = point["accuracy_low"], point["accuracy_high"]
        yield f"from {what} on all {len(examples)} questions, {percent(point['accuracy'])} ({from_to(low, high)})"


def _curve(
    source: Source, order: Order, folds: list[Fold], fit: Any, held_out: HeldOut, whole: CrossFitted
) -> Iterator[pl.DataFrame]:
    """The points of the learning curve: each fold's model on the same share of its labels."""
    smaller = list(zip(*(smaller_sets(fold.examples, 0) for fold in folds), strict=False)) if order.draws_curve else []
    sets = [[fold._replace(examples=some) for fold, some in zip(folds, point, strict=True)] for point in smaller]
    for number, parts in enumerate([*sets, folds]):
        model = whole if number == len(sets) else fit(parts, order.kind)
        judged = judged_by(source, held_out, model, model).of(SPECIALIST)
        n_labels = round(float(np.mean([len(one.examples) for one in parts])))
        yield curve_point(judged, source.corpus.labels.labels, (n_labels, n_labels), source.scoring.confidence)


def pages(
    runs: Sequence[Path],
    tune_runs: Sequence[Path],
    orders: Sequence[Order],
    n_folds: int,
    data: Path | None,
    store: Path | None,
    kept: Path | None,
    skip: bool,
) -> Iterator[str]:
    """All sections."""
    yield (
        "Times are those of a machine that other work shared. The teacher's is that of the run, on two threads, or is "
        "worked out from the speed at which it last answered there on one. The encoder is all-MiniLM-L6-v2 with a new "
        "last layer, and sees one passage of 128 tokens; the linear model sees three."
    )
    yield ""
    with tempfile.TemporaryDirectory() as temporary:
        folder = store or Path(temporary)
        if not skip:
            yield from handbook(orders, folder / "handbook", kept)
        for run in tune_runs:
            yield from labeled_tune(run, orders, data, kept)
        for run, order in itertools.product(runs, orders):
            of_kind = n_folds if order.kind == "linear" else ENCODER_FOLDS
            yield from cross_fitted(read_published(run, data or Path()), order, of_kind, folder / "published")


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--tune-run", "tune_runs", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path), envvar="TERCET_DATA", help="Folder of published corpora.")
@click.option("--kinds", default="linear,encoder", show_default=True)
@click.option("--folds", default=5, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--passages", default=3, show_default=True)
@click.option("--rate", default=1e-4, show_default=True)
@click.option("--store", type=click.Path(path_type=Path), help="Keep vectors and specialists here.")
@click.option("--no-handbook", is_flag=True)
@save_option
def main(
    runs: tuple[Path, ...], tune_runs: tuple[Path, ...], data: Path | None, kinds: str, folds: int, epochs: int,
    passages: int, rate: float, no_handbook: bool, store: Path | None, save: Path | None,
) -> None:  # fmt: skip
    """Train specialists on published gold labels and say what they learn."""
    recipe = Recipe(epochs=epochs, rate=rate)
    every = {
        "linear": Order("linear", "handbook-linear", n_passages=passages, recipe=recipe),
        "encoder": Order("encoder", "handbook-encoder", n_passages=ENCODER_PASSAGES, recipe=recipe, draws_curve=False),
    }
    orders = [every[kind] for kind in kinds.split(",")]
    changed = [f"--{name} {value}" for name, value in (("kinds", kinds), ("folds", folds), ("epochs", epochs))]
    given = [*map(str, runs), *(f"--tune-run runs/{run.name}" for run in tune_runs), *["--no-handbook"] * no_handbook]
    kept = save.with_suffix("") if save else None
    command = " ".join(["python -m tests.benchmarks.specialist", *given, "--data FOLDER", *changed])
    show("Specialists", command, pages(runs, tune_runs, orders, folds, data, store, kept, no_handbook), save)


if __name__ == "__main__":
    main()

"""Today's and the new scoring of one finished run, side by side: what each advises from the very same answers.

    python -m tests.benchmarks.rescored results/published/pubmedqa-sizes [--rule unanimous]

Runs made before answers kept their distributions have only the most probable label and its margin over the second. The
rest is filled in at both ends of what it may be: all of it on one other label, or as much as possible on the others
alike. Where both ends advise the same, the missing part does not matter.
"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click
import polars as pl

from corpora.schema import DOCUMENTS, Corpus, LabelSet
from labeling.votes.consensus import ConsensusConfig, ReaderVotes, Rule, build_gold
from labeling.votes.sampling import Sampling
from results.advice.recommendation import recommend
from results.config import ScoringConfig
from results.sweep.scoring import Scored, score_sweep
from tests.benchmarks.saving import save_option, show

COLUMNS = ("reader", "rule", "scoring", "gold", "advice")
REST = {"on one label": "one", "on the others alike": "alike"}


def with_probabilities(answers: pl.DataFrame, labels: LabelSet, rest: str) -> pl.DataFrame:
    """Answers with the distributions that their label and margin allow.

    Args:
        answers: columns label and margin, the difference of the two largest probabilities.
        labels: the label set.
        rest: where what the most probable label leaves goes: `one` or `alike`.
    """
    return answers.with_columns(
        probabilities=pl.struct("label", "margin").map_elements(
            lambda row: _filled(row["label"], row["margin"], labels.labels, rest),
            return_dtype=pl.List(pl.Float64), skip_nulls=False,
        )
    )  # fmt: skip


def _filled(label: str | None, margin: float | None, labels: tuple[str, ...], rest: str) -> list[float]:
    if label is None or margin is None:
        return []
    others = [one for one in labels if one != label]
    n_others = 1 if rest == "one" else len(others)
    least = (1 - margin) / (n_others + 1)
    found = dict.fromkeys(others[:n_others], least) | {label: margin + least}
    return [found.get(one, 0.0) for one in labels]


class Finished(NamedTuple):
    """What a finished run of a sweep rests on, read from its folder."""

    manifest: dict[str, Any]
    tables: dict[str, pl.DataFrame]
    labels: LabelSet

    def scored(self, answers: pl.DataFrame, how: str, rule: Rule | None = None) -> Scored:
        """The run's scores, made anew.

        Args:
            answers: in place of the run's own; or those.
            how: `scoring.answers`, drawn or expected.
            rule: in place of the run's own consensus rule.
        """
        config, corpus = self.manifest["config"], self.manifest["corpus"]
        consensus = ConsensusConfig.model_validate(config["consensus"] | ({"rule": rule} if rule else {}))
        readers = [_reader(one, self.tables, consensus, self.labels) for one in config["readers"]]
        asked = Corpus(corpus["name"], pl.DataFrame(schema=DOCUMENTS), self.tables["questions"], self.labels)
        return score_sweep(asked, answers, readers, consensus, self.scoring(how))

    def scoring(self, how: str) -> ScoringConfig:
        """The run's own settings of scores, but for how answers are scored."""
        return ScoringConfig.model_validate(self.manifest["config"]["scoring"] | {"answers": how})


def finished(folder: Path) -> Finished:
    """Read a finished run."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tables = {path.stem: pl.read_parquet(path) for path in folder.glob("*.parquet")}
    return Finished(manifest, tables, LabelSet(tuple(manifest["corpus"]["labels"])))


def rescored(folder: Path, rule: Rule | None) -> Iterator[tuple[str, ...]]:
    """The rows of the table, of a finished run: by reader and way of scoring."""
    run = finished(folder)
    answers, labelers = run.tables["answers"], run.tables["labelers"]
    ways: dict[str, tuple[pl.DataFrame, str]] = {"drawn": (answers, "drawn")}
    if "probabilities" in answers.columns:
        ways["expected"] = (answers, "expected")
    else:
        for name, rest in REST.items():
            ways[f"expected, the rest {name}"] = (with_probabilities(answers, run.labels, rest), "expected")
    of_rule = rule or run.manifest["config"]["consensus"]["rule"]
    for way, (frame, how) in ways.items():
        scored = run.scored(frame, how, rule)
        cells, config = scored.cells, run.scoring(how)
        for advice in recommend(cells, scored.comparisons, scored.ladder, labelers, config, cells):
            n_gold = cells.filter(pl.col("reader") == advice.reader)["gold_n"][0]
            yield str(advice.reader), of_rule, way, f"{n_gold:.0f}", advice.line


def _reader(
    one: dict[str, Any], tables: dict[str, pl.DataFrame], consensus: ConsensusConfig, labels: LabelSet
) -> ReaderVotes:
    name = one["name"] or one["model"]
    sampling = Sampling(*(one[field] for field in Sampling._fields))
    votes = tables["votes"].filter(pl.col("reader") == name).drop("reader")
    asked = tables["questions"].join(votes.select("question_id").unique(), on="question_id", how="semi")
    gold = build_gold(votes, asked.select("question_id", "reference"), labels, consensus, sampling)
    return ReaderVotes(name, sampling, one["diversity"], asked.select("question_id"), votes, gold, None)


def table(folder: Path, rules: tuple[Rule | None, ...]) -> Iterator[str]:
    """The rows as Markdown."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * len(COLUMNS)
    for rule in rules:
        for row in rescored(folder, rule):
            yield f"| {' | '.join(row)} |"


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--rule", "rules", multiple=True, type=click.Choice(get_args(Rule)), help="In place of the run's rule.")
@save_option
def main(run: Path, rules: tuple[Rule, ...], save: Path | None) -> None:
    """Print what RUN advises with today's scoring and with the new one."""
    command = shlex.join(["python", "-m", "tests.benchmarks.rescored", str(run), *(f"--rule={one}" for one in rules)])
    show("The same answers, scored in two ways", command, table(run, rules or (None,)), save)


if __name__ == "__main__":
    main()

"""What a plan says before anything is asked, on scripted readers."""

import statistics

import pytest

from flows.planning import plan as planning
from flows.planning.plan import plan
from flows.planning.quote import duration
from flows.planning.whole_plan import whole_plan
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from results.config import likely_questions
from tests.conftest import ROOT
from tests.doubles.scripted import scripted_session


def experiment_of(*models, **rest):
    return parse_experiment(
        {
            "name": "planned",
            "corpus": {"source": "sample", "sample": 12},
            "calibration": {"per_label": 0},
            "retrieval": {"sizes": [8, 16], "k": [1], "budgets": [], "controls": []},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": model} for model in models],
            **rest,
        },
        "the test",
    )


@pytest.fixture
def scripted(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    return scripted_session(tmp_path, lambda *_: (0.5, 0.3, 0.2))


def lines_of(experiment, session, kind="sweep", *, measures=False):
    return whole_plan(experiment, kind, session, measures=measures).text.splitlines()


def test_without_a_speed_the_tokens_are_given_and_nobody_is_asked(scripted):
    total, reader, label, *_ = lines_of(experiment_of("one"), scripted.session)
    assert total.startswith("no cost: 1 reader, at most ")
    assert total.endswith(
        ", 0 of them answered before. The time is not known, because the speed of one was never measured on this "
        "machine: add --measure (measure=True in Python), which asks a few questions and keeps no answer."
    )
    assert reader == "one on this machine, 12 questions: time not known"
    assert "36 prompts (0 answered in the ledger), about " in label
    assert scripted.readers.opened == []


def test_readers_without_a_speed_are_named_together(scripted):
    experiment = experiment_of("one", "two", "three")
    scripted.session.note_speed(experiment.readers[1], 100, 100.0)
    total, *rest = lines_of(experiment, scripted.session)
    assert "The time is not known, because the speed of one and three was never measured" in total
    assert [line.endswith(": time not known") for line in rest if " on this machine, " in line] == [True, False, True]
    assert sum("--measure" in line for line in [total, *rest]) == 1


@pytest.mark.parametrize(
    ("retrievers", "said"),
    [
        (["dense"], "chunked in 2 ways, embedded by all-minilm-l6-v2 and ranked for 12 questions, which is 2 settings"),
        (["bm25"], "chunked in 2 ways and ranked for 12 questions, which is 2 settings under 1 cut. "),
        (["dense", "bm25"], "which is 4 settings under 1 cut. The time is not known beforehand; "),
    ],
)
def test_without_readers_it_is_told_what_is_computed(scripted, retrievers, said):
    retrieval = {"sizes": [8, 16], "k": [1], "budgets": [], "retrievers": retrievers}
    experiment = experiment_of(retrieval=retrieval)
    (line,) = lines_of(experiment, scripted.session)
    assert line.startswith("No reader is asked and nothing is paid: 36 documents ")
    assert said in line
    assert lines_of(experiment, scripted.session, "label") == ["Nothing to ask: the experiment has no readers."]


def test_the_total_comes_first_at_the_speed_that_was_seen(scripted):
    experiment = experiment_of("one", "two")
    for reader, rate in zip(experiment.readers, (1, 2), strict=True):
        scripted.session.note_speed(reader, 100 * rate, 100.0)
    planned = plan(experiment, "sweep", scripted.session)
    left = sum(ask.left for ask in planned.readers[0].asks)
    assert [one.seconds for one in planned.readers] == pytest.approx([left, left / 2])
    total, *rest = lines_of(experiment, scripted.session)
    assert total.startswith(f"{duration(1.5 * left)} and no cost: 2 readers, at most ")
    assert not any("0.00 USD" in line or "money" in line for line in rest)
    assert [line.startswith("elsewhere the same prompts would cost ") for line in rest].count(True) == 1


def test_measuring_asks_a_few_questions_and_keeps_no_vote(scripted):
    experiment = experiment_of("one")
    assert lines_of(experiment, scripted.session, measures=True)[0].endswith("0 of them answered before")
    assert len(scripted.readers.asked) == 12, "three votes on four questions"
    assert plan(experiment, "sweep", scripted.session).readers[0].speed, "the next plan knows it"
    assert len(scripted.readers.asked) == 12


def test_what_readers_run_on_is_said_once(scripted):
    lines = lines_of(experiment_of("one", "two"), scripted.session)
    assert lines.count("Readers run on a script.") == 1
    assert "Readers run" not in "".join(lines_of(experiment_of(), scripted.session))


def test_one_of_a_kind_is_said_in_the_singular(scripted):
    alone = {
        "corpus": {"source": "sample", "sample": 1},
        "retrieval": {"sizes": [8], "k": [1], "budgets": [], "controls": []},
    }
    _, reader, _, read, *_ = lines_of(experiment_of("one", **alone), scripted.session)
    assert reader.startswith("one on this machine, 1 question: ")
    assert read.startswith("  read: at most 1 prompt, about ")


def test_what_is_answered_takes_no_time(scripted):
    experiment = experiment_of("one")
    with scripted.session as session:
        execute(experiment, "label", session, Runner())
    (total, *_) = lines_of(experiment, scripted_session(session.workspace.root, lambda *_: ()).session, "label")
    assert total == "no time and no cost: 1 reader, at most 36 prompts, 36 of them answered before"


def test_many_questions_are_counted_by_their_length(scripted):
    few, many = ({"source": "sample", "split": "all", **some} for some in ({"sample": 50}, {}))
    planned = [
        plan(experiment_of("one", corpus=corpus), "label", scripted.session).readers[0] for corpus in (few, many)
    ]
    each = [one.asks[0].tokens / one.questions for one in planned]
    assert planned[1].questions > 55
    assert each[1] == pytest.approx(each[0], rel=0.1)


def test_a_document_counts_once_for_all_questions_that_are_still_to_be_asked_on_it(scripted, monkeypatch):
    def shared(questions):
        corpus = {"source": "sample", "sample": questions}
        (reader,) = plan(experiment_of("one", corpus=corpus), "label", scripted.session).readers
        return reader.asks[0]

    # All 192 questions are on 36 documents; the readers' tokens are words.
    counted = shared(192)
    assert counted.shared == counted.left < counted.tokens / 6
    monkeypatch.setattr(planning, "QUESTIONS_COUNTED", 192)
    assert counted.shared == pytest.approx(shared(192).shared, rel=0.1)


def test_a_plan_until_told_gives_the_time_of_the_first_and_of_the_last_look(scripted):
    experiment = experiment_of("one", reading={"stop": "told", "first_look": 3})
    scripted.session.note_speed(experiment.readers[0], 10, 100.0)
    total, *rest = lines_of(experiment, scripted.session)
    (planned,) = plan(experiment, "sweep", scripted.session).readers
    assert total.startswith(
        f"{duration(planned.seconds / 4)} if all are told at their first look, at most {duration(planned.seconds)} and "
    )
    assert any(line.startswith("  until told: looks at 3 (about ") for line in rest)


def test_a_long_plan_says_how_to_ask_less(scripted):
    experiment = experiment_of("one", retrieval={"sizes": [8, 16], "k": [1], "budgets": []}, reading={"first_look": 3})
    (planned,) = plan(experiment, "sweep", scripted.session).readers
    tokens = sum(ask.left for ask in planned.asks)
    bare = experiment.model_copy(update={"retrieval": experiment.retrieval.model_copy(update={"controls": ()})})
    (alone,) = plan(bare, "sweep", scripted.session).readers
    assert planned.controls == tokens - sum(ask.left for ask in alone.asks) > 0
    assert (planned.first_look, alone.controls) == (3, 0)

    scripted.session.note_speed(experiment.readers[0], tokens, 3600.0)
    (timed,) = plan(experiment, "sweep", scripted.session).readers
    left = duration(timed.seconds - timed.controls / timed.speed.tokens_per_second)
    assert lines_of(experiment, scripted.session)[-1] == (
        "To ask less: `--until-told` may be done after 3 questions (about 15 minutes); `controls = []` in [retrieval] "
        f"leaves out the arms that say where answers are lost (then {left} are left)."
    )
    told = experiment.with_settings(until_told=True)
    assert lines_of(told, scripted.session)[-1].startswith("To ask less: `controls = []` in [retrieval] leaves out ")
    assert not any("To ask less" in line for line in lines_of(bare.with_settings(until_told=True), scripted.session))
    assert not any("To ask less" in line for line in lines_of(experiment, scripted.session, "label"))
    scripted.session.note_speed(experiment.readers[0], 10 * tokens, 1800.0)
    assert not any("To ask less" in line for line in lines_of(experiment, scripted.session))


@pytest.mark.parametrize("n_cells", [2, 4, 16])
def test_the_likely_number_of_questions_is_that_of_the_published_simulations(n_cells):
    page = (ROOT / "results" / "published" / "questions-needed.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    settings, taken = rows[0].index("settings"), rows[0].index("in looks (mean)")
    simulated = [int(row[taken]) for row in rows[2:] if row[settings] == str(n_cells)]
    assert likely_questions(n_cells) == pytest.approx(statistics.median(simulated), abs=10)


def test_one_cell_takes_as_many_questions_as_two():
    assert likely_questions(1) == likely_questions(2)


def test_a_plan_until_told_gives_the_time_that_is_expected_where_that_is_not_all(scripted, monkeypatch):
    monkeypatch.setattr(planning, "likely_questions", lambda n_cells: 3 * n_cells)
    experiment = experiment_of("one", reading={"stop": "told", "first_look": 3})
    scripted.session.note_speed(experiment.readers[0], 10, 100.0)
    (planned,) = plan(experiment, "sweep", scripted.session).readers
    assert (planned.questions, planned.likely) == (12, 6), "two sizes under one cut"
    total, *rest = lines_of(experiment, scripted.session)
    assert f"first look, {duration(planned.seconds / 2)} expected, at most {duration(planned.seconds)} and " in total
    assert any(line.endswith("simulated sweeps with as many settings were told by about 6") for line in rest)


def test_a_comparison_takes_the_speed_that_was_seen(scripted):
    experiment = experiment_of("one", "two")
    with scripted.session as session:
        for reader in experiment.readers:
            session.note_speed(reader, 200, 100.0)
        outcome = execute(experiment, "compare", session, Runner())
    assert len(scripted.readers.asked) == 2 * 36, "no question beside the votes"
    assert "Speed and cost" in outcome.report


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "no time"), (20, "less than a minute"), (61, "about 1 minute"), (3060, "about 51 minutes"),
     (7500, "about 2 h 5 min")],
)  # fmt: skip
def test_durations_in_the_unit_that_fits(seconds, said):
    assert duration(seconds) == said


def test_readers_that_are_kept_off_the_gpu_run_on_the_cpu(scripted):
    experiment = experiment_of("one", "two")
    off, other = experiment.readers[0].model_copy(update={"n_gpu_layers": 0}), experiment.readers[1]
    kept_off = experiment.model_copy(update={"readers": (off, other.model_copy(update={"n_gpu_layers": 0}))})
    assert "Readers run on the CPU, as `n_gpu_layers = 0` says." in lines_of(kept_off, scripted.session)
    one_of_two = experiment.model_copy(update={"readers": (off, other)})
    assert "Readers run on a script." in lines_of(one_of_two, scripted.session)

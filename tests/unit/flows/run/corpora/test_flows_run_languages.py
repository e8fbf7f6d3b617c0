"""A corpus, labels and prompts in another language and script, end to end on a scripted reader."""

import json

import pytest

from flows.planning.checking.input_check import check_input
from flows.planning.plan import plan
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

pytestmark = pytest.mark.usefixtures("no_plots")

# Labels, a document, a question and a prompt file; original sentences.
CORPORA = {
    "ja": (
        ("はい", "いいえ", "不明"),
        "{n}番の船は毎朝北の港を出て、昼前に戻ります。切符は船の中で買えます。",
        "{n}番の船は昼前に戻りますか。",
        "文章についての質問に答えてください。\n===\n文章：\n{context}\n\n質問：{question}\n"
        "次のどれか一つだけで答えてください：{options:または}。\n===\n答え：\n",
    ),
    "ar": (
        ("نعم", "لا"),
        "تغادر السفينة رقم {n} الميناء الشمالي كل صباح وتعود قبل الظهر. يمكن شراء التذاكر على متنها.",
        "هل تعود السفينة رقم {n} قبل الظهر؟",
        "أجب عن الأسئلة التي تتعلق بالنص التالي.\n===\nالنص:\n{context}\n\nالسؤال: {question}\n"
        "أجب بواحد فقط من هذه الخيارات: {options:أو}.\n===\nالجواب:\n",
    ),
    "ru": (
        ("да", "нет"),
        "Паром номер {n} каждое утро уходит с северного причала и возвращается до полудня.",
        "Возвращается ли паром номер {n} до полудня?",
        "Ты отвечаешь на вопросы о тексте.\n===\nТекст:\n{context}\n\nВопрос: {question}\n"
        "Ответь одним из этих слов: {options:или}.\n===\nОтвет:\n",
    ),
}


@pytest.mark.parametrize("code", CORPORA)
def test_labels_and_prompts_of_any_script_come_through(code, tmp_path):
    labels, text, question, prompt = CORPORA[code]
    rows = [{"id": f"d{n}", "text": text.format(n=n)} for n in range(6)]
    asked = [
        {"id": f"q{n}", "text": question.format(n=n), "document_ids": f"d{n}", "reference": labels[n % 2]}
        for n in range(6)
    ]
    for table, content in (("documents", rows), ("questions", asked)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        (tmp_path / f"{table}.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "prompt.txt").write_text(prompt, encoding="utf-8")
    experiment = parse_experiment(
        {
            "name": "ferries",
            "corpus": {"source": "tables", "path": str(tmp_path), "labels": list(labels)},
            "retrieval": {"splitters": ["sentences"], "sizes": [8], "k": [1], "budgets": [], "controls": []},
            "calibration": {"per_label": 0},
            "scoring": {"n_resamples": 100},
            "readers": [
                {"model": "told", "prompts": [str(tmp_path / "prompt.txt")]},
                {"model": "english"},
            ],
        },
        "the test",
    )

    def right(_, prompt):
        return tuple(
            0.9 if at == int(prompt.question_id[1:]) % 2 else 0.1 / (len(labels) - 1) for at in range(len(labels))
        )

    opened = scripted_session(tmp_path / "runs", right)
    (note,) = [one for one in plan(experiment, "run", opened.session).notes if "the prompts of the readers" in one]
    outcome = execute(experiment, "run", opened.session, Runner())
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    assert note in manifest["warnings"]
    assert "(english in English)" in note  # the other reader is asked in the language of the documents
    assert manifest["corpus"]["languages"] == {code: 6}
    shown = next(one.message for one in opened.readers.asked if one.start.startswith(prompt.split()[-1][:3]))
    assert all(label in shown for label in labels)
    report = (outcome.folder / "report.md").read_text(encoding="utf-8")
    assert all(label in report for label in labels[:2])
    assert "100 % right" in report


GERMAN = "Die Fähre {n} verlässt jeden Morgen den nördlichen Anleger und kehrt vor Mittag zurück."


def test_check_names_the_bundled_prompts_of_the_language(tmp_path):
    (tmp_path / "documents.jsonl").write_text(
        "".join(json.dumps({"id": f"d{n}", "text": GERMAN.format(n=n)}) + "\n" for n in range(4)), encoding="utf-8"
    )
    (tmp_path / "questions.jsonl").write_text(
        "".join(json.dumps({"id": f"q{n}", "text": "Wann?", "document_ids": f"d{n}"}) + "\n" for n in range(4))
    )
    session = scripted_session(tmp_path / "runs", lambda *_: (1.0, 0.0, 0.0)).session

    def notes(prompts):
        (tmp_path / "mine.toml").write_text(
            '[corpus]\nsource = "tables"\npath = "."\n[retrieval]\nsizes = [8]\nbudgets = [8]\n'
            f'[[readers]]\nmodel = "one"\n{prompts}\n'
        )
        checked = check_input(tmp_path / "mine.toml", lambda *_: session)
        assert checked.mistakes == []
        return [one for one in checked.notes if "prompts" in one]

    (line,) = notes("")
    assert line == (
        f"{tmp_path.name}: most of the text is in German, and the prompts of the readers are not (one in English). "
        "Prompts in German are bundled: one_word_de, according_de and judge_de; name one, or all, in `prompts`."
    )
    assert notes('prompts = ["one_word_de"]') == []
    (line,) = notes('mode = "generate"')
    assert line.endswith("A prompt file in German can be named in `prompts`.")

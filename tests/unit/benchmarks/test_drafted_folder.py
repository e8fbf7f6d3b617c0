"""The page on a folder's drafts counts what a person read, kept or dropped, and nothing else."""

import json

from click.testing import CliRunner

from tests.benchmarks.drafted_folder import main

DRAFTS = [("a", "de", "fact", "kept"), ("b", "de", "number", "kept"), ("c", "en", "fact", "its kind"),
          ("d", "en", "fact", "written")]  # fmt: skip


def test_what_was_kept_is_told_from_what_was_dropped(tmp_path):
    report = {
        "reader": {"name": "r"}, "drafted": 4, "filters": [{"filter": "its kind", "asks": "x", "left": 2}],
        "answers": {}, "kinds": {}, "documents": {"all": 2, "with_questions": 1},
        "drafts": [{"id": name, "text": f"Is {name} so?", "document_id": "d", "language": language, "kind": kind,
                    "answer": "yes", "fate": fate} for name, language, kind, fate in DRAFTS],
    }  # fmt: skip
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    checks = "id,verdict,note\na,right,\nb,wrong,other number\nc,unclear,\n"
    (tmp_path / "checks.csv").write_text(checks, encoding="utf-8")
    made = CliRunner().invoke(main, [str(tmp_path / "report.json"), "--checks", str(tmp_path / "checks.csv")])
    assert made.exit_code == 0, made.output
    lines = made.output.splitlines()
    assert "3 of 4 drafts were read, whatever became of them." in lines
    assert "* Kept: 1 right, 1 wrong, 0 unclear of 2: 0.50 right (0.01 to 0.99, exact)." in lines
    assert "* Dropped: 0 right, 0 wrong, 1 unclear of 1: 0.00 right (0.00 to 0.97, exact)." in lines
    assert "| dropped: its kind | 0 | 0 | 1 |" in lines
    assert "| German | 2 | 2 | 1 | 1 |" in lines
    assert "| d | Is b so? | yes | kept | wrong | other number |" in lines
    assert not any("Is d so?" in line for line in lines)

"""Fetching a published corpus, from a server on this machine: nothing but the right bytes is ever accepted."""

import io
import json
import zipfile
from contextlib import nullcontext

import polars as pl
import pytest
from filelock import FileLock

from corpora.errors import InputError
from corpora.published import download, fetch, making
from corpora.published.fetch import fetch_corpus
from corpora.published.registry import CorpusFile, Download, PublishedCorpus, verify
from corpora.storage import sha256_bytes, sha256_text
from tests.doubles.publisher import Publisher

TEXT = b"The depot opens at seven.\n" * 40
IDS = b'{"1": "yes"}'


@pytest.fixture(scope="module")
def client():
    """The real client, opened once: it reads all certificates of the system."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        with download.opened_client() as one:
            yield one


@pytest.fixture
def publisher(monkeypatch, tmp_path, client):
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "opened_client", lambda: nullcontext(client))
    with Publisher() as one:
        one.files = {"text.json": TEXT, "ids.json": IDS}
        yield one


@pytest.fixture
def said():
    return []


def pinned(path, content, **more):
    return Download(path=path, keep=path, sha256=sha256_bytes(content), bytes=len(content), **more)


def corpus_at(*at, **changed):
    of_two = {"downloads": (pinned("text.json", TEXT), pinned("ids.json", IDS))}
    return PublishedCorpus(
        **{"name": "depot", "source": "tables", "folder": "depot", "what": "Depots", "licence": "MIT", "at": at}
        | of_two
        | changed
    )


def files_under(folder):
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_right_files_are_put_in_their_folder_and_nothing_else_stays(publisher, said, tmp_path):
    folder = fetch_corpus(corpus_at(publisher.address), said.append)
    assert folder == tmp_path / "cache" / "corpora" / "depot"
    assert (folder / "text.json").read_bytes() == TEXT
    assert files_under(tmp_path / "cache") - {"corpora/.depot.lock"} == {
        "corpora/depot/text.json", "corpora/depot/ids.json",
    }  # fmt: skip
    assert said[-1] == f"depot: {len(TEXT) + len(IDS)} bytes, digests verified, in {folder}"


def test_a_second_fetch_asks_for_nothing(publisher, said):
    corpus = corpus_at(publisher.address)
    fetch_corpus(corpus, said.append)
    publisher.asked.clear()
    fetch_corpus(corpus, said.append)
    assert publisher.asked == []
    assert said[-1] == "depot: already here, digests verified"


def test_a_fetched_file_with_other_bytes_is_refused_and_once_it_is_deleted_fetched_again(publisher, said):
    corpus = corpus_at(publisher.address)
    file = fetch_corpus(corpus, said.append) / "text.json"
    file.write_bytes(TEXT[::-1])
    with pytest.raises(InputError, match=r"delete it and run `tercet corpora fetch depot`"):
        fetch_corpus(corpus, said.append)
    assert file.read_bytes() == TEXT[::-1]
    file.unlink()
    fetch_corpus(corpus, said.append)
    assert file.read_bytes() == TEXT


def test_a_wrong_digest_is_refused_and_the_file_deleted(publisher, said, tmp_path):
    publisher.files["text.json"] = TEXT[::-1]
    corpus = corpus_at(publisher.address)
    told = f"expected sha256 {sha256_bytes(TEXT)} for depot; run `tercet corpora fetch depot` again, because"
    with pytest.raises(InputError, match=told):
        fetch_corpus(corpus, said.append)
    assert not corpus.path.exists()
    assert files_under(tmp_path / "cache") == {"corpora/.depot.lock"}
    publisher.files["text.json"] = TEXT
    assert (fetch_corpus(corpus, said.append) / "text.json").read_bytes() == TEXT


def test_what_broke_off_is_continued_and_what_was_complete_is_kept(publisher, said):
    corpus = corpus_at(publisher.address, downloads=(pinned("ids.json", IDS), pinned("text.json", TEXT)))
    publisher.breaks_after = {"text.json": 300}
    with pytest.raises(InputError, match=r"broke off .*300 bytes are here.*run the same command again") as broken:
        fetch_corpus(corpus, said.append)
    assert "\n" not in str(broken.value)
    assert not corpus.path.exists()
    publisher.asked.clear()
    assert (fetch_corpus(corpus, said.append) / "text.json").read_bytes() == TEXT
    assert publisher.asked == [("text.json", "bytes=300-")]


def test_a_server_that_cannot_continue_sends_the_whole_file(publisher, said):
    publisher.breaks_after, publisher.continues = {"text.json": 300}, False
    with pytest.raises(InputError, match="broke off"):
        fetch_corpus(corpus_at(publisher.address), said.append)
    assert (fetch_corpus(corpus_at(publisher.address), said.append) / "text.json").read_bytes() == TEXT


@pytest.mark.parametrize("n_here", [300, len(TEXT)], ids=["a part", "the whole"])
def test_the_rest_of_a_file_of_unknown_size_is_asked_for(publisher, said, n_here, tmp_path):
    corpus = corpus_at(publisher.address, downloads=(Download(path="text.json", keep="text.json"),))
    part = tmp_path / "cache/corpora/.depot.partial/downloads/text.json.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(TEXT[:n_here])
    assert (fetch_corpus(corpus, said.append) / "text.json").read_bytes() == TEXT
    assert publisher.asked == [("text.json", f"bytes={n_here}-")]


def test_the_beginning_of_what_is_another_file_by_now_is_dropped(publisher, said, tmp_path):
    corpus = corpus_at(publisher.address, downloads=(Download(path="text.json", keep="text.json"),))
    part = tmp_path / "cache/corpora/.depot.partial/downloads/text.json.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(TEXT + TEXT)
    with pytest.raises(InputError, match="is another file by now"):
        fetch_corpus(corpus, said.append)
    assert (fetch_corpus(corpus, said.append) / "text.json").read_bytes() == TEXT


def test_a_file_that_is_not_there_is_one_line(publisher, said):
    del publisher.files["text.json"]
    with pytest.raises(InputError, match=r"text\.json answered 404 Not Found: expected the file; .*--data") as refused:
        fetch_corpus(corpus_at(publisher.address), said.append)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_large_is_not_taken(publisher, said, says_length, tmp_path):
    publisher.files["text.json"], publisher.says_length = TEXT * 1000, says_length
    with pytest.raises(InputError, match=f"delivers more than {len(TEXT)} bytes"):
        fetch_corpus(corpus_at(publisher.address), said.append)
    assert files_under(tmp_path / "cache") == {"corpora/.depot.lock"}


def test_a_file_of_unknown_size_has_a_limit_too(publisher, said, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        fetch_corpus(corpus_at(publisher.address, downloads=(Download(path="text.json", keep="t"),)), said.append)


def test_a_file_that_is_cut_short_is_refused(publisher, said):
    publisher.files["text.json"] = TEXT[:-1]
    with pytest.raises(InputError, match=rf"has {len(TEXT) - 1} bytes: expected {len(TEXT)} bytes for depot"):
        fetch_corpus(corpus_at(publisher.address), said.append)


def test_nobody_at_the_address_is_one_line(publisher, said):
    nobody = publisher.address
    publisher.__exit__()
    with pytest.raises(InputError, match=r"did not answer \(ConnectError; 0 bytes are here\)") as refused:
        fetch_corpus(corpus_at(nobody), said.append)
    assert "\n" not in str(refused.value)
    publisher.__enter__()


def test_the_next_address_is_tried_and_said(publisher, said):
    corpus = corpus_at(f"{publisher.address}gone/", publisher.address)
    assert (fetch_corpus(corpus, said.append) / "text.json").read_bytes() == TEXT
    assert any(line.endswith("Trying the next address.") and "404" in line for line in said)


def test_a_download_that_fails_is_replaced_by_the_other_one(publisher, said):
    publisher.files["other.json"] = b"the same in another form"
    first = Download(path="gone.json", otherwise=Download(path="other.json", keep=""))
    fetch_corpus(corpus_at(publisher.address, downloads=(pinned("ids.json", IDS), first)), said.append)
    assert publisher.asked == [("ids.json", None), ("gone.json", None), ("other.json", None)]


def test_an_unknown_digest_is_recorded_and_holds_from_then_on(publisher, said):
    corpus = corpus_at(publisher.address, downloads=(Download(path="text.json", keep="text.json"),))
    folder = fetch_corpus(corpus, said.append)
    assert f"depot: no digest was known; recorded the sha256 {sha256_bytes(TEXT)} of text.json" in said
    (folder / "text.json").write_bytes(TEXT[::-1])
    with pytest.raises(InputError, match=f"expected sha256 {sha256_bytes(TEXT)} .*tercet corpora fetch depot"):
        verify(corpus, folder)


def test_a_recorded_digest_still_holds_when_a_deleted_file_is_fetched_again(publisher, said):
    corpus = corpus_at(publisher.address, downloads=(Download(path="new/text.json", keep="text.json"),))
    publisher.files["new/text.json"] = TEXT
    folder = fetch_corpus(corpus, said.append)
    assert said[-1].startswith(f"depot: {len(TEXT)} bytes")  # the record of the digest is not counted
    for content in (TEXT[::-1], TEXT):
        (folder / "text.json").unlink(missing_ok=True)
        publisher.files["new/text.json"] = content
        came = f"text.json came with sha256 {sha256_bytes(content)}: expected sha256 {sha256_bytes(TEXT)}, as at its"
        with nullcontext() if content == TEXT else pytest.raises(InputError, match=came):
            fetch_corpus(corpus, said.append)
    verify(corpus, folder)
    assert sum("no digest was known" in line for line in said) == 1


def test_a_recorded_digest_of_a_file_that_is_made_holds_too(boolq, said, publisher):
    folder = fetch_corpus(boolq, said.append)
    (folder / "questions.jsonl").unlink()
    publisher.files["dev.jsonl"] = publisher.files["dev.jsonl"].replace(b"Depot", b"Station")
    with pytest.raises(InputError, match=r"documents.jsonl came with sha256 .*documents.jsonl.sha256 to accept it"):
        fetch_corpus(boolq, said.append)
    (folder / "documents.jsonl.sha256").unlink()
    assert lines_of(fetch_corpus(boolq, said.append) / "documents.jsonl")[1]["title"] == "Station"


def test_a_fetch_beside_another_one_is_refused(publisher, said):
    corpus = corpus_at(publisher.address)
    corpus.path.parent.mkdir(parents=True)
    with FileLock(corpus.path.with_name(".depot.lock")), pytest.raises(InputError, match="another process is fetching"):
        fetch_corpus(corpus, said.append)
    assert publisher.asked == []


def zipped(members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


def archived(publisher, members, *files):
    publisher.files["depot.zip"] = content = zipped(members)
    one = Download(path="depot.zip", sha256=sha256_bytes(content), bytes=len(content))
    return corpus_at(publisher.address, downloads=(one,), make="zip", files=files)


def test_of_an_archive_only_the_files_of_the_corpus_are_opened(publisher, said):
    text = CorpusFile(path="qrels/text.json", sha256=sha256_bytes(TEXT), bytes=len(TEXT))
    corpus = archived(publisher, {"depot/qrels/text.json": TEXT, "../evil": b"x", "depot/more": b"y"}, text)
    assert files_under(fetch_corpus(corpus, said.append)) == {"qrels/text.json"}


def test_a_member_of_another_size_is_not_unpacked(publisher, said):
    corpus = archived(publisher, {"depot/text.json": bytes(10**6)}, CorpusFile(path="text.json", bytes=10))
    with pytest.raises(InputError, match=r"depot\.zip holds no depot/text\.json of 10 bytes"):
        fetch_corpus(corpus, said.append)
    assert not corpus.path.exists()


ROWS = [
    {"question": "is it open", "title": "Depot", "answer": True, "passage": "It is “open”."},
    {"question": "is it shut", "title": "Depot", "answer": False, "passage": "It is “open”."},
    {"question": "is it red", "title": "Barn", "answer": True, "passage": "Barns are red."},
]


@pytest.fixture
def boolq(monkeypatch, tmp_path, publisher):
    """BoolQ of three questions, two of which are listed, and what becomes of them."""
    listed = [("q-7", ROWS[2]), ("q-9", ROWS[1])]
    lines = [f"{name} {sha256_text(row['question'] + chr(10) + row['passage'])[:16]}" for name, row in listed]
    (tmp_path / "boolq.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(making, "_BOOLQ", tmp_path / "boolq.txt")
    publisher.files["dev.jsonl"] = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    otherwise = Download(path="v.parquet")
    one = Download(path="dev.jsonl", otherwise=otherwise)
    files = (CorpusFile(path="documents.jsonl"), CorpusFile(path="questions.jsonl"))
    return corpus_at(publisher.address, downloads=(one,), make="boolq", files=files)


def lines_of(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_listed_questions_of_boolq_become_two_tables(boolq, said):
    folder = fetch_corpus(boolq, said.append)
    questions, documents = lines_of(folder / "questions.jsonl"), lines_of(folder / "documents.jsonl")
    assert [(one["id"], one["text"], one["reference"]) for one in questions] == [
        ("q-7", "is it red", "yes"), ("q-9", "is it shut", "no"),
    ]  # fmt: skip
    listed = [(ROWS[n]["title"], ROWS[n]["passage"]) for n in (2, 1)]
    assert [(one["title"], one["text"]) for one in documents] == listed
    assert [one["document_ids"] for one in questions] == [[one["id"]] for one in documents]


def test_boolq_from_the_hub_has_the_same_questions_and_texts(boolq, said, publisher):
    theirs = fetch_corpus(boolq, said.append)
    del publisher.files["dev.jsonl"]
    exported = io.BytesIO()
    pl.DataFrame([{key: row[key] for key in ("question", "answer", "passage")} for row in ROWS]).write_parquet(exported)
    publisher.files["v.parquet"] = exported.getvalue()
    hubs = fetch_corpus(boolq.model_copy(update={"folder": "hub"}), said.append)
    assert (hubs / "questions.jsonl").read_bytes() == (theirs / "questions.jsonl").read_bytes()
    untitled = [{"id": one["id"], "text": one["text"]} for one in lines_of(theirs / "documents.jsonl")]
    assert lines_of(hubs / "documents.jsonl") == untitled


@pytest.mark.parametrize(
    ("rows", "told"),
    [(ROWS[:2], "lacks question q-7"), ([{"label": 1}], r"row 1 of BoolQ as it came has other columns \(label\)")],
    ids=["a question is missing", "other columns"],
)
def test_another_file_in_the_place_of_boolq_is_one_line(boolq, said, publisher, rows, told):
    right = publisher.files["dev.jsonl"]
    publisher.files["dev.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    with pytest.raises(InputError, match=told):
        fetch_corpus(boolq, said.append)
    assert not boolq.path.exists()
    publisher.files["dev.jsonl"] = right  # what came before is not kept
    assert len(lines_of(fetch_corpus(boolq, said.append) / "questions.jsonl")) == 2


def test_files_that_come_out_wrong_are_refused_and_fetched_anew(boolq, said, publisher):
    other = boolq.model_copy(update={"files": (CorpusFile(path="questions.jsonl", sha256="0" * 64),)})
    with pytest.raises(InputError, match=r"questions\.jsonl has sha256 .*; run again, and update Tercet if"):
        fetch_corpus(other, said.append)
    assert not other.path.exists()
    publisher.asked.clear()
    fetch_corpus(boolq, said.append)
    assert publisher.asked == [("dev.jsonl", None)]


PROMPTS = "PromptID,PMCID,Outcome,Intervention,Comparator\r\n1,10,pain,tea,milk\r\n2,10,nap,tea,milk\r\n3,11,a,b,c\r\n"
ANNOTATIONS = 'UserID,PromptID,PMCID,Label,Annotations\n0,1,10,no significant difference,"p\n= 1"\n0,3,11,no,x\n'


def test_of_evidence_inference_the_annotated_prompts_of_the_listed_articles_are_kept(publisher, said):
    publisher.files |= {
        "prompts_merged.csv": PROMPTS.encode(), "v2_annotations.csv": ANNOTATIONS.encode(), "PMC10.txt": TEXT,
        "splits/ev2_train_article_ids.txt": b"11\n10", "splits/ev2_validation_article_ids.txt": b"12\n",
    }  # fmt: skip
    made = ["prompts_merged.csv", "v2_annotations.csv", "ev2_train_article_ids.txt", "ev2_validation_article_ids.txt"]
    paths = [*made[:2], *(f"splits/{name}" for name in made[2:])]
    downloads = (*(Download(path=path) for path in paths), pinned("PMC10.txt", TEXT))
    corpus = corpus_at(
        publisher.address, downloads=downloads, make="evidence_inference",
        files=[CorpusFile(path=name) for name in made],
    )  # fmt: skip
    folder = fetch_corpus(corpus, said.append)
    assert (folder / "prompts_merged.csv").read_bytes() == "".join(PROMPTS.splitlines(True)[:2]).encode()
    kept = 'UserID,PromptID,PMCID,Label,Annotations\r\n0,1,10,no significant difference,"p\n= 1"\r\n'
    assert (folder / "v2_annotations.csv").read_bytes() == kept.encode()
    assert (folder / "ev2_train_article_ids.txt").read_bytes() == b"10"
    assert (folder / "ev2_validation_article_ids.txt").read_bytes() == b""
    assert (folder / "PMC10.txt").read_bytes() == TEXT


def test_the_hosts_of_a_corpus_are_all_that_may_be_asked():
    last = Download(path="c", at=("https://c.example/",))
    second = Download(path="b", at=("https://b.example/x/", "https://a.example/y/"), otherwise=last)
    corpus = corpus_at("https://a.example/", downloads=(Download(path="a", otherwise=second), pinned("t", TEXT)))
    assert corpus.hosts == ("a.example", "b.example", "c.example")

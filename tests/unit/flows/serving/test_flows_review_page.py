"""The review page without a browser: every label is kept before the next item, and nobody else is let in."""

import re
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from flows.run.review.opened import open_review
from flows.serving.access import Access
from flows.serving.review.app import ENTER, Door, review_app
from flows.serving.review.desk import Desk
from flows.serving.review.server import told
from results.gold.review.storage import ReviewFolder
from tests.doubles.reviews import finished_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of eight questions, opened."""
    return open_review(finished_run(tmp_path_factory.mktemp("page") / "runs", 8))


@pytest.fixture
def desk(run, tmp_path):
    """Its desk, with labels of this test's own."""
    return Desk(run._replace(store=ReviewFolder(tmp_path / "reviews")))


@pytest.fixture
def door():
    return Door(4202, Access("tercet:password", "the code", is_chosen=False))


@pytest.fixture
def browser(desk, door):
    """A browser, not let in yet."""
    return TestClient(review_app(desk, door), door.address, headers={"Origin": door.address}, follow_redirects=True)


@pytest.fixture
def user(browser):
    browser.post("/enter", data={"code": "the code"})
    return browser


def words(answer):
    return " ".join(re.sub(r"<(script|style)>.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL).split())


def give(user, place, label, reviewer="ann", desk=None, **form):
    return user.post(f"/by/{reviewer}/{place}", data={"digest": desk.digest(place), "label": label, **form})


def test_each_label_is_kept_before_the_next_item_is_shown(user, desk):
    page = user.post("/start", data={"reviewer": " ann "})
    assert page.url.path == "/by/ann/1"
    assert desk.item(1).question in page.text
    page = give(user, 1, "2", desk=desk, note="a\r\nb")
    assert page.url.path == "/by/ann/2"
    (kept,) = desk._opened.store.read().rows(named=True)
    assert (kept["label"], kept["note"], kept["reviewer"], kept["origin"]) == (desk.labels[1], "a\nb", "ann", "page")
    assert kept["reason"] == desk.item(1).row["reason"]
    assert kept["text_digest"] == desk.digest(1)


def test_a_reviewer_goes_on_where_they_stopped_and_back_to_correct(user, desk):
    for place in (1, 2):
        give(user, place, "1", desk=desk)
    assert user.get("/by/ann").url.path == "/by/ann/3"
    assert user.get("/by/bob").url.path == "/by/bob/1"
    back = user.get("/by/ann/2")
    assert f"You said {desk.labels[0]}" in words(back)
    assert give(user, 2, "3", desk=desk).url.path == "/by/ann/3"
    assert desk.decisions()["ann"][2].label == desk.labels[2]
    assert len(desk._opened.store.read()) == 3, "nothing is written over"


def test_what_was_skipped_comes_again_only_when_asked_for(user, desk):
    for place in range(1, len(desk) + 1):
        page = give(user, place, "skip" if place == 4 else "1", desk=desk)
    assert f"{len(desk)} of {len(desk)} reviewed, 1 skipped" in words(page)
    assert page.url.path == "/by/ann"
    assert user.get("/by/ann/skipped").url.path == "/by/ann/4"
    give(user, 4, "1", desk=desk)
    assert user.get("/by/ann/skipped").url.path == "/by/ann"
    assert f"ann : {len(desk)} of {len(desk)}" in words(user.get("/"))


def test_a_label_given_elsewhere_meanwhile_is_not_asked_again(user, desk, run):
    other = Desk(run._replace(store=ReviewFolder(desk._opened.store.folder)))
    other.keep("ann", 1, desk.labels[0], "")
    assert user.get("/by/ann").url.path == "/by/ann/2"


def test_a_form_that_our_page_does_not_send_keeps_nothing(user, desk):
    for form, status in (
        ({"label": "9"}, 400), ({"label": "0"}, 400), ({"label": ""}, 400), ({"label": "yes"}, 400),
        ({"label": "²"}, 400), ({"label": "0002222"}, 400), ({"label": "1" * 5000}, 400),
        ({"label": "1", "digest": "of another queue"}, 409),
        ({"label": "1", "note": "x" * 10_001}, 400), ({"label": "1", "note": "x" * 1_000_001}, 400),
    ):  # fmt: skip
        assert user.post("/by/ann/1", data={"digest": desk.digest(1), **form}).status_code == status, form
    assert desk.decisions() == {}


def test_an_address_that_is_none_ends_in_a_page_and_not_in_a_fault(user):
    for path in ("/by/ann/0", "/by/ann/999", "/by/..%2Fann/1", "/by/%00/1", "/by/ann/x", f"/by/ann/{'1' * 5000}"):
        assert user.get(path).status_code in (400, 404), path


def test_a_name_that_cannot_be_kept_is_refused_beside_the_field(user):
    page = user.post("/start", data={"reviewer": "../ann"})
    assert page.status_code == 400
    assert "the reviewer name &#39;../ann&#39;" in page.text


def test_a_full_disk_is_said_and_the_note_stays_in_its_field(user, desk):
    desk._opened.store.folder.write_text("no folder")
    page = give(user, 1, "1", desk=desk, note="half an hour of work")
    assert page.status_code == 500
    assert "cannot keep labels in" in page.text
    assert "half an hour of work</textarea>" in page.text


def test_text_of_the_corpus_is_text_on_the_page(desk, user, monkeypatch):
    evil = "</textarea><script>alert(1)</script>\u202e\x00"
    item = desk.item(1)
    segments = [item.documents[0].segments[0]._replace(text=evil)]
    shown = item._replace(
        question=evil, documents=[item.documents[0]._replace(document_id=evil, segments=segments)],
        row={**item.row, "votes": [evil], "label": evil, "reference": evil},
    )  # fmt: skip
    monkeypatch.setattr(desk, "item", lambda _: shown)
    page = user.get("/by/ann/1").text
    assert "alert(1)</script>" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 5
    assert not {"\u202e", "\x00"} & set(page)


def test_evidence_is_highlighted_where_it_is_in_the_text(desk):
    n_marked = 0
    for place in range(1, len(desk) + 1):
        item = desk.item(place)
        spans = desk._questions[item.row["question_id"]]["evidence"] or ()
        for document in item.documents:
            text = desk._opened.items.texts[document.document_id]
            marked = [part.text for part in document.segments if part.is_evidence]
            assert "".join(part.text for part in document.segments) == text
            mine = sorted((one["start"], one["end"]) for one in spans if one["document_id"] == document.document_id)
            assert "".join(marked) == "".join(text[start:end] for start, end in mine)
            n_marked += len(marked)
        assert item.is_marked == bool(spans)
    assert n_marked


def test_the_votes_are_folded_away_until_they_are_asked_for(user, desk):
    page = user.get("/by/ann/1").text
    folded = re.search(r'<details id="votes">.*?</details>', page, re.DOTALL)
    assert "Votes:" in folded[0]
    assert desk.item(1).row["reason"] not in re.sub(r"(?s)<style>.*?</style>", "", page).replace(folded[0], "")


def test_the_address_lets_in_one_browser_and_the_password_others(desk, door):
    app = review_app(desk, door)
    first, second = (TestClient(app, door.address, headers={"Origin": door.address}) for _ in range(2))
    assert first.get("/").status_code == 403
    assert first.post("/enter", data={"code": "the code"}, follow_redirects=False).headers["location"] == "/"
    assert first.get("/").status_code == 200
    answer = second.post("/enter", data={"code": "the code"})
    assert answer.status_code == 403
    assert "This address was used before" in answer.text
    assert second.post("/enter", data={"password": "wrong"}).status_code == 403
    assert second.post("/enter", data={"password": "tercet:password"}).status_code == 200
    cookie = door.cookie
    assert "HttpOnly" in str(first.cookies.jar) or cookie in first.cookies


def test_a_form_at_the_door_that_is_none_ends_in_a_page(browser):
    for content in (
        b"code=\xff\xfe",
        b"&".join(b"a%d=1" % number for number in range(50)),
        b"code=" + b"x" * 1_100_000,
    ):
        answer = browser.post(ENTER, content=content, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status_code in (200, 400), content[:20]


def test_a_browser_that_was_not_let_in_sees_nothing_and_keeps_nothing(browser, desk):
    for path in ("/", "/by/ann", "/by/ann/1", "/by/ann/skipped"):
        answer = browser.get(path)
        assert answer.status_code == 403
        assert desk.item(1).question not in answer.text
    assert give(browser, 1, "1", desk=desk).status_code == 403
    assert desk.decisions() == {}


def test_a_form_of_another_origin_keeps_nothing(user, desk):
    del user.headers["Origin"]
    assert give(user, 1, "1", desk=desk).status_code == 403
    for origin in ("http://evil.example", "null", "http://127.0.0.1:4203", "https://127.0.0.1:4202", ""):
        user.headers["Origin"] = origin
        assert give(user, 1, "1", desk=desk).status_code == 403, origin
    assert desk.decisions() == {}


def test_a_foreign_name_that_points_here_is_refused(user):
    assert user.get("/", headers={"Host": "evil.example:4202"}).status_code == 400
    assert user.get("/", headers={"Host": "localhost:4202"}).status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(user, browser):
    for answer in (user.get("/by/ann/1"), user.get("/nowhere")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-store"
    page = user.get("/by/ann/1").text
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_names_of_all_kinds_have_an_address(user, desk):
    name = "Zoë + 李雷@example.org"
    page = user.post("/start", data={"reviewer": name})
    assert page.url.path == f"/by/{quote(name, safe='')}/1" or page.status_code == 200
    assert give(user, 1, "1", reviewer=quote(name, safe=""), desk=desk).status_code == 200
    assert list(desk.decisions()) == [name]


def test_a_name_in_other_letters_is_asked_for_again(user, desk):
    assert give(user, 1, "1", reviewer="ann", desk=desk).status_code == 200
    page = user.post("/start", data={"reviewer": "ANN"})
    assert page.status_code == 400
    assert "which differs from &#39;ann&#39; only in capitals or the form of letters" in page.text
    assert user.get("/by/ANN/1").status_code == user.get("/by/ANN").status_code == 400
    assert give(user, 1, "2", reviewer="ANN", desk=desk).status_code == 400
    assert list(desk.decisions()) == ["ann"]


def test_the_password_is_printed_for_a_terminal_only(door):
    printed = " ".join(told(door, to_terminal=True))
    assert "http://127.0.0.1:4202/enter#the code" in printed
    assert "tercet:password" in printed
    assert "tercet:password" not in " ".join(told(door, to_terminal=False))
    chosen = Door(4202, Access("tercet:password", "the code", is_chosen=True))
    assert "tercet:password" not in " ".join(told(chosen, to_terminal=True))
    assert "tercet:password" not in f"{door} {chosen}"
    assert door.token not in f"{door}"

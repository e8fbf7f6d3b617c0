"""Replies without bound, over loopback: each ends in one line, at once, with nothing paid twice."""

import gzip
import json
from itertools import chain

import pytest

from corpora.errors import InputError
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.wire.policy import Policy
from tests.doubles.rude import PAUSE, Rude, endless, head, whole

KEY = "key-of-nobody-4711"
BODY = {"model": "m", "messages": [{"role": "user", "content": "Is it so?"}]}
TINY = Policy(seconds=30, reply_bytes=10_000, file_bytes=200_000, pages=3, depth=10)
HURRIED = Policy(seconds=0.2, bytes_per_second=1e6)
ANSWER = {"choices": [{"message": {"content": "yes"}}]}


@pytest.fixture(params=["groq", "server"])
def kind(request, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    return request.param


def open_at(server, kind, policy=TINY):
    url = server.url if kind == "groq" else f"{server.url}/v1"
    return Provider(RemoteConfig(provider=kind, base_url=url, key_variable="MY_KEY", timeout=60), policy)


def told(server, kind, call=lambda provider: provider.chat(BODY, "vote-1"), policy=TINY):
    """The error of a call and the line that a user sees; the server was asked once."""
    with server:
        provider = open_at(server, kind, policy)
        with pytest.raises(ProviderError) as caught:
            call(provider)
        assert len(server.asked) == 1
    return caught.value, str(provider.explain(caught.value, "m"))


UNBOUNDED = {
    "gzip bomb": (lambda: [head(200, "Content-Encoding: gzip"), gzip.compress(bytes(10**7))], "more than 10000 bytes"),
    "endless body": (lambda: chain([head()], endless(b" " * 1000)), "more than 10000 bytes"),
    "endless error": (lambda: chain([head(500)], endless(b" " * 1000)), "more than 10000 bytes"),
    "brotli": (lambda: whole(b"x", 200, "Content-Encoding: br"), "encoding 'br'"),
    "deep nesting": (lambda: whole(b"[" * 4000), "nests more than 10 deep"),
    "deep answer": (lambda: whole(b'{"a":' * 11 + b"1" + b"}" * 11), "nests more than 10 deep"),
    "long number": (lambda: whole(b'{"choices": %s}' % (b"9" * 400)), "a number of 400 digits"),
    "very long number": (lambda: whole(b'{"choices": %s}' % (b"9" * 5000)), "a number of 5000 digits"),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_a_reply_without_bound_is_one_line_and_is_not_asked_for_again(name, kind):
    pieces, found = UNBOUNDED[name]
    error, line = told(Rude(lambda _: pieces()), kind)
    assert (error.status, error.sent, error.is_transient) == (None, True, False)
    assert found in line
    assert "\n" not in line


DRIPS = {
    "body": lambda: chain([head()], endless(b" ")),
    "headers": lambda: chain([b"HTTP/1.1 200 x\r\nX-Long: "], endless(b"a")),
    "error": lambda: chain([head(503)], endless(b" ")),
    "nothing": lambda: chain([b"HTTP/1.1 200"], endless(b"")),
}


@pytest.mark.parametrize("name", DRIPS)
def test_a_drip_ends_when_the_time_for_a_call_is_over(name, kind):
    error, line = told(Rude(lambda _: DRIPS[name](), PAUSE), kind, policy=HURRIED)
    assert (error.status, error.sent, error.is_transient) == (None, True, False)
    assert "no complete reply within 0.2 seconds" in line


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("same", [False, True], ids=["another origin", "same origin"])
def test_no_redirect_is_followed(status, same, kind):
    with Rude(lambda _: whole(json.dumps(ANSWER).encode())) as other:
        here = Rude(lambda _: whole(b"", status, f"Location: {here.url if same else other.url}/v1/elsewhere"))
        error, line = told(here, kind)
        assert other.asked == []
    assert (error.status, error.sent, error.is_transient) == (status, False, False)
    assert f"{here.url if same else other.url}/v1/elsewhere" in line


@pytest.mark.parametrize("call", [lambda provider: provider.models(), lambda provider: list(provider.batches())])
def test_a_list_is_bounded_as_every_reply_is(call, kind):
    error, _ = told(Rude(lambda _: chain([head()], endless(b" " * 1000))), kind, call)
    assert error.expected == "a reply of at most 10000 bytes"


@pytest.mark.parametrize("kind", ["groq", "openai"])
def test_a_list_with_ever_new_batches_ends(kind, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    page = {"data": [{"id": "batch"}], "has_more": True, "paging": {"next_cursor": "next"}}

    def say(_):
        page["data"][0]["id"] += "x"
        return whole(json.dumps(page).encode())

    with Rude(say) as server, pytest.raises(InputError, match=r"does not end \(3 pages with 3 batches\)"):
        list(open_at(server, kind).batches())
    assert len(server.asked) == 3


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": 5}, {"data": {"id": "m"}}])
def test_models_that_are_no_list_are_an_error(body, kind):
    error, _ = told(Rude(lambda _: whole(json.dumps(body).encode())), kind, lambda provider: provider.models())
    assert error.message.startswith("no list of models")


def test_models_without_a_name_are_passed_over(kind):
    body = {"data": [None, 5, {}, {"id": 7}, {"id": "m"}]}
    with Rude(lambda _: whole(json.dumps(body).encode())) as server:
        assert open_at(server, kind).models() == ["m"]


# Files


@pytest.mark.parametrize("kind", ["groq", "openai"])
@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        (lambda: chain([head()], endless(b"{}\n" * 100)), "more than 200000 bytes"),
        (lambda: chain([head()], endless(b"x" * 1000)), "a line of more than 10000 bytes"),
        (lambda: [head(200, "Content-Encoding: gzip"), gzip.compress(b"{}\n" * 10**6)], "more than 200000 bytes"),
    ],
    ids=["endless", "one line", "bomb"],
)
def test_a_result_file_without_bound_leaves_nothing(pieces, found, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    target = tmp_path / "output.jsonl"
    error, _ = told(Rude(lambda _: pieces()), kind, lambda provider: provider.download("file-1", target))
    assert found in error.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["groq", "openai"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_key_in_a_result_file_does_not_reach_the_disk(kind, compressed, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    lines = [
        b'{"custom_id": "vote-1",  "n": [1.50, "\xc3\xa9"]}',  # kept byte for byte
        json.dumps({"custom_id": "vote-2", "content": KEY, "split": list(KEY), "half": "\ud83e"}).encode(),
        b'{"broken": "' + KEY.encode() + b"\xff",
        b"[" * 5000,
        b"",
    ]
    content = b"\n".join(lines)
    sent = whole(gzip.compress(content), 200, "Content-Encoding: gzip") if compressed else whole(content)
    target = tmp_path / "output.jsonl"
    with Rude(lambda _: sent) as server:
        open_at(server, kind).download("file-1", target)
    got = target.read_bytes().split(b"\n")
    assert KEY.encode() not in target.read_bytes()
    assert len(got) == len(lines)
    assert (got[0], got[3]) == (lines[0], lines[3])
    assert len(got[1]) == len(lines[1])
    masked = json.loads(got[1])
    assert (masked["custom_id"], masked["content"], masked["half"]) == ("vote-2", "***", "\ud83e")
    assert KEY not in "".join(masked["split"])
    assert got[2] == b'{"broken": "***\xff'


# Keys


def test_a_key_in_an_answer_is_masked_before_anybody_sees_it(kind):
    echo = {"model": KEY[:9], "system_fingerprint": KEY[9:], "choices": [{"message": {"content": f"yes {KEY}"}}]}
    headers = [f"X-Echo: {KEY}", f"X-Ratelimit-Remaining-Requests: {KEY[:12]}"]
    with Rude(lambda _: whole(json.dumps(echo).encode(), 200, *headers)) as server:
        reply = open_at(server, kind).chat(BODY, "vote-1")
    assert reply.body == {"model": "***", "system_fingerprint": "***", "choices": [{"message": {"content": "yes ***"}}]}
    assert reply.headers["x-echo"] == reply.headers["x-ratelimit-remaining-requests"] == "***"


@pytest.mark.parametrize("field", ["message", "code", "type", "param"])
def test_a_key_that_is_split_in_an_error_is_masked(field, kind):
    body = {"error": {"message": f"It begins with {KEY[:9]}", field: f"and ends with {KEY[9:]}"}}
    error, line = told(Rude(lambda _: whole(json.dumps(body).encode(), 400)), kind)
    for piece in (KEY[:9], KEY[9:]) if field != "message" else (KEY,):
        assert piece not in line + repr(error) + error.code


def test_a_redirect_does_not_show_the_key(kind):
    error, line = told(Rude(lambda _: whole(b"", 307, f"Location: https://other.example/?key={KEY}")), kind)
    assert KEY not in line + repr(error)
    assert "other.example" in line


def test_signs_that_steer_a_terminal_are_not_passed_on(kind):
    body = {"error": {"message": "Gone.\x1b[2J\u202e\x07"}}
    error, _ = told(Rude(lambda _: whole(json.dumps(body).encode(), 400)), kind)
    assert error.message == "Gone.\ufffd[2J\ufffd\ufffd"

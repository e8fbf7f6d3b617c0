"""Calls one by one, against a provider that is a script."""

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import ProviderError, Reply
from labeling.remote.direct import DirectLabeler
from labeling.remote.pacing import Pacer
from labeling.remote.spending import Meter, Spending
from labeling.remote.wire.explaining import explain
from labeling.remote.wire.policy import Policy
from labeling.votes.vote import Prompt

LABELS = LabelSet()
WORD = "boats harbour storm crews lighthouse keeper "


class Script:
    """A provider whose replies are a test's; each is a body, or an error."""

    name, policy = "http://127.0.0.1/v1", Policy(wait_seconds=100)

    def __init__(self, *replies):
        self.replies, self.n_asked = list(replies), 0

    def chat(self, body, idempotency_key):
        self.n_asked += 1
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply(body) if callable(reply) else reply, {})

    def explain(self, error, model):
        return explain(error, self.name, model, None, self.policy)

    def clean(self, text):
        return text


def answer(content="yes", n_tokens=17, **choice):
    usage = {"prompt_tokens": n_tokens, "completion_tokens": 2}
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop", **choice}], "usage": usage}


def prompts(*n_words):
    return [
        Prompt(f"q{at}", "document", 0, at, "", WORD * (n // 6) + f"Question {at}?") for at, n in enumerate(n_words)
    ]


def ask(provider, asked, say=None, **settings):
    """The labeler, the votes that it kept, and the error with which it ended."""
    remote = RemoteConfig(provider="server", base_url="http://127.0.0.1/v1", connections=1, **settings)
    pacer, meter = Pacer("server", say=say), Meter(Spending(), None, "r", batch=False)
    labeler = DirectLabeler(LabelerConfig(remote=remote), LABELS, provider, pacer, meter, is_proven=True)
    kept = []
    try:
        labeler.ask(asked, kept.append)
    except InputError as error:
        return labeler, kept, str(error)
    return labeler, kept, None


def test_a_wait_of_a_day_ends_the_run_at_once_and_keeps_what_there_is():
    for status in (429, 500, 503):
        provider = Script(answer(), ProviderError("Busy.", status=status, retry_after=99999))
        _, kept, line = ask(provider, prompts(6, 6, 6))
        assert line.startswith(
            f"http://127.0.0.1/v1 asks to wait 27.8 hours (HTTP {status} : Busy.): expected a wait of"
        )
        assert "everything so far is kept" in line
        assert (len(kept), provider.n_asked) == (1, 2)


def test_a_short_wait_is_waited_for():
    provider = Script(ProviderError("Busy.", status=503, retry_after=0.01), answer())
    labeler, kept, line = ask(provider, prompts(6))
    assert ([vote.label for vote in kept], line, labeler.n_broken_off) == (["yes"], None, 0)


def test_a_reply_that_breaks_the_policy_is_not_paid_for_twice():
    broken = ProviderError("a reply of more than 16 MiB", status=None, sent=True, expected="a smaller reply")
    provider = Script(answer(), broken)
    labeler, kept, line = ask(provider, prompts(6, 6, 6))
    assert (len(kept), provider.n_asked, labeler.n_broken_off) == (1, 2, 0)
    assert line.startswith("http://127.0.0.1/v1 sent a reply of more than 16 MiB: expected a smaller reply; ")


# Prompts that a server cuts


def test_an_answer_to_half_a_document_ends_the_run_and_is_not_kept():
    provider = Script(answer(), answer(n_tokens=2048))
    labeler, kept, line = ask(provider, prompts(6, 30_000, 6))
    assert (len(kept), provider.n_asked) == (1, 2)
    assert "counts 2048 tokens in a prompt of at least 15" in line
    assert "expected a server that reads the whole document; raise its context length" in line
    assert "num_ctx" in line
    assert labeler.used.input == 17 + 2048  # it was paid for all the same


def test_a_ceiling_ends_the_run_too():
    def cut(body):
        n_words = len(body["messages"][0]["content"].split())
        return answer(n_tokens=min(n_words, 1200))

    asked = prompts(600, 1500, 900, 1500, 2100, 2390, 6)  # up to 2400 words, 1200 tokens are not too few
    provider = Script(cut)
    _, kept, line = ask(provider, asked)
    assert "counts 1200 tokens in each of several prompts of different lengths" in line
    assert (len(kept), provider.n_asked) == (5, 6)


def test_long_documents_that_are_read_whole_are_no_ceiling():
    provider = Script(lambda body: answer(n_tokens=len(body["messages"][0]["content"].split())))
    _, kept, line = ask(provider, prompts(*range(600, 30_000, 1500)))
    assert (len(kept), line) == (20, None)


# Votes that are read from the text


def test_votes_that_overrule_a_distribution_are_counted():
    def looked(token, **top):
        listed = [{"token": name, "logprob": logprob} for name, logprob in top.items()]
        return {"logprobs": {"content": [{"token": token, "top_logprobs": listed}]}}

    thinking, plain = looked("Okay", Okay=-0.1, no=-6.0), looked("yes", yes=-0.1, no=-3.0)
    provider = Script(answer(**thinking), answer(**plain), answer(**thinking))
    labeler, kept, _ = ask(provider, prompts(6, 6, 6))
    assert labeler.n_overruled == 2
    assert [bool(vote.probabilities) for vote in kept] == [False, True, False]
    assert kept[0].label == kept[2].label == "yes"


def test_the_choices_of_a_question_are_read_from_the_text():
    choices = ("Port Sallow", "Port Sallow harbour", "the old mill")
    asked = [prompts(6)[0]._replace(choices=choices)]
    for content, chosen in (
        ("Port Sallow harbour", choices[1]), ("Answer: port sallow.", choices[0]), ("The mill", None), ("yes", None)
    ):  # fmt: skip
        _, (vote,), _ = ask(Script(answer(content)), asked, logprobs="off")
        assert (vote.label, vote.failure) == (chosen, None if chosen else "off_label")

import pytest
from pydantic import ValidationError

from corpora.errors import InputError
from flows.session.experiment import parse_experiment
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig

SECRET = "hunter2"
WITH_A_SECRET = [
    ("key_variable", "sk-proj-hunter2"),
    ("key_variable", "gsk_hunter2"),  # letters, digits and underscores only, as in the name of a variable
    ("key_variable", "OPENAI_API_KEY=hunter2"),
    ("base_url", "https://user:hunter2@models.example/v1"),
    ("base_url", "https://hunter2@models.example/v1"),
    ("base_url", "https://models.example/v1?api_key=hunter2"),
    ("base_url", "https://models.example/v1#hunter2"),
    ("base_url", "https://models.example:hunter2/v1"),
    ("base_url", "https://user:hunter2@[::1/v1"),
    ("base_url", "https://[hunter2]/v1"),
    ("base_url", "https://user:hunter2\u2100@models.example/v1"),  # a character that stands for `a/c`
    ("base_url", "hunter2"),
    ("provider", "hunter2"),
    ("completion_window", "hunter2"),
    ("timeout", "hunter2"),
]


def experiment_of(**remote):
    return parse_experiment({"readers": [{"model": "m", "remote": remote}]}, "mine.toml")


@pytest.mark.parametrize(("field", "value"), WITH_A_SECRET, ids=str)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(field, value):
    with pytest.raises(ValidationError) as refused:
        RemoteConfig(**{field: value})
    assert field in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("field", "value"), WITH_A_SECRET, ids=str)
def test_nor_does_the_line_that_a_user_of_the_command_line_sees_repeat_it(field, value):
    with pytest.raises(InputError, match=f"mine.toml: readers.0.remote.{field}") as refused:
        experiment_of(**{"provider": "server", field: value})
    assert SECRET not in str(refused.value)


def test_a_key_among_the_settings_is_refused_with_the_place_where_it_belongs():
    with pytest.raises(InputError, match=r"unknown key 'readers.0.remote.api_key'.*key_variable") as refused:
        experiment_of(provider="groq", api_key=SECRET)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("preset", ["none", "family"])
@pytest.mark.parametrize("remote", ["hunter2", ["hunter2"], 7])
def test_a_remote_section_that_is_no_table_is_refused_in_one_line(preset, remote):
    with pytest.raises(InputError, match=r"readers.0") as refused:
        parse_experiment(
            {"readers": [{"model": "qwen2.5-coder-0.5b", "preset": preset, "remote": remote}]}, "mine.toml"
        )
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("url", ["", "models.example", "ftp://models.example", "https://", "https:///v1", "http://:80"])
def test_an_address_without_host_or_of_another_protocol_is_refused(url):
    with pytest.raises(ValidationError, match="http://HOST or https://HOST"):
        RemoteConfig(provider="server", base_url=url)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
        ("https://models.example//", "https://models.example"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        (None, None),
    ],
)
def test_an_address_is_kept_without_the_slash_at_its_end(url, kept):
    assert RemoteConfig(provider="server", base_url=url).base_url == kept


@pytest.mark.parametrize("name", ["GROQ_API_KEY", "_KEY_2", "K"])
def test_the_name_of_a_variable_is_taken(name):
    assert RemoteConfig(provider="groq", key_variable=name).key_name == name


@pytest.mark.parametrize("name", ["", "2ND_KEY", "MY KEY", "MY-KEY", "GROQ_API_KEY\n"])
def test_what_cannot_name_a_variable_is_refused(name):
    with pytest.raises(ValidationError, match="key_variable"):
        RemoteConfig(provider="groq", key_variable=name)


@pytest.mark.parametrize(
    ("provider", "name"),
    [("groq", "GROQ_API_KEY"), ("openai", "OPENAI_API_KEY"), ("server", None), ("none", None)],
)
def test_a_provider_has_the_usual_variable_and_a_server_none(provider, name):
    assert RemoteConfig(provider=provider).key_name == name
    assert RemoteConfig(provider=provider, key_variable="MINE").key_name == "MINE"


@pytest.mark.parametrize(
    ("provider", "api", "first"),
    [
        ("groq", "auto", "batch"),
        ("groq", "batch", "batch"),
        ("groq", "direct", "direct"),
        ("openai", "auto", "batch"),
        ("openai", "direct", "direct"),
        ("server", "auto", "direct"),
        ("server", "direct", "direct"),
    ],
)
def test_batches_come_first_where_there_are_any(provider, api, first):
    assert RemoteConfig(provider=provider, api=api).api_first == first


@pytest.mark.parametrize(
    ("provider", "logprobs", "asks"),
    [
        ("groq", "auto", False),
        ("openai", "auto", False),
        ("server", "auto", True),
        ("openai", "on", True),
        ("server", "off", False),
    ],
)
def test_distributions_are_asked_of_a_server_unless_told_otherwise(provider, logprobs, asks):
    remote = RemoteConfig(provider=provider, logprobs=logprobs)
    assert remote.asks_logprobs == asks
    assert LabelerConfig(remote=remote).gives_distributions == asks
    assert not LabelerConfig(remote=remote, mode="generate").gives_distributions


def test_without_a_remote_section_this_machine_answers():
    assert not LabelerConfig().remote.is_remote
    assert LabelerConfig().gives_distributions
    assert all(RemoteConfig(provider=provider).is_remote for provider in ("groq", "openai", "server"))


@pytest.mark.parametrize("window", ["24h", "168h", "1d", "7d"])
def test_a_window_of_one_to_seven_days_is_taken(window):
    assert RemoteConfig(completion_window=window).completion_window == window


@pytest.mark.parametrize("window", ["", "1h", "25h", "8d", "0d", "24", "24h ", "024h"])
def test_another_window_is_refused(window):
    with pytest.raises(ValidationError, match="completion_window"):
        RemoteConfig(completion_window=window)


@pytest.mark.parametrize(
    "setting",
    [
        {"requests_per_batch": 0},
        {"requests_per_batch": 50_001},
        {"bytes_per_batch": 0},
        {"bytes_per_batch": 100_000_001},
        {"poll_seconds": 0},
        {"max_attempts": 0},
        {"connections": 0},
        {"connections": 257},
        {"timeout": 0},
        {"reasoning_effort": "much"},
        {"api": "file"},
    ],
    ids=str,
)
def test_limits_that_no_provider_has_are_refused(setting):
    with pytest.raises(ValidationError, match=next(iter(setting))):
        RemoteConfig(**setting)


def test_equal_settings_are_one_key_so_that_a_provider_is_opened_once():
    one, two = (RemoteConfig(provider="groq", connections=2) for _ in range(2))
    assert {one: "open"}[two] == "open"
    with pytest.raises(ValidationError, match="frozen"):
        one.connections = 3

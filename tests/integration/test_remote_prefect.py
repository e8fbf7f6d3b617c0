"""Under Prefect: nothing is spoken to but Prefect's own API and the provider, and the key stays where it was."""

import ipaddress
import os
import subprocess
import sys

import pytest

from tests import killable
from tests.conftest import needs_model
from tests.doubles.provider import ProviderDouble
from tests.processes import wait_until

pytestmark = pytest.mark.slow

KEY = "sk-under-prefect-0123456789"
# Every Python process of the run writes down whom it speaks to, the server that Prefect starts among them.
WATCH = """
import os, sys
log = open(os.environ["SOCKETS"], "a", buffering=1)
def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        print("connect", address[0] if isinstance(address, tuple) else "local", file=log)
    elif event == "socket.bind":
        address = arguments[1]
        print("bind", (address[0] or "0.0.0.0") if isinstance(address, tuple) else "local", file=log)
    elif event == "socket.getaddrinfo":
        print("lookup", arguments[0], file=log)
sys.addaudithook(watch)
"""
CORPUS = """
name = "told"
[corpus]
source = "generated"
sample = 2
generator = { n_documents = 4, words = 60, questions_per_document = 1 }
[calibration]
per_label = 0
"""
LOCAL = """
[[readers]]
model = "smollm2-135m"
num_ctx = 2048
threads = 1
"""
REMOTE = """
[[readers]]
model = "openai/gpt-oss-20b"
[readers.remote]
provider = "groq"
poll_seconds = 0.2
"""


def label(folder, reader, **environment):
    """Run `tercet label --prefect`; what it printed, and whom its processes spoke to."""
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    (folder / "told.toml").write_text(CORPUS + reader, encoding="utf-8")
    settings = {
        "PYTHONPATH": str(folder / "watch"),
        "SOCKETS": str(folder / "sockets"),
        "PREFECT_HOME": str(folder / "prefect"),
        **environment,
    }
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "label",
        "told.toml",
        "--store",
        "store",
        "--prefect",
        "--max-cost",
        "1",
    ]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=300
    )
    return done, (folder / "sockets").read_text(encoding="utf-8").splitlines()


def is_near(line):
    """Whether a line of the log tells of this machine only."""
    host = line.split(maxsplit=1)[1].strip("b'\"")
    if host in ("local", "localhost", "None"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.mark.model
def test_a_local_run_speaks_to_its_own_prefect_only(tmp_path):
    needs_model("smollm2-135m")
    done, spoken = label(tmp_path, LOCAL)
    assert done.returncode == 0, done.stderr
    # The log works: Prefect's API is there.
    assert {"connect 127.0.0.1", "bind 127.0.0.1"} <= set(spoken)
    assert [line for line in spoken if not is_near(line)] == []


def files_with(text, folder):
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


@pytest.mark.parametrize("key", [KEY, "sk-a-wrong-one-0123456789"])
def test_the_key_is_in_nothing_that_a_flow_wrote(tmp_path, key):
    with ProviderDouble(key=KEY) as double:
        done, _ = label(tmp_path, REMOTE, GROQ_API_KEY=key, GROQ_BASE_URL=double.url)
    assert done.returncode == (0 if key == KEY else 2), done.stderr
    assert (tmp_path / "prefect" / "prefect.db").stat().st_size > 0
    assert files_with(key, tmp_path) == []
    assert key not in done.stdout + done.stderr


def test_a_flow_that_is_told_to_end_keeps_what_was_answered(tmp_path):
    (tmp_path / "killed.toml").write_text(killable.PAID % 200)
    with ProviderDouble(chat_latency=0.1) as double:
        settings = {"GROQ_API_KEY": KEY, "GROQ_BASE_URL": double.url, "PREFECT_HOME": str(tmp_path / "prefect")}
        settings["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "300"
        command = [sys.executable, "-m", "flows.cli", "label", str(tmp_path / "killed.toml"), "--prefect", "--quiet"]
        command += ["--store", str(tmp_path / "runs"), "--max-cost", "10"]
        with subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: double.billed_chat.total() > 20 or process.poll() is not None, 400, every=0.02)
            process.terminate()
            errors = process.communicate(timeout=300)[1]
        assert process.returncode == 143, errors
        assert "tercet: interrupted; the answers so far are kept." in errors
        assert len(killable.on_disk(tmp_path)) == double.billed_chat.total()

"""Errors of `stt up`: one line on stderr, the right exit code, nothing left behind."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stt_cli.errors import CliError
from stt_cli.up.listen import open_listener, url_of
from stt_cli.up.services import service_groups
from stt_cli.up.settings import UpSettings, load_up_settings
from stt_cli.up.stop_requests import StopRequests

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds what passes for a model, so that no weights are needed."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"not read here")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def stt_up(folder: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    # Of this machine's settings none may leak in.
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"XDG_DATA_HOME": str(folder / "user")}
    return subprocess.run(
        [sys.executable, "-c", "from stt_cli.main import app; app()", "up", *arguments],
        env={**clean, "WHISPER_MODEL": str(folder / "model"), "TMPDIR": str(folder / "tmp"), "PORT": "0", **own, **env},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(result: "subprocess.CompletedProcess[str]", exit_code: int) -> str:
    assert result.returncode == exit_code, result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def test_a_port_in_use(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(stt_up(folder, "--port", str(port)), 1)
    assert said == f"port {port} is in use; choose another with PORT=… or --port"


def test_an_unknown_model_name_lists_the_names_there_are(folder: Path) -> None:
    said = refused(stt_up(folder, WHISPER_MODEL="basse"), 2)
    assert said.startswith("unknown model 'basse': give one of base, ")
    assert "tiny.en" in said


def test_an_unreachable_redis_is_named_without_its_password(folder: Path) -> None:
    said = refused(stt_up(folder, REDIS_URL="redis://:secret@127.0.0.1:1/0"), 1)
    assert said.startswith("cannot reach Redis at redis://127.0.0.1:1/0: ")
    assert "secret" not in said
    assert list((folder / "tmp").iterdir()) == []


def test_a_redis_url_that_is_none(folder: Path) -> None:
    assert refused(stt_up(folder, REDIS_URL="localhost:6379"), 2).startswith("REDIS_URL must begin with redis://")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"PORT": "70000"}, "PORT='70000': Input should be less than or equal to 65535"),
        ({"TRANSCRIBER_REPLICAS": "none"}, "TRANSCRIBER_REPLICAS='none': Input should be a valid integer"),
        ({"WHISPER_ENGINE": "vosk"}, "WHISPER_ENGINE='vosk': Input should be 'auto', 'onnxruntime', "),
    ],
)
def test_a_bad_setting_is_named_with_its_value(folder: Path, env: dict[str, str], said: str) -> None:
    assert refused(stt_up(folder, **env), 2).startswith(said)


def test_a_spool_folder_that_cannot_be_made(folder: Path) -> None:
    (folder / "file").write_text("")
    assert refused(stt_up(folder, SPOOL_DIR=str(folder / "file" / "spool")), 1).startswith("SPOOL_DIR=")
    assert list((folder / "tmp").iterdir()) == []


def test_options_overrule_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("REDIS_URL", "")
    settings = load_up_settings({"port": 9001, "host": None})
    assert (settings.port, settings.host, settings.redis_url) == (9001, "0.0.0.0", None)


def test_an_address_that_is_not_this_machines() -> None:
    with pytest.raises(CliError, match=r"cannot listen on nowhere\.invalid"):
        open_listener("nowhere.invalid", 0)


def test_the_printed_address_can_be_opened_whatever_is_listened_on() -> None:
    with open_listener("0.0.0.0", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_all_gateways_get_the_one_listener_and_nobody_else() -> None:
    settings = UpSettings.model_construct(gateway_replicas=2, audio_processor_replicas=1, transcriber_replicas=3)
    with open_listener("127.0.0.1", 0) as listener:
        gateways, audio, transcribers = service_groups(settings, {"A": "1"}, listener)
        assert [child.name for child in gateways] == ["gateway 1", "gateway 2"]
        assert {child.env["LISTEN_FD"] for child in gateways} == {str(listener.fileno())}
        assert {child.pass_fds for child in gateways} == {(listener.fileno(),)}
    assert [len(audio), len(transcribers)] == [1, 3]
    assert all("LISTEN_FD" not in child.env and child.pass_fds == () for child in [*audio, *transcribers])


def test_the_model_steps_back_for_what_stands_before_it() -> None:
    settings = UpSettings.model_construct(gateway_replicas=1, audio_processor_replicas=1, transcriber_replicas=2)
    with open_listener("127.0.0.1", 0) as listener:
        groups = service_groups(settings, {}, listener)
    assert [[child.niceness for child in group] for group in groups] == [[0], [0], [5, 5]]


def test_a_signal_passed_on_at_once_is_no_second_request_but_a_later_one_is() -> None:
    clock = [0.0]
    requests = StopRequests(now=lambda: clock[0])
    assert not requests.wait(0)
    requests(2, None)
    assert requests.wait(0)
    clock[0] = 0.1
    requests(2, None)
    assert not requests.is_urgent()
    clock[0] = 3.0
    requests(2, None)
    assert requests.is_urgent()

"""The users of Redis: the committed file is what is printed, and the scripts' commands are among those allowed."""

import fnmatch
import hashlib
import re
from pathlib import Path

import pytest

from stt_shared.streams import keys
from stt_shared.streams.acl import COMMANDS, USERS, acl_lines

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
SHARED = ROOT / "shared" / "stt_shared"


def test_the_committed_file_is_what_is_printed() -> None:
    assert (ROOT / "deploy" / "redis-users.acl").read_text().splitlines() == list(acl_lines({})), (
        "renew it: stt redis-acl > deploy/redis-users.acl"
    )


def test_passwords_are_kept_as_hashes() -> None:
    _, *lines = acl_lines({user.password_variable: "secret" for user in USERS})
    assert [line.split()[1] for line in lines] == ["gateway", "audio-processor", "transcriber"]
    for line in lines:
        assert "secret" not in line
        assert "PASSWORD" not in line
        assert f" #{hashlib.sha256(b'secret').hexdigest()} " in line


def test_the_gateway_may_use_each_name_that_there_is() -> None:
    gateway = USERS[0]
    names = [value for value in vars(keys).values() if isinstance(value, str) and value.startswith("stt:")]
    assert len(names) > 8
    for name in [*names, keys.replica_channel("r"), keys.gateway_displace("r"), keys.replica_quarantine("r")]:
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in (*gateway.keys, *gateway.channels)), name


def test_known_voices_are_for_the_gateway_and_the_transcriber_alone() -> None:
    for name in (keys.known_voices("local"), keys.enrolled_voice("job")):
        readers = {user.name for user in USERS if any(fnmatch.fnmatchcase(name, pattern) for pattern in user.keys)}
        assert readers == {"gateway", "transcriber"}


def test_each_command_of_a_script_is_allowed() -> None:
    scripts = "".join(path.read_text() for path in (SHARED / "streams" / "scripts").glob("*.lua"))
    used = {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", scripts)}
    assert len(used) > 20
    assert used <= set(COMMANDS)


def test_each_command_that_is_written_by_hand_is_allowed() -> None:
    source = "".join(path.read_text() for path in SHARED.rglob("*.py"))
    used = {name.lower() for name in re.findall(r'\.command\(\s*"([A-Z]+)"', source)}
    assert len(used) > 8
    # Some are for one service alone; its own traffic shows whether it may use them.
    assert used <= {command for user in USERS for command in user.commands}

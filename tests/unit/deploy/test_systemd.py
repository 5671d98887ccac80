"""The systemd unit, by systemd itself where it is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
UNIT = (ROOT / "deploy" / "systemd" / "stt-suite.service").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "stt-suite.service"
    unit.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", UNIT))
    result = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_guide_uses_the_folder_and_the_user_of_the_unit() -> None:
    guide = (ROOT / "docs" / "guide" / "service.md").read_text()
    (program,) = re.findall(r"(?m)^ExecStart=(\S+)", UNIT)
    (user,) = re.findall(r"(?m)^User=(\S+)", UNIT)
    (settings,) = re.findall(r"(?m)^EnvironmentFile=-(\S+)", UNIT)
    assert f"sudo -u {user} DATA_DIR=/var/lib/stt-suite {program} keys" in guide
    assert f"`{settings}`" in guide
    assert "DATA_DIR=%S/stt-suite " in UNIT

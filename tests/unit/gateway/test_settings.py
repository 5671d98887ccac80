"""Settings of the gateway that are refused at its start."""

import pytest

from stt_gateway.settings import GatewaySettings
from stt_shared.process.settings import load_settings

pytestmark = pytest.mark.unit


def test_a_secret_that_is_none_is_refused_without_being_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLBACK_SECRET", "hunter2hunter2hunter2hunter2")
    with pytest.raises(SystemExit):
        load_settings(GatewaySettings)
    printed = capsys.readouterr().err
    assert "CALLBACK_SECRET=***" in printed
    assert "at least 24 bytes" in printed
    assert "hunter2" not in printed


def test_a_secret_is_not_shown_by_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBACK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    settings = GatewaySettings()
    assert len(settings.callback_keys) == 1
    assert "MfKQ9r8" not in repr(settings)

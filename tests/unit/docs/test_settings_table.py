"""The table of settings in docs/operations.md says what the settings classes say."""

import enum
import re
from pathlib import Path
from typing import Any

import annotated_types
import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from stt_audio.settings import AudioSettings
from stt_cli.up.settings import UpSettings
from stt_gateway.settings import GatewaySettings
from stt_shared.process.settings import CommonSettings
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.unit

DOC = Path(__file__).parents[3] / "docs" / "operations.md"
WHOSE: list[tuple[str, type[BaseSettings]]] = [
    ("all", CommonSettings),
    ("`stt up`", UpSettings),
    ("gateway", GatewaySettings),
    ("audio-processor", AudioSettings),
    ("transcriber", TranscriberSettings),
]
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def bounds(field: FieldInfo) -> str:
    found = []
    for item in field.metadata:
        for name, sign in BOUNDS.items():
            if isinstance(item, getattr(annotated_types, name.capitalize())):
                limit = getattr(item, name)
                found.append(f"{sign} {int(limit) if limit == int(limit) else limit}")
    kind = field.annotation
    choices = list(kind) if isinstance(kind, enum.EnumMeta) else getattr(kind, "__args__", ())
    words = [str(choice) for choice in choices if isinstance(choice, str)]
    return ", ".join(found or words)


def default(value: Any) -> str:
    if value is None or value is PydanticUndefined:  # a folder of the user's
        return "unset"
    return f"`{str(value).replace(str(Path.home()), '~')}`"


def rows() -> list[str]:
    """The table's rows; a setting that several read stands once, with what the first of them says."""
    users: dict[str, list[str]] = {}
    first: dict[str, FieldInfo] = {}
    for who, kind in WHOSE:
        for name, field in kind.model_fields.items():
            variable = (field.alias or name).upper()
            if who != "all" and name in CommonSettings.model_fields and kind is not UpSettings:
                continue
            first.setdefault(variable, field)
            users.setdefault(variable, []).append(who)
    return [
        f"| `{variable}` | {', '.join(users[variable])} | {default(field.default)} | {bounds(field)} "
        f"| {field.description} |"
        for variable, field in first.items()
    ]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("`")[1])
def test_a_setting_stands_in_the_table_as_it_is(row: str) -> None:
    assert row in DOC.read_text().splitlines()


def test_the_table_holds_no_setting_that_nobody_reads() -> None:
    documented = [line for line in DOC.read_text().splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert sorted(documented) == sorted(rows())


SOURCES = {
    "gateway": "api-gateway/stt_gateway",
    "audio-processor": "audio-processor/stt_audio",
    "transcriber": "transcriber/stt_transcriber",
    "`stt up`": "cli/stt_cli",
}
WORKER = DOC.parents[1] / "shared/stt_shared/work/service.py"
"""What the audio-processor and the transcriber have in common."""


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("`")[1])
def test_every_reader_that_the_table_names_reads_the_setting(row: str) -> None:
    variable = row.split("`")[1]
    named = row.split(" | ")[1].split(", ")
    readers = [who for who in named if who != "all"] + [who for who in SOURCES if "all" in named and who != "`stt up`"]
    kinds = dict(WHOSE)
    for reader in readers:
        names = {(field.alias or name).upper(): name for name, field in kinds[reader].model_fields.items()}
        folder = DOC.parents[1] / SOURCES[reader]
        read = re.compile(rf"(settings|self)\.{names[variable]}\b")
        sources = [*folder.rglob("*.py"), WORKER]
        assert any(read.search(path.read_text()) for path in sources), f"{reader} does not read {variable}"

"""Options that several commands have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stt_cli.grouping import OptionGroup
from stt_cli.http.reach import suite_at
from stt_cli.http.vocabulary import keyterms_field, patterns_field, replacements_field

_SUITE = "Suite"
_SPEECH = "Speech"
_TURNS = "Turns"

ModelsDir = Annotated[Path | None, typer.Option(help="Folder of models (env MODELS_DIR).")]
MaxClients = Annotated[int, typer.Option(help="Most clients at once.", min=1, max=10_000)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Events = Annotated[bool, typer.Option("--json", help="Print the events as JSON, one per line.")]
TextFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File that also gets the text of finals or, with --json, the events."),
]


def _language_codes(incomplete: str) -> list[str]:
    from stt_gateway.core.requests.language_names import LANGUAGES

    return [code for code in LANGUAGES if code.startswith(incomplete)]


Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        "-l",
        help="Code such as en (`stt languages` lists them); detected if omitted.",
        rich_help_panel=_SPEECH,
        autocompletion=_language_codes,
    ),
]


@dataclass(frozen=True)
class Suite(OptionGroup):
    """Where the suite is, and how it is reached."""

    url: Annotated[
        str | None,
        typer.Option(help="Address of the suite (env STT_URL, default http://127.0.0.1:8000).", rich_help_panel=_SUITE),
    ] = None
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Key of a suite with AUTH=keys; env STT_API_KEY hides it from lists of processes.",
            rich_help_panel=_SUITE,
        ),
    ] = None
    ca: Annotated[
        Path | None,
        typer.Option(
            help="File of an authority to trust, besides the system's or SSL_CERT_FILE (env STT_CA).",
            rich_help_panel=_SUITE,
        ),
    ] = None

    def reach(self) -> str:
        """Use this key and authority from here on; return the suite's URL. Raises CliError."""
        return suite_at(self.url, self.api_key, self.ca)


@dataclass(frozen=True)
class Speech(OptionGroup):
    """What is asked of a transcript, whatever it is a transcript of."""

    language: Language = None
    languages: Annotated[
        str | None,
        typer.Option(help="Languages that may be spoken, such as en,fr,de; any if omitted.", rich_help_panel=_SPEECH),
    ] = None
    keyterms: Annotated[
        list[str] | None,
        typer.Option(
            "--keyterm",
            help="Name or term to favour where it may have been said; repeatable.",
            rich_help_panel=_SPEECH,
        ),
    ] = None
    keyterms_file: Annotated[
        Path | None, typer.Option(help="File of keyterms, one per line.", rich_help_panel=_SPEECH)
    ] = None
    replacements_file: Annotated[
        Path | None,
        typer.Option(
            help='File of phrases and what is written instead, as JSON: {"find": "replace"}.', rich_help_panel=_SPEECH
        ),
    ] = None
    fillers: Annotated[
        str | None, typer.Option(help="keep, or remove (uh, um and the like).", rich_help_panel=_SPEECH)
    ] = None
    redact: Annotated[
        str | None,
        typer.Option(
            help="Write \\[card] and the like instead: some of card,email,phone,iban,number.", rich_help_panel=_SPEECH
        ),
    ] = None
    redact_pattern: Annotated[
        list[str] | None,
        typer.Option(
            help=r"Pattern of what is written as \[redacted], such as EMP-\d{6}; repeatable.", rich_help_panel=_SPEECH
        ),
    ] = None

    def request_fields(self) -> dict[str, str]:
        """Return the fields of a request, without those that are not given. Raises CliError."""
        return _given(
            {
                "language": self.language,
                "languages": self.languages,
                "keyterms": keyterms_field(self.keyterms or (), self.keyterms_file),
                "replacements": replacements_field(self.replacements_file),
                "fillers": self.fillers,
                "redact": self.redact,
                "redact_patterns": patterns_field(self.redact_pattern or ()),
            }
        )


@dataclass(frozen=True)
class Transcription(Speech):
    """What is asked of the transcript of a file or of a session of one's own."""

    task: Annotated[str, typer.Option(help="transcribe, or translate (into English).", rich_help_panel=_SPEECH)] = (
        "transcribe"
    )
    speakers: Annotated[
        str | None,
        typer.Option(
            help="Tell speakers apart: auto, their number, or the least and most, as in 2-4.", rich_help_panel=_SPEECH
        ),
    ] = None
    known_speakers: Annotated[
        bool,
        typer.Option(
            "--known-speakers", help="Tell speakers apart, and name those who are enrolled.", rich_help_panel=_SPEECH
        ),
    ] = False

    def request_fields(self) -> dict[str, str]:
        """As ``Speech.request_fields``."""
        return super().request_fields() | _given(
            {
                "task": None if self.task == "transcribe" else self.task,
                "speakers": self.speakers,
                "known_speakers": "true" if self.known_speakers else None,
            }
        )


@dataclass(frozen=True)
class Turns(OptionGroup):
    """When an utterance of a live session ends."""

    endpointing: Annotated[
        str | None,
        typer.Option(
            help="auto: wait longer where the speaker seems to go on; fixed: always as long.", rich_help_panel=_TURNS
        ),
    ] = None
    endpointing_ms: Annotated[
        int | None,
        typer.Option(help="Silence that ends an utterance; without --endpointing, always.", rich_help_panel=_TURNS),
    ] = None
    endpointing_max_ms: Annotated[
        int | None, typer.Option(help="With auto, silence that ends any utterance.", rich_help_panel=_TURNS)
    ] = None

    def request_fields(self) -> dict[str, str]:
        """As ``Speech.request_fields``."""
        return {name: str(value) for name, value in vars(self).items() if value is not None}


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}

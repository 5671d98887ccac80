"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[
    str | None, typer.Option("--url", help="Address of the suite (env STT_URL, default http://127.0.0.1:8000).")
]
Key = Annotated[
    str | None,
    typer.Option(help="Key of a suite with AUTH=keys; env STT_API_KEY hides it from lists of processes."),
]
Ca = Annotated[
    Path | None, typer.Option(help="File of an authority to trust, besides the system's or SSL_CERT_FILE (env STT_CA).")
]
Language = Annotated[str | None, typer.Option(help="ISO 639-1 code such as en; detected if omitted.")]
Languages = Annotated[str | None, typer.Option(help="Languages that may be spoken, such as en,fr,de; any if omitted.")]
Task = Annotated[str, typer.Option(help="transcribe, or translate (into English).")]
Keyterms = Annotated[
    list[str] | None, typer.Option("--keyterm", help="Name or term to favour where it may have been said; repeatable.")
]
ReplacementsFile = Annotated[
    Path | None, typer.Option(help='File of phrases and what is written instead, as JSON: {"find": "replace"}.')
]
Fillers = Annotated[str | None, typer.Option(help="keep, or remove (uh, um and the like).")]
Redact = Annotated[
    str | None, typer.Option(help="Write [card] and the like instead: some of card,email,phone,iban,number.")
]
RedactPattern = Annotated[
    list[str] | None, typer.Option(help=r"Pattern of what is written as [redacted], such as EMP-\d{6}; repeatable.")
]
Speakers = Annotated[
    str | None, typer.Option(help="Tell speakers apart: auto, their number, or the least and most, as in 2-4.")
]
KnownSpeakers = Annotated[
    bool, typer.Option("--known-speakers", help="Tell speakers apart, and name those who are enrolled.")
]
KeytermsFile = Annotated[Path | None, typer.Option(help="File of keyterms, one per line.")]
ModelsDir = Annotated[Path | None, typer.Option(help="Folder of models (env MODELS_DIR).")]
MaxClients = Annotated[int, typer.Option(help="Most clients at once.", min=1, max=10_000)]

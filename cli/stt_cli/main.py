"""The command line: commands and their options, without their implementation; `groups/` has those of groups.

Each command imports its implementation when it runs, so that `stt --help` needs neither FFmpeg nor an HTTP library.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from stt_cli.errors import CliError
from stt_cli.groups import keys, models, speakers, store, tenants
from stt_cli.http.formats import Format
from stt_cli.http.reach import suite_at
from stt_cli.http.vocabulary import redaction_fields, vocabulary_fields
from stt_cli.options import (
    Ca,
    Fillers,
    Key,
    Keyterms,
    KeytermsFile,
    KnownSpeakers,
    Language,
    Languages,
    MaxClients,
    ModelsDir,
    Redact,
    RedactPattern,
    ReplacementsFile,
    Speakers,
    Task,
    Url,
)
from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.listening import DEFAULT_ADDRESS


class _OneLineErrors(typer.core.TyperGroup):
    """Command group that turns a CliError into a line on stderr and an exit code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except CliError as error:
            if str(error):
                print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(speakers.app, name="speakers")
app.add_typer(tenants.app, name="tenants")
app.add_typer(store.app, name="store")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"stt {version('realtime-stt-suite')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Real-time speech-to-text: the suite, its models, and a client."""


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on (env STT_HOST, default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one (env PORT, default 8000).")] = None,
    gateway_replicas: Annotated[
        int | None, typer.Option(help="Gateway processes (env GATEWAY_REPLICAS, default 1).")
    ] = None,
    audio_processor_replicas: Annotated[
        int | None, typer.Option(help="Audio-processor processes (env AUDIO_PROCESSOR_REPLICAS, default 1).")
    ] = None,
    transcriber_replicas: Annotated[
        int | None, typer.Option(help="Transcriber processes (env TRANSCRIBER_REPLICAS, default 1).")
    ] = None,
    whisper_model: Annotated[
        str | None, typer.Option(help="Name, hub id or folder (env WHISPER_MODEL, default base).")
    ] = None,
    whisper_engine: Annotated[
        str | None, typer.Option(help=f"{', '.join(EngineName)} (env WHISPER_ENGINE, default auto).")
    ] = None,
    models_dir: ModelsDir = None,
    spool_dir: Annotated[
        Path | None, typer.Option(help="Folder for uploads (env SPOOL_DIR; a temporary one if unset).")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder for transcripts (env DATA_DIR; in the user's data folder if unset).")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="URL of a Redis server (env REDIS_URL; an embedded server if unset).")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate in PEM: clients come by https and wss (env TLS_CERT).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, if it is in another file (env TLS_KEY).")] = None,
    log_dir: Annotated[Path | None, typer.Option(help="Write each service's log to this folder.")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every log line, not only warnings (as LOG_LEVEL=DEBUG).")
    ] = False,
) -> None:
    """Run the whole suite on this machine until Ctrl-C."""
    from stt_cli.commands.up import up as run

    run(
        {
            "stt_host": host,
            "port": port,
            "gateway_replicas": gateway_replicas,
            "audio_processor_replicas": audio_processor_replicas,
            "transcriber_replicas": transcriber_replicas,
            "whisper_model": whisper_model,
            "whisper_engine": whisper_engine,
            "models_dir": models_dir,
            "spool_dir": spool_dir,
            "data_dir": data_dir,
            "redis_url": redis_url,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
        },
        log_dir=log_dir,
        verbose=verbose,
    )


@app.command()
def transcribe(
    files: Annotated[
        list[str], typer.Argument(help="Audio or video files, or URLs from which the suite fetches them.")
    ],
    format: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = Format.TXT,
    language: Language = None,
    languages: Languages = None,
    task: Task = "transcribe",
    track: Annotated[
        int | None, typer.Option(help="Audio track to transcribe, from 1; the first that is heard if omitted.", min=1)
    ] = None,
    channel_mode: Annotated[
        str | None,
        typer.Option(help="mix (one text for all channels), separate, or auto (separate when they differ)."),
    ] = None,
    keyterms: Keyterms = None,
    keyterms_file: KeytermsFile = None,
    speakers: Speakers = None,
    known_speakers: KnownSpeakers = False,
    replacements_file: ReplacementsFile = None,
    fillers: Fillers = None,
    redact: Redact = None,
    redact_pattern: RedactPattern = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for one result per file; standard output if omitted.")
    ] = None,
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Transcribe files, of this machine or at URLs."""
    from stt_cli.commands.transcribe import transcribe as run

    fields = _speech_fields(language, languages, task) | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    fields |= redaction_fields(redact, redact_pattern)
    if track is not None:
        fields["track"] = str(track)
    if channel_mode is not None:
        fields["channel_mode"] = channel_mode
    if speakers is not None or format is Format.DIARIZED_JSON:
        fields["speakers"] = speakers or "auto"
    if known_speakers:
        fields["known_speakers"] = "true"
    run(suite_at(url, api_key, ca), files, format, fields, output)


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="Folder into which recordings come.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = Format.TXT,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Folder of the results; beside the files if omitted.")
    ] = None,
    language: Language = None,
    languages: Languages = None,
    task: Task = "transcribe",
    keyterms: Keyterms = None,
    keyterms_file: KeytermsFile = None,
    speakers: Speakers = None,
    known_speakers: KnownSpeakers = False,
    replacements_file: ReplacementsFile = None,
    fillers: Fillers = None,
    redact: Redact = None,
    redact_pattern: RedactPattern = None,
    settle: Annotated[
        float, typer.Option(help="Seconds for which a file must stay as it is before it is sent.", min=0, max=3600)
    ] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="End when the files that are there are done.")] = False,
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Transcribe each file that comes into a folder, until Ctrl-C; started again, it goes on where it was."""
    from stt_cli.commands.watch import watch as run

    fields = _speech_fields(language, languages, task) | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    fields |= redaction_fields(redact, redact_pattern)
    if speakers is not None or format is Format.DIARIZED_JSON:
        fields["speakers"] = speakers or "auto"
    if known_speakers:
        fields["known_speakers"] = "true"
    run(suite_at(url, api_key, ca), folder, format, fields, output_dir, settle, once)


@app.command()
def stream(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A file, or - for raw s16le from standard input.")],
    language: Language = None,
    languages: Languages = None,
    task: Task = "transcribe",
    rate: Annotated[int, typer.Option(help="Sample rate of standard input.", min=4000, max=384_000)] = AUDIO_RATE_HZ,
    channels: Annotated[int, typer.Option(help="Channels of standard input.", min=1, max=8)] = 1,
    channel_mode: Annotated[
        str | None, typer.Option(help="mix (one text for all channels), or separate (each has its own).")
    ] = None,
    endpointing: Annotated[
        str | None, typer.Option(help="auto: wait longer where the speaker seems to go on; fixed: always as long.")
    ] = None,
    endpointing_ms: Annotated[
        int | None, typer.Option(help="Silence that ends an utterance; without --endpointing, always.")
    ] = None,
    endpointing_max_ms: Annotated[int | None, typer.Option(help="With auto, silence that ends any utterance.")] = None,
    keyterms: Keyterms = None,
    keyterms_file: KeytermsFile = None,
    speakers: Speakers = None,
    known_speakers: KnownSpeakers = False,
    replacements_file: ReplacementsFile = None,
    fillers: Fillers = None,
    redact: Redact = None,
    redact_pattern: RedactPattern = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as JSON, one per line.")] = False,
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Play a file (or standard input) as a live session and show the words as they arrive."""
    from stt_cli.commands.stream import stream as run

    query = _speech_fields(language, languages, task) | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    query |= redaction_fields(redact, redact_pattern)
    if speakers is not None:
        query["speakers"] = speakers
    if known_speakers:
        query["known_speakers"] = "true"
    silences = {
        "endpointing": endpointing,
        "endpointing_ms": endpointing_ms,
        "endpointing_max_ms": endpointing_max_ms,
    }
    query |= {name: str(value) for name, value in silences.items() if value is not None}
    if channel_mode is not None:
        query["channel_mode"] = channel_mode
    run(suite_at(url, api_key, ca), source, query, sample_rate=rate, channels=channels, as_json=as_json)


@app.command()
def wyoming(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = DEFAULT_ADDRESS,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.", min=0, max=65535)] = 10300,
    language: Language = None,
    languages: Languages = None,
    keyterms: Keyterms = None,
    keyterms_file: KeytermsFile = None,
    replacements_file: ReplacementsFile = None,
    fillers: Fillers = None,
    redact: Redact = None,
    redact_pattern: RedactPattern = None,
    max_clients: MaxClients = 64,
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Serve Home Assistant and others over Wyoming, in front of a suite, until Ctrl-C. There is no password."""
    from stt_cli.commands.bridges import wyoming as run

    parameters = _speech_fields(language, languages, "transcribe") | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    run(suite_at(url, api_key, ca), host, port, parameters | redaction_fields(redact, redact_pattern), max_clients)


@app.command()
def audiosocket(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = DEFAULT_ADDRESS,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.", min=0, max=65535)] = 9092,
    language: Language = None,
    languages: Languages = None,
    keyterms: Keyterms = None,
    keyterms_file: KeytermsFile = None,
    replacements_file: ReplacementsFile = None,
    fillers: Fillers = None,
    redact: Redact = None,
    redact_pattern: RedactPattern = None,
    store: Annotated[bool, typer.Option("--store", help="Keep the transcript of each call.")] = False,
    max_clients: MaxClients = 256,
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Take calls of Asterisk over AudioSocket, in front of a suite, until Ctrl-C. There is no password."""
    from stt_cli.commands.bridges import audiosocket as run

    parameters = _speech_fields(language, languages, "transcribe") | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    parameters |= redaction_fields(redact, redact_pattern) | ({"store": "true"} if store else {})
    run(suite_at(url, api_key, ca), host, port, parameters, max_clients)


@app.command()
def health(url: Url = None, api_key: Key = None, ca: Ca = None) -> None:
    """Show the state of every part of a running suite; exit 1 unless all are healthy."""
    from stt_cli.commands.health import health as run

    run(suite_at(url, api_key, ca))


@app.command()
def bench(
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="JSON Lines file with the path, text and words of each recording.")
    ] = None,
    sessions: Annotated[int, typer.Option(help="Concurrent sessions.", min=1, max=1000)] = 1,
    seconds: Annotated[float, typer.Option(help="Minimum seconds of audio per session.", min=1)] = 60.0,
    gap: Annotated[float, typer.Option(help="Seconds of near-silence after each recording.", min=0, max=60)] = 1.5,
    chunk_ms: Annotated[int, typer.Option(help="Milliseconds of audio per message.", min=5, max=1000)] = 40,
    language: Language = None,
    pid: Annotated[
        int | None, typer.Option(help="Root of the process tree to measure; if omitted, a `stt up` on this machine.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the order of the recordings.")] = 1,
    offline: Annotated[bool, typer.Option("--offline", help="Also transcribe the recordings as file jobs.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this JSON file.")] = None,
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Measure a running suite: latency of words, word error rate, CPU and memory under paced sessions."""
    from stt_cli.bench.run import Plan
    from stt_cli.commands.bench import bench as run

    plan = Plan(
        suite_at(url, api_key, ca),
        sessions=sessions,
        seconds=seconds,
        gap_s=gap,
        chunk_ms=chunk_ms,
        language=language,
        pid=pid,
        seed=seed,
        offline=offline,
    )
    run(plan, manifest, out)


@app.command("redis-acl")
def redis_acl() -> None:
    """Print a user of Redis for each service, as an ACL file; the passwords come from REDIS_…_PASSWORD."""
    from stt_cli.commands.redis_acl import redis_acl as run

    run()


@app.command()
def usage(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    days: Annotated[int, typer.Option(help="How many days, today included.")] = 30,
) -> None:
    """Print what was done with each API key on each day (UTC), from the database of DATABASE_URL or DATA_DIR."""
    from stt_cli.commands.keys import print_usage

    print_usage(tenant, days)


def _speech_fields(language: str | None, languages: str | None, task: str) -> dict[str, str]:
    given = {"language": language, "languages": languages, "task": task if task != "transcribe" else None}
    return {name: value for name, value in given.items() if value}

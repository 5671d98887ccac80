"""The command line: commands and their options, without their implementation; `groups/` has those of groups.

Each command imports its implementation when it runs, so that `stt --help` needs neither FFmpeg nor an HTTP library.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from stt_cli.errors import CliError
from stt_cli.grouping import grouped
from stt_cli.groups import keys, models, speakers, store, tenants
from stt_cli.http.formats import Format, format_of
from stt_cli.options import Events, Json, Language, MaxClients, ModelsDir, Speech, Suite, TextFile, Transcription, Turns
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
    context_settings={"help_option_names": ["-h", "--help"]},
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
@grouped
def transcribe(
    files: Annotated[
        list[str], typer.Argument(help="Audio or video files, or URLs from which the suite fetches them.")
    ],
    format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Output format; if omitted, by the ending of --output, else txt."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File of the result, such as talk.srt, or folder of one result per file; standard output if omitted.",
        ),
    ] = None,
    track: Annotated[
        int | None, typer.Option(help="Audio track to transcribe, from 1; the first that is heard if omitted.", min=1)
    ] = None,
    channel_mode: Annotated[
        str | None,
        typer.Option(help="mix (one text for all channels), separate, or auto (separate when they differ)."),
    ] = None,
    *,
    asked: Transcription,
    suite: Suite,
) -> None:
    """Transcribe files on this machine or at URLs."""
    from stt_cli.commands.transcribe import transcribe as run

    format = format or format_of(output)
    fields = _asked_of_file(asked, format)
    if track is not None:
        fields["track"] = str(track)
    if channel_mode is not None:
        fields["channel_mode"] = channel_mode
    run(suite.reach(), files, format, fields, output)


@app.command()
@grouped
def watch(
    folder: Annotated[Path, typer.Argument(help="Folder into which recordings come.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = Format.TXT,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Folder of the results; beside the files if omitted.")
    ] = None,
    settle: Annotated[
        float, typer.Option(help="Seconds for which a file must not change before it is sent.", min=0, max=3600)
    ] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Exit when the files in the folder are done.")] = False,
    *,
    asked: Transcription,
    suite: Suite,
) -> None:
    """Transcribe each file that comes into a folder, until Ctrl-C; started again, it continues where it stopped."""
    from stt_cli.commands.watch import watch as run

    run(suite.reach(), folder, format, _asked_of_file(asked, format), output_dir, settle, once)


@app.command()
@grouped
def stream(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A file, or - for raw s16le from standard input.")],
    rate: Annotated[int, typer.Option(help="Sample rate of standard input.", min=4000, max=384_000)] = AUDIO_RATE_HZ,
    channels: Annotated[int, typer.Option(help="Channels of standard input.", min=1, max=8)] = 1,
    channel_mode: Annotated[
        str | None, typer.Option(help="mix (one text for all channels), or separate (each has its own).")
    ] = None,
    as_json: Events = False,
    output: TextFile = None,
    *,
    asked: Transcription,
    turns: Turns,
    suite: Suite,
) -> None:
    """Play a file (or standard input) as a live session and show the words as they arrive."""
    from stt_cli.commands.stream import stream as run

    query = asked.request_fields() | turns.request_fields()
    if channel_mode is not None:
        query["channel_mode"] = channel_mode
    run(suite.reach(), source, query, sample_rate=rate, channels=channels, as_json=as_json, output=output)


@app.command()
@grouped
def mic(
    device: Annotated[
        str | None, typer.Option("--device", "-d", help="Number or part of the name; the system's choice if omitted.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the microphones and exit.")] = False,
    as_json: Events = False,
    output: TextFile = None,
    *,
    asked: Transcription,
    turns: Turns,
    suite: Suite,
) -> None:
    """Send what a microphone hears as a live session until Ctrl-C, and show the words as they arrive."""
    from stt_cli.commands.stream import list_microphones
    from stt_cli.commands.stream import mic as run

    if show_list:
        list_microphones()
        return
    run(suite.reach(), device, asked.request_fields() | turns.request_fields(), as_json=as_json, output=output)


@app.command()
@grouped
def wyoming(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = DEFAULT_ADDRESS,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.", min=0, max=65535)] = 10300,
    max_clients: MaxClients = 64,
    *,
    asked: Speech,
    suite: Suite,
) -> None:
    """Serve Home Assistant and others over Wyoming, in front of a suite, until Ctrl-C. There is no password."""
    from stt_cli.commands.bridges import wyoming as run

    run(suite.reach(), host, port, asked.request_fields(), max_clients)


@app.command()
@grouped
def audiosocket(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = DEFAULT_ADDRESS,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.", min=0, max=65535)] = 9092,
    store: Annotated[bool, typer.Option("--store", help="Keep the transcript of each call.")] = False,
    max_clients: MaxClients = 256,
    *,
    asked: Speech,
    suite: Suite,
) -> None:
    """Take calls of Asterisk over AudioSocket, in front of a suite, until Ctrl-C. There is no password."""
    from stt_cli.commands.bridges import audiosocket as run

    parameters = asked.request_fields() | ({"store": "true"} if store else {})
    run(suite.reach(), host, port, parameters, max_clients)


@app.command()
def languages(as_json: Json = False) -> None:
    """List the languages that Whisper knows: the code and names of each, any of which --language takes."""
    from stt_cli.commands.languages import list_languages

    list_languages(as_json=as_json)


@app.command()
@grouped
def health(as_json: Json = False, *, suite: Suite) -> None:
    """Show the state of every part of a running suite; exit 1 unless all are healthy."""
    from stt_cli.commands.health import health as run

    run(suite.reach(), as_json=as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this installation: machine, models, Redis, store, access; exit 1 if something is wrong."""
    from stt_cli.commands.doctor import doctor as run

    run(as_json=as_json)


@app.command()
@grouped
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
    *,
    suite: Suite,
) -> None:
    """Measure a running suite: latency of words, word error rate, CPU and memory under paced sessions."""
    from stt_cli.bench.run import Plan
    from stt_cli.commands.bench import bench as run

    plan = Plan(
        suite.reach(),
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
    as_json: Json = False,
) -> None:
    """Print what was done with each API key on each day (UTC), from the database of DATABASE_URL or DATA_DIR."""
    from stt_cli.commands.keys import print_usage

    print_usage(tenant, days, as_json=as_json)


def _asked_of_file(asked: Transcription, format: Format) -> dict[str, str]:
    """Return the fields of a request, and those without which the format has nothing to show."""
    return ({"speakers": "auto"} if format is Format.DIARIZED_JSON else {}) | asked.request_fields()

"""The command line: commands and their options, without their implementation.

Each command imports its implementation when it runs, so that `stt --help` needs neither FFmpeg nor an HTTP library.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from stt_cli.errors import CliError
from stt_cli.http.api_key import use_key
from stt_cli.http.formats import Format
from stt_cli.http.server import base_url
from stt_cli.http.tls import trust
from stt_cli.http.vocabulary import redaction_fields, vocabulary_fields
from stt_cli.options import (
    Ca,
    Fillers,
    Key,
    Keyterms,
    KeytermsFile,
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
models_app = typer.Typer(help="Manage the models on this machine.", no_args_is_help=True)
app.add_typer(models_app, name="models")
keys_app = typer.Typer(help="Manage the API keys in the database of DATABASE_URL or DATA_DIR.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
speakers_app = typer.Typer(help="Manage the known speakers of a running suite.", no_args_is_help=True)
app.add_typer(speakers_app, name="speakers")
tenants_app = typer.Typer(help="Manage the tenants in the database of DATABASE_URL or DATA_DIR.", no_args_is_help=True)
app.add_typer(tenants_app, name="tenants")


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
    files: Annotated[list[Path], typer.Argument(help="Audio or video files.")],
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
    known_speakers: Annotated[
        bool, typer.Option("--known-speakers", help="Tell speakers apart, and name those who are enrolled.")
    ] = False,
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
    """Transcribe files."""
    from stt_cli.commands.transcribe import transcribe as run

    trust(ca)
    use_key(api_key)
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
    run(base_url(url), files, format, fields, output)


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

    trust(ca)
    use_key(api_key)
    fields = _speech_fields(language, languages, task) | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    fields |= redaction_fields(redact, redact_pattern)
    if speakers is not None or format is Format.DIARIZED_JSON:
        fields["speakers"] = speakers or "auto"
    run(base_url(url), folder, format, fields, output_dir, settle, once)


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

    trust(ca)
    use_key(api_key)
    query = _speech_fields(language, languages, task) | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    query |= redaction_fields(redact, redact_pattern)
    if speakers is not None:
        query["speakers"] = speakers
    silences = {
        "endpointing": endpointing,
        "endpointing_ms": endpointing_ms,
        "endpointing_max_ms": endpointing_max_ms,
    }
    query |= {name: str(value) for name, value in silences.items() if value is not None}
    if channel_mode is not None:
        query["channel_mode"] = channel_mode
    run(base_url(url), source, query, sample_rate=rate, channels=channels, as_json=as_json)


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

    trust(ca)
    use_key(api_key)
    parameters = _speech_fields(language, languages, "transcribe") | vocabulary_fields(
        keyterms, keyterms_file, replacements_file, fillers
    )
    run(base_url(url), host, port, parameters | redaction_fields(redact, redact_pattern), max_clients)


@app.command()
def health(url: Url = None, api_key: Key = None, ca: Ca = None) -> None:
    """Show the state of every part of a running suite; exit 1 unless all are healthy."""
    from stt_cli.commands.health import health as run

    trust(ca)
    use_key(api_key)
    run(base_url(url))


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

    trust(ca)
    use_key(api_key)
    plan = Plan(
        base_url(url),
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


@models_app.command("pull")
def models_pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Names such as base or tiny.en, or hub ids.")],
    models_dir: ModelsDir = None,
) -> None:
    """Download and verify models; installed ones are only verified."""
    from stt_cli.commands.models import pull_models
    from stt_cli.model_files import models_dir_of

    pull_models(names, models_dir_of(models_dir))


@models_app.command("list")
def models_list(models_dir: ModelsDir = None) -> None:
    """List the installed models."""
    from stt_cli.commands.models import list_models
    from stt_cli.model_files import models_dir_of

    list_models(models_dir_of(models_dir))


@models_app.command("verify")
def models_verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="All installed models if omitted.")
    ] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Verify the digest of every file of installed models."""
    from stt_cli.commands.models import verify_models
    from stt_cli.model_files import models_dir_of

    verify_models(names or [], models_dir_of(models_dir))


def _speech_fields(language: str | None, languages: str | None, task: str) -> dict[str, str]:
    given = {"language": language, "languages": languages, "task": task if task != "transcribe" else None}
    return {name: value for name, value in given.items() if value}


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What the key is for, shown in lists.")],
    scopes: Annotated[
        str | None,
        typer.Option(
            help="stream, jobs, read, read:own, delete, speakers, admin, metrics with commas between, or all."
        ),
    ] = None,
    days: Annotated[float | None, typer.Option(help="Days until it expires; never if omitted.")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Whom everything made with it belongs to; local if omitted.")
    ] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="A quota of its own: requests_per_minute, streams, audio_seconds_per_day "
            "or upload_bytes_per_day; 0 for no limit.",
        ),
    ] = None,
) -> None:
    """Make a key and print it. It cannot be shown again. Without --scopes it may stream, post files and read."""
    from stt_cli.commands.keys import create_key

    create_key(name, scopes, tenant, days, quota or [])


@keys_app.command("list")
def keys_list(tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None) -> None:
    """List the keys, without their secrets."""
    from stt_cli.commands.keys import list_keys

    list_keys(tenant)


@keys_app.command("revoke")
def keys_revoke(id: Annotated[str, typer.Argument(help="Id of the key, as `stt keys list` shows it.")]) -> None:
    """Revoke a key for good; what is open with it ends within seconds."""
    from stt_cli.commands.keys import revoke_key

    revoke_key(id)


@keys_app.command("rotate")
def keys_rotate(
    id: Annotated[str, typer.Argument(help="Id of the key, as `stt keys list` shows it.")],
    overlap_s: Annotated[float, typer.Option(help="Seconds for which the secret before remains valid.")] = 0.0,
) -> None:
    """Give a key another secret and print it. The key's id, and what was made with it, stay."""
    from stt_cli.commands.keys import rotate_key

    rotate_key(id, overlap_s)


@keys_app.command("callback-secret")
def keys_callback_secret(
    tenant: Annotated[str | None, typer.Option(help="Whose; local if omitted.")] = None,
) -> None:
    """Print what receivers check a tenant's callbacks with, by CALLBACK_SECRET."""
    from stt_cli.commands.keys import callback_secret

    callback_secret(tenant)


Known = Annotated[str, typer.Argument(metavar="SPEAKER", help="Name or id, as `stt speakers list` shows it.")]


@speakers_app.command("list")
def speakers_list(url: Url = None, api_key: Key = None, ca: Ca = None) -> None:
    """List the known speakers: name, id, and when they were enrolled."""
    from stt_cli.commands.speakers import list_speakers

    trust(ca)
    use_key(api_key)
    list_speakers(base_url(url))


@speakers_app.command("enrol")
def speakers_enrol(
    name: Annotated[str, typer.Argument(help="What the person is called in transcripts.")],
    file: Annotated[Path, typer.Argument(help="Ten seconds or more of speech of this person alone.")],
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Enrol a voice, and print its id. The suite keeps the voice as numbers, and not the recording."""
    from stt_cli.commands.speakers import enrol_speaker

    trust(ca)
    use_key(api_key)
    enrol_speaker(base_url(url), name, file)


@speakers_app.command("rename")
def speakers_rename(
    speaker: Known,
    name: Annotated[str, typer.Argument(help="The other name.")],
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Give a known speaker another name. Transcripts keep the names that they have."""
    from stt_cli.commands.speakers import rename_speaker

    trust(ca)
    use_key(api_key)
    rename_speaker(base_url(url), speaker, name)


@speakers_app.command("delete")
def speakers_delete(speaker: Known, url: Url = None, api_key: Key = None, ca: Ca = None) -> None:
    """Delete a known speaker and the voice for good. Transcripts keep the names that they have."""
    from stt_cli.commands.speakers import delete_speaker

    trust(ca)
    use_key(api_key)
    delete_speaker(base_url(url), speaker)


@app.command()
def usage(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    days: Annotated[int, typer.Option(help="How many days, today included.")] = 30,
) -> None:
    """Print what was done with each API key on each day (UTC), from the database of DATABASE_URL or DATA_DIR."""
    from stt_cli.commands.keys import print_usage

    print_usage(tenant, days)


@tenants_app.callback()
def tenants() -> None:
    """Keep `delete` a command of its own, although it is the only one."""


@tenants_app.command("delete")
def tenants_delete(name: Annotated[str, typer.Argument(help="As `stt keys list` shows it.")]) -> None:
    """Delete all of a tenant for good: keys, transcripts, conversations, jobs, files, sessions, known speakers."""
    from stt_cli.commands.keys import delete_tenant

    delete_tenant(name)

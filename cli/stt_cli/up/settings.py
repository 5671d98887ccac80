"""Settings of `stt up`: the environment (and `.env`), overridden by command-line options."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from stt_cli.errors import CliError
from stt_shared.contracts.engines import EngineName
from stt_shared.process.certificate import Certificate, UnusableCertificate
from stt_shared.process.folders import default_data_dir
from stt_shared.process.settings import ListeningSettings, unreadable

Replicas = Annotated[int, Field(ge=1, le=64)]


class UpSettings(ListeningSettings):
    """Settings that the launcher needs itself; all others pass through to the services in the environment."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on; 0 takes a free one.")
    gateway_replicas: Replicas = Field(1, description="Processes of the api-gateway; they share the port.")
    audio_processor_replicas: Replicas = Field(1, description="Processes of the audio-processor.")
    transcriber_replicas: Replicas = Field(1, description="Processes of the transcriber; each loads the model.")
    whisper_model: str = Field("base", min_length=1, description="Name, hub id or folder of the model.")
    whisper_engine: EngineName = Field(
        EngineName.AUTO,
        description="What runs the model; auto: onnxruntime on a CPU if it can, otherwise faster-whisper.",
    )
    models_dir: Path | None = Field(None, description="Where models are kept; unset: a folder in the user's cache.")
    spool_dir: Path | None = Field(None, description="Where uploads wait; unset: a folder that is removed at the end.")
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the transcript store, if it is a file; unset: stt-suite in the user's data folder.",
    )
    database_url: str | None = Field(
        None,
        description="Where transcripts are kept: postgresql://USER@HOST/NAME or sqlite:////PATH; "
        "unset: the file transcripts.db in DATA_DIR.",
    )
    redis_url: str | None = Field(None, description="A Redis server; unset: an embedded one for this run only.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")


def load_up_settings(overrides: dict[str, Any]) -> UpSettings:
    """Load the environment plus the options given (None = not given). Raises CliError that names the invalid value."""
    try:
        settings = UpSettings(**{name: value for name, value in overrides.items() if value is not None})
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(unreadable(error), exit_code=2) from None
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']).upper()}={problem.get('input')!r}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise CliError("; ".join(problems), exit_code=2) from None
    if settings.tls_cert is not None:
        try:
            Certificate(settings.tls_cert.expanduser(), settings.tls_key and settings.tls_key.expanduser())
        except UnusableCertificate as error:
            raise CliError(str(error), exit_code=2) from None
    if settings.database_url is not None:
        from stt_gateway.store.engine import database_url  # slow to import, and seldom needed

        try:
            database_url(settings.database_url, settings.data_dir)
        except ValueError as error:
            raise CliError(str(error), exit_code=2) from None
    return settings

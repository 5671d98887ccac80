"""Settings from the environment (and `.env`), to which each service adds its own. Invalid values prevent the start."""

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stt_shared.process.listening import DEFAULT_ADDRESS, is_loopback, listening_address


class CommonSettings(BaseSettings):
    """Settings of every service."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Where Redis (or Valkey) is; `redis+cluster://host:port` for a Redis Cluster, "
        "`redis+sentinel://host:port/name` behind Sentinel.",
    )
    redis_wait_s: float = Field(10.0, ge=0.1, le=600, description="How long a service waits for Redis at its start.")
    redis_min_replicas: int = Field(
        0,
        ge=0,
        le=5,
        description="Replicas of Redis that must have a write before it counts (`WAIT`): a failover then loses none; "
        "with fewer, sessions wait as when Redis is full.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")


class ReplicaSettings(CommonSettings):
    """Settings of a service that does not answer requests itself."""

    health_file: Path | None = Field(
        None, description="File to which the replica writes its state, for the health check of its container."
    )

    @field_validator("health_file", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


class ListeningSettings(BaseSettings):
    """Settings of what listens for clients."""

    stt_host: str | None = Field(
        None, min_length=1, description="Address to listen on; 0.0.0.0 or :: for all. Unset: HOST."
    )
    host: str = Field(
        DEFAULT_ADDRESS,
        min_length=1,
        description="The same, if it is an IP address or localhost; some shells set it to something else.",
    )
    tls_cert: Path | None = Field(
        None,
        description="File of the certificate, with those between it and its authority, as PEM: the gateway then speaks "
        "HTTPS. It is read again when it changes.",
    )
    tls_key: Path | None = Field(
        None, description="File of its private key, as PEM without a password; unset: it is in TLS_CERT."
    )
    audit_log: Path | None = Field(
        None,
        description="File to which each deletion and act of administration is added as a line of JSON; the log has it "
        "in any case.",
    )

    @field_validator("tls_cert", "tls_key", "audit_log", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("tls_key")
    @classmethod
    def _check_key(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("tls_cert") is None:
            raise ValueError("is for the certificate in TLS_CERT, which must be set too")
        return value

    auth: Literal["off", "keys", "oidc"] | None = Field(
        None,
        description="off: everybody may use the suite; keys: those with a key; oidc: those with a key, and people who "
        "sign in at OIDC_ISSUER. Unset: off on loopback, otherwise the suite does not start.",
    )

    @property
    def unguarded(self) -> str | None:
        """What is wrong with listening to others without a word about who may come; None if nothing is."""
        if self.auth is not None or is_loopback(self.address):
            return None
        return (
            f"STT_HOST={self.address} lets others reach the suite, and AUTH is not set: AUTH=keys asks them for a key "
            "(stt keys create), AUTH=oidc lets people sign in as well, AUTH=off lets everybody in"
        )

    @property
    def address(self) -> str:
        """Address to listen on."""
        return listening_address(self.stt_host, self.host)


def unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Return a line about a `.env` that cannot be read."""
    cause = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
    return f".env in the working folder cannot be read: {cause}"


Settings = TypeVar("Settings", bound=BaseSettings)


class UnusableSettings(ValueError):
    """Raised for settings that cannot be used. ``problems``: a line for each: name, value and what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_settings(kind: type[Settings]) -> Settings:
    """Read the settings. Raises UnusableSettings."""
    try:
        return kind()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableSettings([unreadable(error)]) from None
    except ValidationError as error:
        raise UnusableSettings([_described(problem, kind) for problem in error.errors()]) from None


def load_settings(kind: type[Settings]) -> Settings:
    """Read the settings; on an invalid value, print what is wrong, and exit with 2."""
    try:
        return read_settings(kind)
    except UnusableSettings as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None


def _described(problem: Any, kind: type[BaseSettings]) -> str:
    name = ".".join(str(part) for part in problem["loc"]).upper()
    field = kind.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
    is_secret = field is not None and field.annotation is SecretStr
    value = "***" if is_secret else repr(problem.get("input"))
    return f"{name}={value}: {problem['msg']}"

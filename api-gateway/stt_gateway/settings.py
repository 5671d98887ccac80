"""Settings of the gateway."""

import functools
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from stt_gateway.core.openai.models import DEFAULT_NAMES, names_of
from stt_gateway.core.outbound.attempts import MAX_ATTEMPTS
from stt_gateway.core.outbound.client_urls import OutboundRules
from stt_gateway.core.outbound.public_addresses import ReachableAddresses, networks_of
from stt_gateway.core.outbound.signature import secrets_of
from stt_gateway.core.requests.access import host_names, origin_names
from stt_gateway.core.requests.languages import languages_of
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.people import ClaimRules, issuer_url, scope_rules
from stt_gateway.core.requests.proxies import root_path, trusted_proxies
from stt_gateway.core.requests.quotas import MAX_QUOTA, Quotas
from stt_gateway.core.requests.session_request import Defaults
from stt_shared.contracts.session import AUDIO_RATE_HZ, Endpointing
from stt_shared.process.folders import default_data_dir, default_spool_dir
from stt_shared.process.settings import CommonSettings, ListeningSettings


class GatewaySettings(ListeningSettings, CommonSettings):
    """Settings of the gateway, read from the environment; see docs/operations.md."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on; 0 = any free one.")
    listen_fd: Annotated[int, Field(ge=3)] | None = Field(
        None, description="An inherited listening socket, instead of STT_HOST and PORT."
    )
    allowed_hosts: str = Field(
        "",
        description="Host names by which clients may reach the gateway, besides localhost, STT_HOST and this "
        "machine's own: `stt.example.org,*.example.net`; `*` for any.",
    )
    allowed_origins: str = Field(
        "",
        description="Origins of other sites' pages that may use the gateway: `https://app.example.org`; "
        "`*` for any page that a user opens.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of proxies whose `X-Forwarded-For`, `-Host` and `-Prefix` or `Forwarded` "
        "are believed: `127.0.0.1,10.0.0.0/8`.",
    )
    root_path: str = Field(
        "",
        description="Path below which a proxy serves the gateway, such as `/stt`, whether the proxy removes it or not.",
    )
    ignored_parameters: str = Field(
        "access_token,api_key,apikey,key,token",
        description="Query parameters that are ignored, since they are meant for a proxy in front; other unknown ones "
        "are refused.",
    )
    api_key_in_query: bool = Field(
        False, description="Whether a key may stand in the query (`?api_key=`), which proxies log; tokens always may."
    )
    max_auth_failures_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        30, description="Wrong credentials from one network address in a minute at one gateway; 0 = no limit."
    )
    key_requests_per_minute: Annotated[int, Field(ge=0, le=MAX_QUOTA)] = Field(
        1200,
        description="Requests and WebSocket handshakes with one key in a minute, unless the key has a quota of its "
        "own; 0 = no limit.",
    )
    key_streams: Annotated[int, Field(ge=0, le=MAX_QUOTA)] = Field(
        0,
        description="Live sessions, viewers and event streams open with one key at a time, unless the key has a quota "
        "of its own; 0 = no limit.",
    )
    key_audio_seconds_per_day: Annotated[int, Field(ge=0, le=MAX_QUOTA)] = Field(
        0,
        description="Seconds of audio, live and in files, with one key on a day (UTC), unless the key has a quota of "
        "its own; 0 = no limit.",
    )
    key_upload_bytes_per_day: Annotated[int, Field(ge=0, le=MAX_QUOTA)] = Field(
        0,
        description="Bytes of uploaded files with one key on a day (UTC), unless the key has a quota of its own; "
        "0 = no limit.",
    )
    key_stored_transcripts: Annotated[int, Field(ge=0, le=MAX_QUOTA)] = Field(
        0,
        description="Stored transcripts of files and live sessions made with one key, unless the key has a quota of "
        "its own; 0 = no limit.",
    )
    oidc_issuer: str = Field(
        "",
        description="With AUTH=oidc: URL of the OpenID provider where people sign in, exactly as it calls itself.",
    )
    oidc_client_id: str = Field(
        "", description="Id of the page's client at OIDC_ISSUER; without it nobody signs in on the page."
    )
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="That client's secret; empty for a public client, which needs none."
    )
    oidc_audience: str = Field(
        "",
        description="Audiences of access tokens that programs may send, besides the page's ID tokens: "
        "`https://stt.example.org`.",
    )
    oidc_scope: str = Field(
        "openid profile",
        description="What the page asks of OIDC_ISSUER; add `offline_access` where it gives refresh tokens only then.",
    )
    oidc_tenant_claim: str = Field(
        "", description="Claim that names somebody's tenant; empty: everybody belongs to the tenant `local`."
    )
    oidc_scopes_claim: str = Field(
        "", description="Claim with the values in OIDC_SCOPES, such as `groups` or `realm_access.roles`."
    )
    oidc_scopes: str = Field(
        "stream,jobs,read:own",
        description="Scopes of people: those of everybody who may sign in, and by values of OIDC_SCOPES_CLAIM: "
        "`stream,read:own,staff=jobs read,root=all`.",
    )
    openai_models: str = Field(
        DEFAULT_NAMES,
        description="Names of models that OpenAI's clients may ask for, besides that of what runs, which does the "
        "work; one that ends in `-diarize` tells speakers apart.",
    )
    callback_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret with which callbacks are signed: `whsec_` and 24 bytes or more in Base64; several with "
        "commas while one replaces another. Empty: `callback_url` is refused.",
    )
    callback_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] = Field(
        8, description="How often a callback is tried before it is given up."
    )
    callback_timeout_s: Annotated[float, Field(ge=0.1, le=60)] = Field(
        15.0, description="How long one attempt to deliver a callback may take."
    )
    fetch_timeout_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        3600.0, description="How long the file of a job may take to come from its `url`; 0 = `url` is refused."
    )
    outbound_networks: str = Field(
        "",
        description="Addresses and networks that `callback_url` and `url` may name besides the public internet: "
        "`10.0.5.0/24,127.0.0.1`.",
    )
    outbound_http: bool = Field(
        False, description="Whether `callback_url` and `url` may begin with `http://` too, unencrypted."
    )
    spool_dir: Path = Field(
        default_factory=default_spool_dir, description="Folder of uploads, shared with the audio-processor."
    )
    max_upload_bytes: Annotated[int, Field(ge=1)] = Field(
        2 * 1024**3, description="Most bytes of audio that one upload request may carry."
    )
    max_spool_bytes: Annotated[int, Field(ge=1)] = Field(
        20 * 1024**3, description="Most bytes of uploads that wait in SPOOL_DIR; then uploads are refused."
    )
    max_jobs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2000, description="Most unfinished file jobs of the whole suite; the next one is refused."
    )
    max_jobs_per_client: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1000, description="Most unfinished file jobs of one network address; 0 = no limit of its own."
    )
    max_message_bytes: Annotated[int, Field(ge=1024, le=16 * 1024**2)] = Field(
        1024**2, description="Longest WebSocket message."
    )
    sample_rate: Annotated[int, Field(ge=4000, le=384_000)] = Field(
        AUDIO_RATE_HZ, description="Sample rate of live audio in Hz, if the client does not say."
    )
    channels: Annotated[int, Field(ge=1, le=8)] = Field(
        1, description="Channels of live audio, if the client does not say."
    )
    vad_silence_threshold_ms: Annotated[int, Field(ge=100, le=5000)] = Field(
        500, description="Silence that ends an utterance, if the client does not say (endpointing_ms)."
    )
    endpointing: Endpointing = Field(
        Endpointing.AUTO,
        description="auto: a pause ends an utterance later if the speaker seems to go on; fixed: always after the same "
        "silence. If the client does not say (endpointing).",
    )
    endpointing_max_ms: Annotated[int, Field(ge=100, le=5000)] = Field(
        1200,
        description="With auto, silence that ends any utterance, if the client does not say (endpointing_max_ms).",
    )
    languages: str = Field(
        "",
        description="Languages to detect, if the client names none: `en,fr,de`; one = always that one; empty = any.",
    )
    frame_ms: Annotated[int, Field(ge=20, le=1000)] = Field(
        100,
        description="Small chunks are joined to frames of about this length before they enter Redis; "
        "1.6 times as long while this gateway holds more than eight sessions a core.",
    )
    session_idle_timeout_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0, description="A client that sends nothing for this long, not even keepalive, is disconnected."
    )
    realtime_idle_timeout_s: Annotated[float, Field(ge=1, le=1800)] = Field(
        900.0,
        description="The same for clients of OpenAI's Realtime API, which have nothing like keepalive.",
    )
    max_session_s: Annotated[int, Field(ge=10, le=24 * 3600)] = Field(
        4 * 3600, description="Longest live session; it is stopped then."
    )
    send_timeout_s: Annotated[float, Field(ge=0.1, le=120)] = Field(
        10.0, description="A client that does not read for this long is disconnected."
    )
    database_url: str | None = Field(
        None,
        description="Where transcripts are kept: postgresql://USER@HOST/NAME or sqlite:////PATH; "
        "unset: the file transcripts.db in DATA_DIR.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the transcript store, if it is a file; unset: stt-suite in the user's data folder.",
    )
    transcript_retention_days: Annotated[float, Field(ge=0, le=36_500)] = Field(
        0.0, description="Days after which transcripts are deleted; 0 = never."
    )
    resume_window_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        150.0, description="How long a session whose connection was lost can be resumed; then it is stopped."
    )
    max_audio_rate: Annotated[float, Field(ge=1, le=1000)] = Field(
        2.0, description="Seconds of live audio that a client may send per second; the rest is read later."
    )
    audio_burst_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0, description="Seconds of live audio that a client may send at once to catch up."
    )
    gateway_max_sessions: Annotated[int, Field(ge=1, le=100_000)] = Field(
        2000, description="Most live connections of one gateway, without viewers."
    )
    gateway_max_viewers: Annotated[int, Field(ge=1, le=100_000)] = Field(
        2000, description="Most viewers of conversations at one gateway."
    )
    max_sessions_per_client: Annotated[int, Field(ge=0, le=100_000)] = Field(
        0,
        description="Most live connections of one network address at one gateway, and most viewers; 0 = no such limit.",
    )
    max_openings_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        300, description="Live sessions that one network address may open in a minute at one gateway; 0 = no limit."
    )
    max_http_connections: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="Most HTTP connections of one gateway, without WebSockets; at most a third of the open files."
    )
    drain_timeout_s: Annotated[int, Field(ge=1, le=600)] = Field(
        10, description="How long open requests and connections may take to finish when the gateway stops."
    )
    health_stall_s: Annotated[float, Field(ge=0.5, le=600)] = Field(
        3.0, description="Report `stalled` when the event loop is blocked for this long."
    )

    @functools.cached_property
    def ignored_parameter_names(self) -> frozenset[str]:
        """Names in IGNORED_PARAMETERS."""
        return frozenset(name.strip() for name in self.ignored_parameters.split(",")) - {""}

    @functools.cached_property
    def callback_keys(self) -> tuple[bytes, ...]:
        """Secrets in CALLBACK_SECRET; () without."""
        return secrets_of(self.callback_secret.get_secret_value())

    @functools.cached_property
    def outbound_rules(self) -> OutboundRules:
        """What clients may have the gateway connect to."""
        return OutboundRules(ReachableAddresses(networks_of(self.outbound_networks)), self.outbound_http)

    @functools.cached_property
    def claim_rules(self) -> ClaimRules:
        """How claims of JWTs are read."""
        return ClaimRules(self.oidc_tenant_claim, self.oidc_scopes_claim, scope_rules(self.oidc_scopes))

    @property
    def oidc_audiences(self) -> tuple[str, ...]:
        """Names in OIDC_AUDIENCE."""
        return tuple(filter(None, (name.strip() for name in self.oidc_audience.split(","))))

    @property
    def unusable_sign_in(self) -> str | None:
        """What is wrong with the settings of AUTH=oidc; None if nothing is, or AUTH is another."""
        if self.auth != "oidc":
            return None
        if not self.oidc_issuer:
            return "AUTH=oidc needs OIDC_ISSUER, the URL of the OpenID provider where people sign in"
        if not (self.oidc_client_id or self.oidc_audiences):
            return "AUTH=oidc needs OIDC_CLIENT_ID, the id of the page's client at OIDC_ISSUER, or OIDC_AUDIENCE"
        if bool(self.oidc_scopes_claim) != bool(self.claim_rules.scopes.by_value):
            return "OIDC_SCOPES_CLAIM names the claim of VALUE=SCOPES in OIDC_SCOPES: set both, or neither"
        return None

    @property
    def default_quotas(self) -> Quotas:
        """Quotas of a key without its own."""
        return Quotas(
            self.key_requests_per_minute,
            self.key_streams,
            self.key_audio_seconds_per_day,
            self.key_upload_bytes_per_day,
            self.key_stored_transcripts,
        )

    @property
    def openai_model_names(self) -> tuple[str, ...]:
        """Names in OPENAI_MODELS."""
        return names_of(self.openai_models)

    @property
    def live_defaults(self) -> Defaults:
        """What live sessions have that do not ask for anything else."""
        return Defaults(
            self.sample_rate,
            self.channels,
            self.vad_silence_threshold_ms,
            self.endpointing,
            self.endpointing_max_ms,
            self.language_choice,
        )

    @property
    def language_choice(self) -> tuple[str, ...]:
        """Codes of LANGUAGES; () for any."""
        return languages_of(self.languages)

    @field_validator("languages")
    @classmethod
    def _check_languages(cls, value: str) -> str:
        try:
            languages_of(value)
        except NotAllowed as error:
            raise ValueError(f"must be {error}") from None
        return value

    @field_validator("callback_secret")
    @classmethod
    def _check_secret(cls, value: SecretStr) -> SecretStr:
        secrets_of(value.get_secret_value())
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str) -> str:
        return issuer_url(value) if value else value

    @field_validator("oidc_scopes")
    @classmethod
    def _check_scopes(cls, value: str) -> str:
        scope_rules(value)
        return value

    @field_validator("outbound_networks")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @field_validator("openai_models")
    @classmethod
    def _check_models(cls, value: str) -> str:
        names_of(value)
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        host_names(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        trusted_proxies(value)
        return value

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, value: str) -> str:
        return root_path(value)

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        origin_names(value)
        return value

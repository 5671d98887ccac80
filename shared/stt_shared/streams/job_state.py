"""Typed view of a job's hash. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from stt_shared.contracts.jobs import DecodedFile, JobConfig, JobError, JobResult, JobStatus

_decode_found = msgspec.json.Decoder(DecodedFile).decode
_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_result = msgspec.json.Decoder(JobResult).decode
_decode_error = msgspec.json.Decoder(JobError).decode

CUTTER = "cutter"
FIELDS = (
    "epoch",
    "state",
    "status",
    "config",
    "created_ms",
    "progress",
    "progress_ms",
    "begun_ms",
    "result",
    "error",
    "total_samples",
    "chunks",
    "handed",
    "committed_seq",
    "pcm_seq",
    "decoded",
    "fetched_bytes",
    "total_bytes",
)
"""Fields of a ``JobState`` except ``CUTTER``, which may hold some minutes of audio."""


@dataclass(frozen=True)
class JobState:
    """Fields of a job's hash.

    ``progress`` is 0 to 100 and was made at ``progress_ms`` (wall clock; 0 = none yet), work began at ``begun_ms``.
    ``chunks`` and ``total_samples`` are the whole file's, None and 0 while unknown; ``dispatched`` is the number of
    chunks that were dispatched. The PCM log ends at frame ``pcm_seq``, and frames up to ``committed_seq`` are cut.
    ``decoded``: what the decoder found, empty until the whole file is decoded.
    ``fetched_bytes`` of ``total_bytes`` (0: unknown) have come from the client's URL.
    ``cutter``: takeover state of the cutter, b"" if there is none or it was not read.
    """

    epoch: str
    is_active: bool
    status: JobStatus
    config: JobConfig
    created_ms: float = 0.0
    progress: float = 0.0
    progress_ms: float = 0.0
    begun_ms: float = 0.0
    total_samples: int = 0
    chunks: int | None = None
    dispatched: int = 0
    committed_seq: int = 0
    pcm_seq: int = 0
    decoded: DecodedFile = field(default_factory=DecodedFile)
    fetched_bytes: int = 0
    total_bytes: int = 0
    cutter: bytes = b""
    result_json: bytes = b""
    error_json: bytes = b""

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> "JobState | None":
        """Parse a hash; None for one that is no job's. Raises msgspec.DecodeError or ValueError."""
        if b"epoch" not in fields or b"config" not in fields:
            return None

        def number(name: bytes) -> int:
            return int(fields.get(name, b"0"))

        return cls(
            epoch=fields[b"epoch"].decode(),
            is_active=fields.get(b"state") == b"active",
            status=JobStatus(fields.get(b"status", b"queued").decode()),
            config=_decode_config(fields[b"config"]),
            created_ms=float(fields.get(b"created_ms", b"0")),
            progress=float(fields.get(b"progress", b"0")),
            progress_ms=float(fields.get(b"progress_ms", b"0")),
            begun_ms=float(fields.get(b"begun_ms", b"0")),
            total_samples=number(b"total_samples"),
            chunks=int(fields[b"chunks"]) if b"chunks" in fields else None,
            dispatched=number(b"handed"),
            committed_seq=number(b"committed_seq"),
            pcm_seq=number(b"pcm_seq"),
            decoded=_decode_found(fields.get(b"decoded", b"{}")),
            fetched_bytes=number(b"fetched_bytes"),
            total_bytes=number(b"total_bytes"),
            cutter=fields.get(b"cutter", b""),
            result_json=fields.get(b"result", b""),
            error_json=fields.get(b"error", b""),
        )

    @property
    def result(self) -> JobResult | None:
        """Transcript of a completed job, decoded at each access."""
        return _decode_result(self.result_json) if self.result_json else None

    @property
    def error(self) -> JobError | None:
        """Reason why a failed job failed."""
        return _decode_error(self.error_json) if self.error_json else None

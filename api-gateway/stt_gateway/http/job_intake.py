"""Acceptance of files as jobs: the one way from an upload to jobs in the queue, whatever API it came by."""

import contextlib
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog
from fastapi import Request

from stt_gateway.authorize import principal_of
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.requests.addresses import client_network
from stt_gateway.core.requests.idempotency import fingerprint, idempotency_key, request_hash
from stt_gateway.core.requests.job_request import JobRequest
from stt_gateway.core.requests.principal import Principal, reach_of
from stt_gateway.core.requests.remote_file import url_filename
from stt_gateway.http.uploads import Received, Upload, no_file, receive_uploads
from stt_gateway.keys.stored import job_client, used_up
from stt_gateway.outbound.callbacks import check_callback
from stt_gateway.outbound.fetches import check_url
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.known_voices import publish_known_voices
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import FetchOrder, JobConfig
from stt_shared.contracts.makers import Maker
from stt_shared.process.clock import wall_ms
from stt_shared.process.tracing import tracer
from stt_shared.streams.jobs import Created, CreateRefusal, JobLimits, NewJob

_log = structlog.get_logger()


Receive = Callable[[Request, Path, int, int], Awaitable[Received]]
"""How the files of a request are read: its arguments and errors are those of ``receive_uploads``."""


class Intake:
    """Files of one request, from their upload until they are jobs. Use as an async context manager.

    ``files`` and ``fields`` are those of the form, or what ``receive`` makes of another body. Until ``accept`` has been
    called, an exception inside removes the files: the client learns that the request failed, so nothing is kept.
    """

    def __init__(self, request: Request, receive: Receive = receive_uploads) -> None:
        self._request = request
        self._receive = receive
        self._context = context_of(request)
        self._received = Received()
        self._is_open = True
        self._principal = principal_of(request)
        self._began_ms = wall_ms()
        self.key = idempotency_key(request.headers.getlist("idempotency-key"))

    async def __aenter__(self) -> "Intake":
        """Receive the body. Raises SttError, ClientDisconnect and Redis errors."""
        settings, limits = self._context.settings, self._context.limits
        await self._context.admission.check_memory()
        await limits.check_upload(self._principal)
        await self._context.stored.check_files(self._principal)
        self._received = await self._receive(
            self._request, settings.spool_dir, settings.max_upload_bytes, settings.max_spool_bytes
        )
        try:
            size_bytes = sum(upload.size_bytes for upload in self.files)
            if self.files:
                await limits.count_upload(self._principal, len(self.files), size_bytes)
        except BaseException:
            self._remove_files()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the files of a request that failed before its jobs were to be created."""
        if self._is_open and kind is not None:
            self._remove_files()

    @property
    def files(self) -> list[Upload]:
        """The files, in the order of the form."""
        return self._received.files

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Names and values of the other parts."""
        return self._received.fields

    async def accept(self, options: JobRequest) -> Created:
        """Create a job for each file, or find those of the same request or of the same files and options.

        The file of ``options.url`` is fetched later. Raises SttError and Redis errors.
        """
        context, settings, files = self._context, self._context.settings, self.files
        fetch = b""
        if options.url:
            check_url(settings, options.url, has_file=bool(files))
            files = [Upload(uuid.uuid4().hex, url_filename(options.url))]
            quota_bytes = context.limits.upload_bytes_per_day(self._principal)
            fetch = msgspec.json.encode(FetchOrder(options.url, quota_bytes))
        elif not files:
            raise no_file()
        model = await context.admission.check_file(options.possible_languages, options.task)
        await check_callback(settings, context.bus.callbacks, options.callback_url)
        known_to = self._principal.tenant if options.known_speakers else ""
        if known_to:
            await publish_known_voices(context.voices, context.bus.jobs, known_to)
        left = await context.stored.left_for_files(self._principal)
        # A callback is of a job of its own, so that whoever waits for one gets it.
        may_be_stored = self.key is None and not options.callback_url and not options.url
        stored_ids = await _find_stored(context, self._principal, files, options, model) if may_be_stored else None
        # If Redis does not answer, it is unknown whether the jobs exist, so their files stay. If they do not exist, the
        # sweeper of the spool folder finds the files without a job.
        self._is_open = False
        if stored_ids is not None:
            # The same bytes with the same options and model would give the same result.
            self._remove_files()
            return Created(stored_ids, replayed=True)
        with contextlib.ExitStack() as traces:
            created = await context.bus.jobs.create(
                [
                    _new_job(
                        upload,
                        options,
                        model,
                        self._principal.maker,
                        known_to,
                        fetch,
                        traces.enter_context(self._traced(upload)),
                    )
                    for upload in files
                ],
                wall_ms(),
                key_hash=request_hash(self._principal.maker, self.key) if self.key else "",
                fingerprint=fingerprint(options, [*(upload.sha256 for upload in files), *_told(options)]),
                client=_client_of(self._request),
                limits=JobLimits(settings.max_jobs, _least(settings.max_jobs_per_client, left)),
            )
        if isinstance(created, CreateRefusal) or created.replayed:
            self._remove_files()
        if isinstance(created, CreateRefusal):
            raise _refused(created, settings, left, context.stored.limit(self._principal))
        return created

    def _traced(self, upload: Upload) -> contextlib.AbstractContextManager[str]:
        """Enter to create the job of a file; yields its place in a trace: one of its own, or the client's."""
        parent = self._request.headers.get("traceparent", "")
        return tracer().root("accept", parent, self._began_ms, job_id=upload.spool_name, size_bytes=upload.size_bytes)

    def _remove_files(self) -> None:
        for upload in self.files:
            (self._context.settings.spool_dir / upload.spool_name).unlink(missing_ok=True)


def _client_of(request: Request) -> str:
    """Return a name for the client, which takes turns with others: that of its key, else one of its network.

    Names in Redis do not reveal the network's address.
    """
    if (principal := principal_of(request)).key_id:
        return job_client(principal)
    network = client_network(request.client.host) if request.client else ""
    return hashlib.sha256(network.encode()).hexdigest()[:16]


def _least(of_client: int, left: int | None) -> int:
    """Return the smaller limit on unfinished jobs; 0: none."""
    return min(of_client or left, left) if left is not None else of_client


def _refused(reason: CreateRefusal, settings: GatewaySettings, left: int | None, limit: int) -> SttError:
    match reason:
        case CreateRefusal.CONFLICT:
            message = "this Idempotency-Key was used for another request; take a new key for each"
            return SttError("conflict", message)
        case CreateRefusal.CLIENT_FULL:
            most = settings.max_jobs_per_client
            if left is not None and left == _least(most, left):
                return used_up(limit)
            message = f"at most {most} files of one client may wait or be in progress; try again when some are done"
        case CreateRefusal.FULL:
            message = f"at most {settings.max_jobs} files may wait or be in progress; try again later"
    return SttError("at_capacity", message)


async def _find_stored(
    context: GatewayContext, principal: Principal, uploads: list[Upload], options: JobRequest, model: str
) -> list[str] | None:
    """Return the ids of stored transcripts of exactly these files; None unless there is one for every file.

    A file uploaded with another name is also stored with that name, because people search by name.
    """
    try:
        store = context.store.of(principal.reach)
        found = [await store.find_by_content(_content_key(upload, options, model)) for upload in uploads]
        if None in found:
            return None
        job_ids = []
        for upload, stored in zip(uploads, found, strict=True):
            assert stored is not None
            if stored.filename != upload.filename:
                name = {"id": upload.spool_name, "filename": upload.filename, "title": upload.filename}
                stored = msgspec.structs.replace(stored, **name, created_ms=int(wall_ms()))
                await context.store.of(reach_of(principal.maker)).put(stored)
            job_ids.append(stored.id)
        return job_ids
    except SttError as error:
        # The search only saves work, so its failure does not fail the request.
        _log.warning("store lookup skipped", cause=error.message)
        return None


def _told(options: JobRequest) -> list[str]:
    told = {"callback_url": options.callback_url, "url": options.url, "callback_form": options.callback_form}
    return [f"{name}={value}" for name, value in told.items() if value]


def _content_key(upload: Upload, options: JobRequest, model: str) -> str:
    # Who is known may be another one the next time.
    # What is at a URL is not known yet.
    is_repeatable = model and not options.known_speakers and not options.enrolls and not options.url
    return fingerprint(options, [upload.sha256, model]) if is_repeatable else ""


def _new_job(
    upload: Upload, options: JobRequest, model: str, maker: Maker, known_to: str, fetch: bytes, traceparent: str
) -> NewJob:
    config = JobConfig(
        upload.spool_name,
        upload.filename,
        upload.size_bytes,
        options.language,
        options.task,
        options.prompt,
        model,
        _content_key(upload, options, model),
        options.track,
        options.languages,
        options.channel_mode,
        options.keyterms,
        options.speakers,
        options.replacements,
        options.fillers,
        options.redact,
        options.redact_patterns,
        maker,
        known_to,
        options.enrolls,
        options.callback_url,
        options.callback_method,
        options.callback_form,
        traceparent,
    )
    return NewJob(upload.spool_name, uuid.uuid4().hex, msgspec.json.encode(config), fetch)

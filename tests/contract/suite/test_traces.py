"""Each utterance and each job is one trace over all services, also when a transcriber dies in between."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from chaos.oracle import speech
from chaos.replica import Replica
from chaos.talk import Talk, speak_sdk
from support.file_client import finished, post
from support.gateway_harness import until
from support.otlp_receiver import OtlpReceiver, ReceivedSpan, receiving_traces
from support.process_suite import Suite, running_suite, wav, words_of

# Three processes start, one of them twice.
pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

GATEWAY, PROCESSOR, TRANSCRIBER = "stt-gateway", "stt-audio-processor", "stt-transcriber"
SPOKEN = speech([10, 40], [300, 1200])
TRACED = {"OTEL_BSP_SCHEDULE_DELAY": "50", "LOG_LEVEL": "DEBUG"}


def transcriber_of(suite: Suite) -> Replica:
    (transcriber,) = (replica for replica in suite.replicas if replica.service == "transcriber")
    return transcriber


async def talk_over_a_death(suite: Suite) -> Talk:
    """A session of two utterances; the transcriber dies in the middle of the second."""
    talk = suite.talk("traced", SPOKEN)
    speaking = asyncio.create_task(speak_sdk(talk))
    await until(lambda: any(event["utterance"] == 2 for event in talk.kind("partial")), 30)
    transcriber = transcriber_of(suite)
    transcriber.process.kill()  # type: ignore[union-attr]
    await transcriber.gone()
    transcriber.start()
    await speaking
    return talk


def check_utterance(spans: list[ReceivedSpan], number: int) -> None:
    of_name = {span.name: span for span in spans if span.name != "infer"}
    root = of_name.pop("utterance")
    assert (root.parent_id, root.service) == ("", GATEWAY)
    assert (root.attributes["session_id"], root.attributes["utterance"]) == ("traced", number)
    parents = {span.name: (span.service, span.parent_id) for span in of_name.values()}
    transcribe = of_name["transcribe"].span_id
    assert parents == {
        "receive": (GATEWAY, root.span_id),
        "decode": (PROCESSOR, root.span_id),
        "transcribe": (TRANSCRIBER, root.span_id),
        "vad": (TRANSCRIBER, transcribe),
        "emit": (TRANSCRIBER, transcribe),
        "deliver": (GATEWAY, root.span_id),
    }
    inferred = [span for span in spans if span.name == "infer"]
    assert "final" in {span.attributes["kind"] for span in inferred}
    assert {span.parent_id for span in inferred} == {transcribe}
    assert root.start_ms <= of_name["decode"].start_ms <= of_name["emit"].start_ms <= of_name["deliver"].end_ms


async def test_an_utterance_and_a_job_are_one_trace_each(redis_url: str, tmp_path: Path) -> None:
    with receiving_traces() as receiver:
        async with running_suite(tmp_path, redis_url, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, **TRACED) as suite:
            talk = await talk_over_a_death(suite)
            traces = [final["traceparent"].split("-")[1] for final in talk.kind("final")]
            assert len(set(traces)) == len(traces) == 2
            await until(lambda: all(has(receiver, trace, "deliver", "utterance") for trace in traces))
            for number, trace in enumerate(traces, 1):
                check_utterance(receiver.of(trace), number)
            await check_job(suite, receiver)
            logs = [json.loads(entry) for entry in suite.logs().splitlines()]
        joined = {(entry["session_id"], entry["trace_id"]) for entry in logs if entry["event"] == "utterance traced"}
        assert joined == {("traced", trace) for trace in traces}
        sent = b"".join(receiver.bodies)
        assert not [text for text in ("SECRET", *words_of(SPOKEN)) if text.encode() in sent]


async def check_job(suite: Suite, receiver: OtlpReceiver) -> None:
    async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=20) as http:
        mine = "0af7651916cd43dd8448eb211c80319c"
        http.headers["traceparent"] = f"00-{mine}-b7ad6b7169203331-01"
        job_id = await post(http, "SECRET.wav", wav(SPOKEN), prompt="SECRETPROMPT")
        assert (await finished(http, job_id))["status"] == "completed"
    await until(lambda: has(receiver, mine, "store", "cut", "assemble"))
    spans = receiver.of(mine)
    (root,) = (span for span in spans if span.name == "accept")
    assert root.parent_id == "b7ad6b7169203331", "it continues the client's trace"
    rest = {(span.service, span.name, span.parent_id) for span in spans if span is not root}
    steps = [
        (PROCESSOR, "decode"),
        (TRANSCRIBER, "cut"),
        (TRANSCRIBER, "transcribe"),
        (TRANSCRIBER, "assemble"),
        (GATEWAY, "store"),
    ]
    assert rest == {(*step, root.span_id) for step in steps}
    assert {span.attributes["job_id"] for span in spans} == {job_id}
    decoded = [json.loads(entry) for entry in suite.logs().splitlines() if "file decoded" in entry]
    assert [entry["trace_id"] for entry in decoded] == [mine]


def has(receiver: OtlpReceiver, trace_id: str, *names: str) -> bool:
    return {span.name for span in receiver.of(trace_id)} >= set(names)

"""Events as a gateway sends them to the Python client."""

from stt_client.progress import Event


def final(utterance: int, event: int, text: str = "words", **more: object) -> Event:
    start_ms = (utterance - 1) * 1000
    return {"type": "final", "utterance": utterance, "event": event, "text": text, "start_ms": start_ms, **more}


def partial(utterance: int, event: int) -> Event:
    return {"type": "partial", "utterance": utterance, "event": event, "text": "wor"}


def ack(committed_ms: int, event: int) -> Event:
    return {"type": "ack", "received_seq": 1, "committed_ms": committed_ms, "event": event}

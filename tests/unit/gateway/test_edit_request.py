"""Edits of transcripts as clients send them."""

import pytest

from stt_gateway.core.speakers.changes import GivenPassage, SpeakerChanges
from stt_gateway.core.texts.edits import GivenText
from stt_gateway.store.edit_request import edit_request
from stt_gateway.store.interface import TranscriptEdit
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_an_edit_is_read() -> None:
    assert edit_request(b'{"title": " a\\n\\tb\\u0000\\u202ec "}') == TranscriptEdit("a bc")
    assert edit_request(
        b'{"speakers": {"Speaker 1": " Anna\\n", "Speaker 2": null}, "merge": {"Speaker 3": "Speaker 1"},'
        b' "assign": [{"start": 1, "end": 2.5, "speaker": "B\\u202eob"}, {"start": 3, "end": 4, "speaker": null}],'
        b' "revision": 3}'
    ) == TranscriptEdit(
        speakers=SpeakerChanges(
            merge={"Speaker 3": "Speaker 1"},
            assign=[GivenPassage(1.0, 2.5, "Bob"), GivenPassage(3.0, 4.0, None)],
            names={"Speaker 1": "Anna", "Speaker 2": None},
        ),
        revision=3,
    )
    assert edit_request(
        b'{"texts": [{"segment": 2, "text": " a\\n\\u202eb "}, {"segment": 3, "text": ""}], "revision": 0}'
    ) == TranscriptEdit(texts=[GivenText(2, "a b"), GivenText(3, "")], revision=0)
    assert edit_request(b'{"restore": 0}') == TranscriptEdit(restore=0)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", "bad_message", "no JSON"),
        (b"\xff", "bad_message", "no JSON"),
        (b"[]", "bad_config", "the body must be an edit"),
        (b"{}", "bad_config", "nothing is changed"),
        (b'{"revision": 3}', "bad_config", "nothing is changed"),
        (b'{"texts": [{"segment": 0, "text": "x"}]}', "bad_config", "texts need revision"),
        (b'{"texts": [{"segment": 0}], "revision": 0}', "bad_config", "text"),
        (b'{"restore": -1}', "bad_config", ">= 0"),
        (b'{"restore": 10000000000000000000000}', "bad_config", "<= 2147483647"),
        (b'{"restore": 1, "title": "x"}', "bad_config", "nothing else can be changed with it"),
        (b'{"title": null}', "bad_config", "nothing is changed"),
        (b'{"title": 1}', "bad_config", "title"),
        (b'{"title": "x", "name": "y"}', "bad_config", "name"),
        (b'{"title": " \\u0000\\u202e "}', "bad_config", "title is empty"),
        (b'{"speakers": {"Speaker 1": ""}}', "bad_config", "the name of a speaker is empty"),
        (b'{"speakers": {"Speaker 1": "' + b"x" * 129 + b'"}}', "bad_config", "at most 128 characters"),
        (b'{"assign": [{"start": 1, "end": 2}]}', "bad_config", "speaker"),
        (b'{"assign": [{"start": 1, "end": 2, "speaker": "\\u0000"}]}', "bad_config", "is empty"),
        (b'{"assign": [{"start": 1, "end": 2, "speaker": "x", "stop": 3}]}', "bad_config", "stop"),
    ],
)
def test_a_wrong_edit_is_refused(body: bytes, code: str, message: str) -> None:
    with pytest.raises(SttError, match=message) as caught:
        edit_request(body)
    assert caught.value.code == code

"""Names of files at URLs, and what the answers of their servers mean."""

import pytest

from stt_gateway.core.requests.remote_file import FetchFailed, answered_filename, check_answer, url_filename
from stt_gateway.http.job_bodies import json_fields

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/talk%20one.mp3?x=1#y", "talk one.mp3"),
        ("https://example.org/share/0a9f", "recording"),
        ("https://example.org/.mp3", "recording"),
        ("https://example.org", "recording"),
        ("https://u:p@example.org/a%2Fb.wav", "b.wav"),
    ],
)
def test_a_name_is_the_last_part_of_the_path_if_it_is_one(url: str, name: str) -> None:
    assert url_filename(url) == name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=a.mp3", "a.mp3"),
        ("inline; filename*=UTF-8''%C3%BC.mp3", "ü.mp3"),
        ("attachment; filename=../../x.wav", "x.wav"),
        ("attachment", "given.mp3"),
        ("", "given.mp3"),
    ],
)
def test_the_server_may_name_it(disposition: str, name: str) -> None:
    assert answered_filename({"content-disposition": disposition}, "given.mp3") == name


@pytest.mark.parametrize(("stated", "total"), [("12", 12), ("", 0), ("-1", 0), ("x", 0), ("9" * 30, 0), ("١", 0)])
def test_the_length_is_what_the_server_says(stated: str, total: int) -> None:
    assert check_answer(200, {"content-length": stated}, 100) == total


@pytest.mark.parametrize(
    ("status", "may_pass"),
    [(404, False), (401, False), (206, False), (408, True), (429, True), (500, True), (302, False)],
)
def test_some_answers_may_pass(status: int, may_pass: bool) -> None:
    with pytest.raises(FetchFailed, match=str(status)) as failure:
        check_answer(status, {}, 100)
    assert failure.value.may_pass is may_pass


def test_json_says_the_same_as_a_form() -> None:
    body = b'{"url":"https://x","track":2,"known_speakers":true,"keyterms":["a","b"],"replacements":{"a":"b"},"prompt":null}'
    assert json_fields(body) == [
        ("url", "https://x"),
        ("track", "2"),
        ("known_speakers", "true"),
        ("keyterms", "a,b"),
        ("replacements", '{"a":"b"}'),
    ]

"""Requests to the transcript store, and those that are refused."""

import pytest

from stt_gateway.store.interface import Kind, Search
from stt_gateway.store.request import cursor_of, search_request
from stt_gateway.store.schema import first_place, place_of
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

DAY_MS = 24 * 3600 * 1000


def test_nothing_asked_is_the_newest() -> None:
    assert search_request([]) == Search()


def test_all_parameters_are_read() -> None:
    place = place_of(1_700_000_000_000, "a")
    wanted = search_request(
        [
            ("query", " grüße an alle "),
            ("filename", "Mü"),
            ("language", "pt-BR"),
            ("kind", "live"),
            ("from", "1970-01-02"),
            ("to", "1970-01-03"),
            ("cursor", cursor_of(place)),
            ("limit", "100"),
        ]
    )
    assert wanted == Search("grüße an alle", "Mü", "pt", Kind.LIVE, DAY_MS, 3 * DAY_MS, place, 100)


@pytest.mark.parametrize(
    ("written", "sought"), [("iw-IL", "he"), ("Norwegian Bokmål", "no"), ("cmn-Hans-CN", "zh"), ("auto", ""), ("", "")]
)
def test_a_search_takes_the_languages_that_a_session_takes(written: str, sought: str) -> None:
    assert search_request([("language", written)]).language == sought


def test_moments_have_zones() -> None:
    wanted = search_request([("from", "1970-01-01T02:00:00+02:00"), ("to", "1970-01-01T00:00:01")])
    assert (wanted.from_ms, wanted.to_ms) == (0, 1000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("limit", "٣"),
        ("language", "klingon"),
        ("kind", "video"),
        ("from", "yesterday"),
        ("from", "1969-12-31"),
        ("from", "9999-12-31T23:59:59"),
        ("to", "2026-02-30"),
        ("to", "2026-01-01T00:00:00 02:00"),
        ("cursor", "x"),
        ("cursor", "////////////"),
        ("cursor", "ü"),
        ("cursor", "_" * 11),
        ("query", "x" * 201),
        ("filename", "x" * 201),
        ("order", "desc"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(SttError, match=name) as caught:
        search_request([(name, value)])
    assert caught.value.code == "bad_config"


def test_parameters_appear_once_and_in_order() -> None:
    with pytest.raises(SttError, match="twice"):
        search_request([("query", "a"), ("query", "b")])
    with pytest.raises(SttError, match="from is not before to"):
        search_request([("from", "2026-02-01"), ("to", "2026-01-01")])


def test_places_follow_time_and_fit_a_cursor() -> None:
    earlier, later = place_of(1000, "z"), place_of(1001, "a")
    assert first_place(1000) <= earlier < first_place(1001) <= later
    assert place_of(1000, "z", 1) != earlier
    last = place_of(7_258_118_400_000, "z")
    assert search_request([("cursor", cursor_of(last))]).before == last

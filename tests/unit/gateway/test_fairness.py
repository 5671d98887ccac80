"""Who gives a place to a newcomer when all places are taken."""

import pytest

from stt_gateway.core.live.fairness import QUIET_MS, HeldPlace, displaced

pytestmark = pytest.mark.unit

NOW_MS = 1_000_000.0


def held(*clients: str, quiet: str = "") -> dict[str, HeldPlace]:
    """One session each, opened one after the other; those of ``quiet`` sent no audio lately."""
    return {
        f"{number} {client}": HeldPlace(
            client, 1000.0 * number, NOW_MS - (QUIET_MS + number if client == quiet else 100.0)
        )
        for number, client in enumerate(clients)
    }


def test_nobody_is_displaced_from_a_suite_without_sessions_here() -> None:
    assert displaced({}, "new", 4, NOW_MS) is None


def test_speakers_keep_their_places() -> None:
    assert displaced(held("a", "b", "c", "d"), "new", 4, NOW_MS) is None


def test_a_session_without_audio_gives_its_place_whoever_asks() -> None:
    assert displaced(held("a", "b", "c", "c", quiet="b"), "new", 4, NOW_MS) == "1 b"
    assert displaced(held("a", "b", "c", "c", quiet="b"), "b", 4, NOW_MS) == "1 b"


def test_of_quiet_sessions_the_first_is_of_the_client_that_holds_most() -> None:
    sessions = {**held("a", "b", "b", quiet="b"), "quietest": HeldPlace("a2", 0.0, 0.0)}
    assert displaced(sessions, "new", 4, NOW_MS) == "2 b", "the quieter of the two of b"


def test_a_client_with_more_than_its_share_gives_its_newest_place_to_another() -> None:
    sessions = held("a", "a", "b", "a", "a", "c")
    assert displaced(sessions, "new", 6, NOW_MS) == "4 a"
    assert displaced(sessions, "a", 6, NOW_MS) is None, "but not to itself"


def test_a_client_keeps_its_share() -> None:
    assert displaced(held("a", "a", "b", "b", "c", "c"), "new", 6, NOW_MS) is None


def test_two_clients_take_no_places_from_each_other_in_turn() -> None:
    assert displaced(held("a", "a", "a", "b", "b"), "b", 5, NOW_MS) is None


def test_one_client_cannot_keep_all_others_out() -> None:
    sessions, newcomers = held(*["greedy"] * 20), 0
    while (victim := displaced(sessions, f"client {newcomers}", 20, NOW_MS)) is not None:
        del sessions[victim]
        sessions[f"new {newcomers}"] = HeldPlace(f"client {newcomers}", NOW_MS, NOW_MS)
        newcomers += 1
    assert newcomers == 14
    assert sum(place.client == "greedy" for place in sessions.values()) == 6

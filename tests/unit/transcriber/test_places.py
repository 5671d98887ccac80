"""Places follow what the sessions and the machine really do, in simulations of both."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from support.simulated_machine import Machine, Person

from stt_transcriber.core.schedule.pacing import LoadModel
from stt_transcriber.core.schedule.places import (
    DECODING_BYTES,
    MOST_PLACES,
    SESSION_BYTES,
    PlaceLimit,
    Places,
    machine_share,
    memory_room,
)
from stt_transcriber.core.schedule.scheduler import Kind

pytestmark = pytest.mark.unit

SLOW_MS = 95.0
"""An encode on a machine where 16 sessions of base are about the most that two cores serve."""


def started(**options: Any) -> Machine:
    machine = Machine(**options)
    machine.run(5)
    return machine


class TestQuietMachine:
    def test_sixteen_people_who_come_one_after_another_are_all_admitted(self) -> None:
        machine = started(encode_ms=SLOW_MS)
        replica = machine.only
        for _ in range(16):
            machine.run(0.37)
            half_a_second_ago = replica.history[-3]  # gateways know no newer number
            assert half_a_second_ago > len(replica.people)
            replica.people.append(Person(6, 1.5, machine.now_ms))
        machine.run(60)
        assert replica.interval_ms.value < 1500, "and have their drafts"

    def test_a_crowd_is_admitted_only_as_far_as_all_have_their_drafts(self) -> None:
        machine = started()
        admitted = machine.fill(30, at_a_time=1000)
        assert 20 <= admitted <= 30
        assert machine.only.load.final_wait_ms(machine.now_ms) < 300
        assert machine.only.load.pace(admitted, machine.now_ms).drafts

    def test_a_full_machine_neither_flaps_nor_admits_more_and_more(self) -> None:
        machine = started()
        first = machine.fill(60)
        machine.only.history.clear()
        second = machine.fill(120)
        assert second - first <= 3
        assert max(machine.only.history) - min(machine.only.history) <= 4

    def test_a_place_is_free_as_soon_as_its_session_has_ended(self) -> None:
        machine = started()
        machine.fill(60)
        machine.only.people.pop()
        machine.run(0.3)
        assert machine.places > len(machine.only.people)


class TestBusyNeighbours:
    def test_a_first_session_always_gets_in(self) -> None:
        machine = Machine(encode_ms=SLOW_MS)
        machine.neighbours = 40
        for _ in range(60):
            machine.run(1)
            assert machine.places >= 1

    def test_places_are_back_within_seconds(self) -> None:
        quiet = started().places
        machine = Machine()
        machine.neighbours = 6
        machine.run(20)
        assert machine.places < 0.5 * quiet
        machine.neighbours = 0
        machine.run(10)
        assert machine.places == quiet

    def test_they_are_back_while_somebody_speaks_too(self) -> None:
        machine = Machine()
        machine.neighbours = 6
        machine.run(10)
        machine.only.admit(1, machine.now_ms)
        machine.run(20)
        busy = machine.places
        machine.neighbours = 0
        machine.run(10)
        assert machine.places > 2 * busy

    def test_sessions_stay_and_nobody_else_is_admitted_while_the_neighbours_run(self) -> None:
        machine = started()
        admitted = machine.fill(60)
        machine.neighbours = 4
        machine.run(10)
        assert 1 <= machine.places < admitted
        assert machine.fill(10) == admitted

    def test_one_busy_moment_takes_places_away_for_moments(self) -> None:
        machine = started()
        machine.fill(10)
        before = machine.places
        machine.neighbours = 20
        machine.run(0.3)
        machine.neighbours = 0
        machine.run(4)
        assert machine.places > 0.8 * before


class TestReplicasOnOneHost:
    def test_two_have_as_many_places_as_one(self) -> None:
        one, two = started(), started(replicas=2)
        assert abs(two.places - one.places) <= 1
        assert two.fill(60) == pytest.approx(one.fill(60), rel=0.15)

    def test_a_busy_one_leaves_less_to_the_other(self) -> None:
        machine = started(replicas=2)
        loaded, idle = machine.replicas
        before = idle.counted.places
        loaded.admit(12, machine.now_ms)
        machine.run(20)
        assert idle.counted.places < before

    def test_each_has_its_part_of_the_cpus_that_they_share(self) -> None:
        def replica(cpus: int, cpu_set: str = "a", state: str = "ready") -> "Told":
            return Told(state, {"cpus": cpus, "cpu_set": cpu_set})

        assert machine_share("a", 4, [replica(4)]) == 1
        assert machine_share("a", 4, [replica(4), replica(4)]) == 0.5
        assert machine_share("a", 4, [replica(2), replica(2)]) == 1, "their quotas fit next to each other"
        assert machine_share("a", 4, [replica(4), replica(4, "b"), replica(4, state="draining")]) == 1
        assert machine_share("a", 4, [Told("ready", {})]) == 1, "a replica of an older version"


@dataclass
class Told:
    state: str
    detail: dict[str, Any] = field(default_factory=dict)


class TestSilentSessions:
    def test_they_leave_their_places_to_those_who_speak(self) -> None:
        machine = started()
        quiet = machine.places
        machine.only.admit(10, machine.now_ms, speaks_s=0)
        machine.run(1)
        assert machine.places <= quiet, "newcomers are expected to speak"
        machine.run(60)
        assert machine.places >= quiet + 7

    def test_many_who_speak_now_and_then_fit_in(self) -> None:
        machine = started()
        quiet = machine.places
        machine.fill(120, speaks_s=2, pauses_s=8)
        assert len(machine.only.people) > 1.5 * quiet
        assert machine.only.interval_ms.value < 1500

    def test_however_silent_all_are_there_is_an_end(self) -> None:
        machine = started()
        machine.fill(120, at_a_time=20, speaks_s=0)
        assert 50 < machine.places < 250


class TestLimits:
    def test_a_model_that_is_too_slow_has_one_place(self) -> None:
        machine = started(encode_ms=4000)
        assert (machine.places, machine.only.counted.limit) == (1, "least")
        machine.only.admit(1, machine.now_ms)
        machine.run(60)
        assert machine.places == 1

    def test_a_model_that_costs_nothing_has_a_limit_too(self) -> None:
        assert Places(LoadModel(2, 300, 3000, 0.0)).count(0, 0, 1.0, 0).places == MOST_PLACES

    def test_nobody_is_admitted_while_finals_are_late(self) -> None:
        load = LoadModel(2, 300, 3000, 10)
        places = Places(load)
        assert places.count(5, 0, 1.0, 0).places > 5
        for second in range(1, 11):
            load.decoded(Kind.FINAL, 10, [3.0], 2500, second * 1000)
        late = places.count(5, 0, 1.0, 10_000)
        assert (late.places, late.limit) == (5, "finals")
        assert places.count(5, 0, 1.0, 40_000).limit == "partials", "over after a while"

    def test_more_cores_have_more_places(self) -> None:
        assert started(cores=8).places > 3.5 * started(cores=2).places


class TestMemory:
    def test_without_a_limit_there_is_room_for_any_number(self) -> None:
        assert memory_room(None, 1 << 40) == float("inf")

    def test_what_is_left_below_a_limit_is_room_for_sessions(self) -> None:
        assert memory_room(1 << 30, (1 << 30) - DECODING_BYTES - 5 * SESSION_BYTES) == 5

    def test_memory_limits_the_places_of_a_machine_that_has_time_for_more(self) -> None:
        places = Places(LoadModel(2, 500, 3000, 20))
        counted = places.count(3, 0, 1.0, 0.0, memory_room=4.0)
        assert (counted.places, counted.limit) == (7, PlaceLimit.MEMORY)
        assert places.count(3, 0, 1.0, 0.0).places > 7

    def test_nobody_is_admitted_when_memory_is_short(self) -> None:
        counted = Places(LoadModel(2, 500, 3000, 20)).count(3, 0, 1.0, 0.0, memory_room=-2.0)
        assert (counted.places, counted.limit) == (1, PlaceLimit.MEMORY)

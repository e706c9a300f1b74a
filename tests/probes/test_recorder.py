"""The recorder: numbers, times, and a bound."""

from __future__ import annotations

import pytest

from semscheck.model.observations import AnyObservation, Bound, Connection
from semscheck.probes import recorder
from semscheck.probes.recorder import Recorder
from tests.scripted import ScriptedClock


def connection(record: Recorder, began: float = 0.0, **more: object) -> Connection:
    return record.add(Connection, began, address="192.0.2.1", port=443, **more)  # type: ignore[arg-type]


def test_observations_are_numbered_timed_and_told() -> None:
    clock, heard = ScriptedClock(), list[AnyObservation]()
    clock.now_s = 100.0
    record = Recorder(clock, heard.append)
    assert record.now() == 0.0
    clock.now_s = 101.5
    began = record.now()
    clock.now_s = 102.0
    first = connection(record, began)
    second = connection(record, began, elapsed_s=None)
    third = connection(record, began, elapsed_s=0.25)
    assert [seen.id for seen in (first, second, third)] == ["o1", "o2", "o3"]
    assert [(seen.at_s, seen.elapsed_s) for seen in (first, second, third)] == [
        (1.5, 0.5),
        (1.5, None),
        (1.5, 0.25),
    ]
    assert record.observations == tuple(heard) == (first, second, third)


def test_more_than_the_bound_is_said_once_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_OBSERVATIONS", 5)
    heard: list[AnyObservation] = []
    record = Recorder(ScriptedClock(), heard.append)
    made = [connection(record) for _ in range(9)]
    assert len(record.observations) == 6
    assert isinstance(record.observations[-1], Bound)
    assert record.observations[-1].what == "observations kept"
    assert len({seen.id for seen in record.observations}) == 6
    assert heard == list(record.observations)
    assert made[-1].address == "192.0.2.1"


def test_a_certificate_is_new_once() -> None:
    record = Recorder(ScriptedClock())
    assert record.is_new_certificate("a")
    assert not record.is_new_certificate("a")
    assert record.is_new_certificate("b")

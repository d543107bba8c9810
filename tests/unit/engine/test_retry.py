"""What happens after a failure, as a table."""

from __future__ import annotations

import pytest

from connector.engine.pace import Pace
from connector.engine.retry import Decision, next_attempt, wait_before
from connector.ports import DeliveryState, Policy, Retry

PARKED, REJECTED = Decision(DeliveryState.PARKED), Decision(DeliveryState.REJECTED)
RETRY = Policy(first=2, factor=2, longest=300)
PARK = Policy(ambiguous="park")
THREE = Policy(first=1, factor=10, attempts=3)


def after(seconds: float) -> Decision:
    return Decision(DeliveryState.FAILED, seconds)


@pytest.mark.parametrize(
    ("retry", "attempts", "policy", "park", "expected"),
    [
        (Retry.SAFE, 1, RETRY, False, after(2)),
        (Retry.SAFE, 2, RETRY, False, after(4)),
        (Retry.SAFE, 8, RETRY, False, after(256)),
        (Retry.SAFE, 9, RETRY, False, after(300)),
        (Retry.SAFE, 100_000, RETRY, False, after(300)),
        (Retry.AMBIGUOUS, 1, RETRY, False, after(2)),
        (Retry.AMBIGUOUS, 1, PARK, False, PARKED),
        (Retry.SAFE, 1, PARK, False, after(2)),
        (Retry.NEVER, 1, RETRY, False, REJECTED),
        (Retry.NEVER, 1, PARK, False, REJECTED),
        (Retry.SAFE, 2, THREE, False, after(10)),
        (Retry.SAFE, 3, THREE, False, PARKED),
        (Retry.SAFE, 1, RETRY, True, PARKED),
        (Retry.NEVER, 1, RETRY, True, PARKED),
    ],
)
def test_next_attempt(retry, attempts, policy, park, expected):
    assert next_attempt(retry, attempts, policy, park=park) == expected


def test_a_factor_of_one_waits_always_the_same():
    assert {wait_before(n, Policy(first=5, factor=1)) for n in (1, 2, 50)} == {5}


def test_one_failing_lane_does_not_slow_its_destination():
    pace = Pace(8, RETRY)
    for _ in range(20):
        pace.failed(1, now=0)
    assert (pace.width, pace.rest(0)) == (8, 0)


def test_three_failing_lanes_make_a_pause_that_grows_to_thirty_seconds_and_no_further():
    pace = Pace(8, RETRY)
    rests = []
    for lane in range(10):
        pace.failed(lane, now=100)
        rests.append(pace.rest(100))
    assert rests == [0, 0, 2, 4, 8, 16, 30, 30, 30, 30]
    assert pace.width == 1
    assert pace.rest(140) == 0


def test_a_destination_that_answers_again_is_taken_up_step_by_step():
    pace = Pace(8, RETRY)
    for lane in range(3):
        pace.failed(lane, now=0)
    widths = []
    for _ in range(5):
        pace.accepted()
        widths.append(pace.width)
    assert widths == [2, 4, 8, 8, 8]
    assert pace.rest(0) == 0

"""What to do with a failed delivery: pure, a table of cases."""

from __future__ import annotations

import msgspec

from connector.ports import DeliveryState, Policy, Retry

__all__ = ["Decision", "next_attempt", "wait_before"]


class Decision(msgspec.Struct, frozen=True):
    """FAILED with the seconds to wait (the head of its lane stays), REJECTED or PARKED (the next one goes)."""

    state: DeliveryState
    wait: float | None = None


def next_attempt(retry: Retry, attempts: int, policy: Policy, *, park: bool = False) -> Decision:
    """Decide after the nth try (`attempts` counts it). `park`: the sender asks for a person at once."""
    if park:
        return Decision(DeliveryState.PARKED)
    if retry is Retry.NEVER:
        return Decision(DeliveryState.REJECTED)
    if retry is Retry.AMBIGUOUS and policy.ambiguous == "park":
        return Decision(DeliveryState.PARKED)
    if policy.attempts and attempts >= policy.attempts:
        return Decision(DeliveryState.PARKED)
    return Decision(DeliveryState.FAILED, wait_before(attempts, policy))


def wait_before(attempts: int, policy: Policy) -> float:
    """The wait after the nth failed try: min(longest, first × factor^(n-1))."""
    wait = policy.first
    for _ in range(min(attempts - 1, 64)):
        wait *= policy.factor
        if wait >= policy.longest:
            break
    return min(policy.longest, wait)

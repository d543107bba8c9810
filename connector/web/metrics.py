"""Metrics in the Prometheus text format 0.0.4: a dozen lines need no client library. No label holds a value of a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connector.app import Status

__all__ = ["exposition"]


def exposition(status: Status) -> str:
    """All metrics of a running connector."""
    lines: list[str] = []
    _family(
        lines,
        "connector_info",
        "gauge",
        "What runs.",
        [({"version": status.version, "environment": status.environment, "mappings": status.mappings}, 1)],
    )
    _family(lines, "connector_up_seconds", "gauge", "Seconds since the start.", [({}, status.up_seconds)])
    _family(
        lines,
        "connector_messages",
        "gauge",
        "Messages that need a verdict (received) or a person (parked).",
        _by("state", status.messages),
    )
    _family(
        lines,
        "connector_deliveries",
        "gauge",
        "Deliveries that wait, were rejected or are parked, by destination and state.",
        [
            ({"destination": name, "state": state}, count)
            for name, states in status.deliveries.items()
            for state, count in states.items()
        ],
    )
    _family(
        lines,
        "connector_oldest_waiting_seconds",
        "gauge",
        "Age of the oldest delivery that waits, by destination.",
        _by("destination", status.oldest_waiting),
    )
    _family(
        lines,
        "connector_receiver_up",
        "gauge",
        "1 when the receiver listens.",
        [({"receiver": found.name, "kind": found.kind}, int(found.listening)) for found in status.receivers],
    )
    return "\n".join(lines) + "\n"


def _by(label: str, values: Mapping[str, float]) -> list[tuple[dict[str, str], float]]:
    return [({label: name}, value) for name, value in values.items()]


def _family(
    lines: list[str], name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> None:
    lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(str(content))}"' for label, content in labels.items())
        lines.append(f"{name}{{{inner}}} {value:g}" if inner else f"{name} {value:g}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

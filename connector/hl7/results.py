"""OBX-2 of a result that came from elsewhere: the type that its value is written in (v2.6 §7.4.2.2)."""

from __future__ import annotations

from msgspec.structs import replace

from connector.exchange.results import Observation, Report

__all__ = ["typed"]


def typed(report: Report) -> Report:
    """The report with the type of each observation that has a value and says none."""
    if all(each.kind is not None for each in report.observations):
        return report
    return replace(
        report,
        observations=tuple(each if each.kind else replace(each, kind=_kind(each)) for each in report.observations),
    )


def _kind(observation: Observation) -> str | None:
    if observation.quantity is not None and observation.quantity.value is not None:
        return "SN" if observation.quantity.comparator else "NM"
    if observation.range is not None:
        return "SN"
    if observation.coded:
        return "CWE"
    if observation.moment is not None:
        return "TS"
    if observation.content is not None:
        return "ED"
    return "TX" if observation.text is not None else None

"""The demonstration's exchange keeps the rules of its mode."""

from __future__ import annotations

from connector.app import Workbench
from connector.demo import demo_exchange
from connector.exchange.moments import Moment
from connector.exchange.sharing import BOXES, box_refusals, ticked
from connector.issues import Severity, worst
from connector.monsisra.codec import parse
from connector.settings import Settings


def test_it_is_accepted_and_may_go_where_its_boxes_say() -> None:
    raw = demo_exchange(Moment("2026-11-24T10:00:00+01:00"), "demo-1", "1.2.250.1.213.1.4.10.9.99.5")
    bench = Workbench(Settings(site="demo", environment="test"), fixed=True)
    name, issues = bench.validate(raw)
    assert name == "exchange"
    assert worst(issues) < Severity.ERROR, issues
    exchange = parse(raw).value
    assert exchange is not None
    assert ticked(exchange) == BOXES
    assert [issue for box in BOXES for issue in box_refusals(exchange, box)] == []

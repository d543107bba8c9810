"""Exchanges by their own id: the first, the same again, grown, contradicted; two at once; found by patient, mode, state and time. Both databases."""

from __future__ import annotations

import asyncio
import json

from connector.engine.clock import SystemClock
from connector.engine.intake import Reception
from connector.pipeline.judge import Desk, DeskSettings
from connector.pipeline.route import Route
from connector.ports import Answer, ExchangeQuery, Inbound
from connector.store.journal import SqlJournal
from connector.store.retention import Keep, Retention
from tests.exchange_site import Site, site
from tests.hostile.harness import translator
from tests.journal_kit import HandClock
from tests.unit.monsisra.sample import context, data, read

MESSAGE = {"id": "new", "text": "Merci.", "sent": "2026-12-01T10:00:00+01:00"}


def codes(answer: Answer) -> list[str]:
    return [issue.code for issue in answer.issues]


def test_an_exchange_is_kept_under_its_id_with_its_bytes(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            answer = await here.post(data("conversation"))
            assert (answer.state, answer.repeated, codes(answer)) == ("translated", False, [])
            kept = await here.exchanges.get(data("conversation")["id"], attachments=True)
            assert kept is not None
            assert (kept.message_id, kept.state, kept.deliveries) == (answer.message_id, "open", (("dpi", "queued"),))
            assert kept.exchange == read(data("conversation"))
            bare = await here.exchanges.get(data("conversation")["id"])
            assert bare is not None
            assert bare.exchange.messages[0].photos[0].content.data is None
            assert await here.exchanges.get("nobody") is None

    asyncio.run(case())


def test_the_same_again_is_the_same_message_whatever_its_bytes(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            first = await here.post(data("teleexpertise"))
            again = await here.post(dict(reversed(data("teleexpertise").items())))
            assert (again.message_id, again.repeated, again.state) == (first.message_id, True, "translated")
            assert len(here.journal.search.list_messages()) == 1

    asyncio.run(case())


def test_a_conversation_that_grew_is_a_new_version_and_one_that_changed_is_refused(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            first = await here.post(data("conversation"))
            grown = data("conversation")
            grown["messages"].append(MESSAGE)
            second = await here.post(grown)
            assert (second.state, second.repeated) == ("translated", False)
            assert second.message_id != first.message_id
            changed = data("conversation")
            changed["messages"][0]["text"] = "Autre chose."
            refused = await here.post(changed)
            assert (refused.state, codes(refused)) == ("refused", ["EXCHANGE_CONFLICT"])
            old = await here.post(data("conversation"))
            assert (old.state, codes(old)) == ("refused", ["EXCHANGE_CONFLICT"])
            kept = await here.exchanges.get(grown["id"])
            assert kept is not None
            assert (kept.message_id, len(kept.exchange.messages)) == (second.message_id, 4)

    asyncio.run(case())


def test_a_refused_exchange_changes_nothing(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            answer = await here.post(data("document", patient=None))
            assert (answer.state, codes(answer)[-1]) == ("refused", "MODE_FIELD")
            assert await here.exchanges.get(data("document")["id"]) is None
            assert await here.found() == []
            assert (await here.post(data("document"))).state == "translated"

    asyncio.run(case())


def test_what_it_must_say_of_itself(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            value = data("mail", id=None, origin=None)
            del value["documents"][0]["content"]["data"]
            answer = await here.post(value)
            places = [(issue.code, issue.place.path) for issue in answer.issues]
            assert ("FIELD_MISSING", "id") in places
            assert ("FIELD_MISSING", "origin") in places
            assert ("EXCHANGE_CONTENT", "documents[1].content") in places

    asyncio.run(case())


def test_twenty_at_once_under_one_id_make_one_version(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            answers = await asyncio.gather(*[here.post(data("document")) for _ in range(20)])
            assert len({answer.message_id for answer in answers}) == 1
            assert [answer.repeated for answer in answers].count(False) == 1
            assert len(here.journal.search.list_messages()) == 1

    asyncio.run(case())


def test_two_different_ones_at_once_under_one_id_leave_one(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            other = data("document")
            other["documents"][0]["title"] = "Autre"
            answers = await asyncio.gather(here.post(data("document")), here.post(other))
            assert sorted(str(answer.state) for answer in answers) == ["refused", "translated"]

    asyncio.run(case())


def test_exchanges_are_found_by_patient_mode_state_and_time_in_pages(url: str) -> None:
    async def case() -> None:
        async with site(url) as here:
            for name in ("conversation", "document", "teleexpertise", "mon-espace-sante", "mail"):
                assert (await here.post(data(name))).state == "translated", name
                here.clock.forward(60)
            henri = data("document")["patient"]["identifiers"][0]["value"]
            julie = data("mon-espace-sante")["patient"]["identifiers"][0]["value"]
            assert await here.found(patient=henri) == ["document", "conversation"]
            assert await here.found(patient=henri, system="1.2.250.1.213.1.4.10") == ["document", "conversation"]
            assert await here.found(patient=henri, system="1.2.3") == []
            assert await here.found(patient=julie) == ["mon_espace_sante"]
            assert await here.found(mode="mail") == ["mail"]
            assert await here.found(state="avis_rendu") == ["teleexpertise"]
            assert await here.found(since="2026-03-01T00:03:00+00:00") == ["mail", "mon_espace_sante"]
            seen: list[str] = []
            after = None
            while True:
                page, more = await here.exchanges.search(ExchangeQuery(count=2, after=after))
                seen += [each.exchange.mode or "" for each in page]
                if not more:
                    break
                after = page[-1].position
            assert seen == ["mail", "mon_espace_sante", "teleexpertise", "document", "conversation"]

    asyncio.run(case())


def test_what_is_forgotten_is_no_longer_an_exchange(url: str) -> None:
    async def case() -> None:
        clock = HandClock()
        journal = SqlJournal(url, clock=clock, window_days=1)
        retention = Retention(journal)
        await journal.start()
        here = Site(journal, clock)
        try:
            await here.post(data("mail"))
            for _, state in journal.search.list_messages()[0].deliveries:
                assert state == "queued"
            await journal.cancel([1])
            clock.forward(10 * 86_400)
            await retention.prune(Keep(messages_days=2))
            assert await here.exchanges.get(data("mail")["id"]) is None
            assert await here.found() == []
        finally:
            await here.intake.stop()
            await journal.stop()

    asyncio.run(case())


def test_an_exchange_that_comes_as_fhir_is_found_under_its_id_and_never_takes_the_place_of_more(url: str) -> None:
    """What FHIR holds of a conversation is kept under its id; the profile's own, which says more or otherwise, is refused or stays."""

    async def case() -> None:
        desk = Desk(translator(), lambda _: context(), DeskSettings(routes=(Route(to=("dpi",)),)))
        async with site(url, desk) as here:
            bundle = translator().write(read(data("mail")), "fhir", context())
            assert bundle.value is not None
            answer = await here.give(bundle.value, "fhir")
            assert answer.state == "translated", answer.issues
            [kept], _ = await here.exchanges.search(ExchangeQuery(mode="mail"))
            assert (kept.message_id, kept.exchange.id) == (answer.message_id, data("mail")["id"])
            assert (await here.give(bundle.value, "fhir")).state == "translated"
            [still], _ = await here.exchanges.search(ExchangeQuery(mode="mail"))
            assert still.message_id == answer.message_id

    asyncio.run(case())


def test_a_refused_exchange_that_is_judged_again_is_kept_under_its_id_unless_it_came_again_meanwhile(url: str) -> None:
    async def case() -> None:
        strict = Desk(translator(), lambda _: context(), DeskSettings(routes=(Route(to=("dpi",)),)))
        async with site(url) as here:
            refusing = Reception(here.journal, strict, SystemClock())
            raw = json.dumps(data("document")).encode()
            inbound = Inbound(
                raw=raw, endpoint="rest", remote="r", received_at="2026-03-01T00:00:00Z", format="exchange"
            )
            first, second = await refusing(inbound), await refusing(inbound)
            assert [str(first.state), codes(first)[-1]] == ["refused", "SHARING_NOT_SERVED"]
            assert first.message_id is not None
            assert second.message_id is not None
            assert await here.found() == []
            assert await here.intake.rejudge(first.message_id)
            [kept], _ = await here.exchanges.search(ExchangeQuery())
            assert (kept.message_id, kept.deliveries) == (first.message_id, (("dpi", "queued"),))
            assert await here.intake.rejudge(second.message_id)  # the same as the first: nothing more is sent
            shown = here.journal.search.show(second.message_id)
            assert shown is not None
            assert (shown.message.state, shown.legs) == ("refused", ())
            await refusing.stop()

    asyncio.run(case())

"""A thread of messages between professionals: its members, what they wrote, and who has seen it (spec: the MonSisra guides, "Conversation")."""

from __future__ import annotations

from connector.exchange.documents import Content
from connector.exchange.moments import Moment
from connector.exchange.people import Model, Party

__all__ = ["Member", "Message", "Photo", "Seen", "Thread", "VisioLink"]


class Member(Model, frozen=True):
    """A member of the conversation. `joined`: when he was added; a later member sees what was said before when the thread says so."""

    party: Party
    joined: Moment | None = None


class Seen(Model, frozen=True):
    """« Vu par »: who has seen a message, and when."""

    reader: Party
    at: Moment | None = None


class Photo(Model, frozen=True):
    """A photo taken in the conversation; not a document of the record: it has no type and no version."""

    content: Content
    title: str | None = None
    taken: Moment | None = None


class VisioLink(Model, frozen=True):
    """A video meeting that is proposed. `url` is what the members open."""

    url: str
    title: str | None = None
    starts: Moment | None = None


class Message(Model, frozen=True):
    """What somebody wrote. `id` is its own (a Message-ID for mail); `in_reply_to` the id of the answered one.

    `sender` is the account that acts, `enterer` the person who typed. `format` of `text`: plain (None) or html. `documents` are ids of the
    exchange's documents (`Document.id`). `received` is the first delivery. `failure`: why it could not be delivered.
    """

    id: str | None = None
    in_reply_to: str | None = None
    sender: Party | None = None
    enterer: Party | None = None
    recipients: tuple[Party, ...] = ()
    sent: Moment | None = None
    received: Moment | None = None
    text: str | None = None
    format: str | None = None
    documents: tuple[str, ...] = ()
    photos: tuple[Photo, ...] = ()
    visio: VisioLink | None = None
    seen: tuple[Seen, ...] = ()
    failure: str | None = None


class Thread(Model, frozen=True):
    """What holds messages together. `synthesis` is the id of the document that sums it up; `history`: later members see what was said before."""

    id: str | None = None
    opened: Moment | None = None
    closed: Moment | None = None
    history: bool | None = None
    synthesis: str | None = None
    members: tuple[Member, ...] = ()

"""A request for an expert's opinion and its life (spec: the MonSisra guides, "Téléexpertise"; CI-SIS TLM-DA and TLM-CR)."""

from __future__ import annotations

from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Model, Party

__all__ = ["STATES", "Answer", "Expert", "Form", "Opinion", "Step", "Teleexpertise"]

#: state → the states that may follow it. A request begins as `demandee`.
STATES: dict[str, tuple[str, ...]] = {
    "demandee": ("recue", "annulee"),
    "recue": ("acceptee", "refusee", "annulee"),
    "acceptee": ("en_cours", "avis_rendu", "annulee"),
    "refusee": (),
    "en_cours": ("avis_rendu", "annulee"),
    "avis_rendu": ("cloturee",),
    "cloturee": (),
    "annulee": (),
}


class Expert(Model, frozen=True):
    """Whom the opinion is asked of. `kind`: expert or equipe_ressource. `asks`: form or conversation, how he wants the data.

    `delay` is his promise in words (48 h hors week-end), `template` the id of a document to download, fill and return.
    """

    party: Party
    kind: str | None = None
    description: str | None = None
    prerequisites: str | None = None
    delay: str | None = None
    asks: str | None = None
    template: str | None = None


class Answer(Model, frozen=True):
    """One item of the form. `link` is its linkId, `text` the question as shown."""

    link: str
    text: str | None = None
    values: tuple[str, ...] = ()


class Form(Model, frozen=True):
    """The integrated form. `questionnaire` is its canonical URL (`url|version`); `saved`: until then no conversation is open."""

    id: str | None = None
    questionnaire: str | None = None
    title: str | None = None
    saved: Moment | None = None
    answers: tuple[Answer, ...] = ()


class Step(Model, frozen=True):
    """The request came to a state. `reason` is the refusal's or the cancellation's."""

    state: str
    at: Moment | None = None
    by: Party | None = None
    reason: str | None = None


class Opinion(Model, frozen=True):
    """The expert's answer; `document` is the id of the report (TLM-CR) that holds it."""

    author: Party | None = None
    given: Moment | None = None
    text: str | None = None
    document: str | None = None


class Teleexpertise(Model, frozen=True):
    """A request. `act` is the NGAP code (TE1, TE2…); `document` the id of the request as a document (TLM-DA); the last step is its state."""

    id: str | None = None
    expert: Expert | None = None
    act: Concept | None = None
    priority: str | None = None
    requested: Moment | None = None
    question: str | None = None
    document: str | None = None
    form: Form | None = None
    steps: tuple[Step, ...] = ()
    opinion: Opinion | None = None

    @property
    def state(self) -> str:
        """Where the request stands."""
        return self.steps[-1].state if self.steps else "demandee"

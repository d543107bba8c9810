"""A téléexpertise as ServiceRequest, Task, QuestionnaireResponse and Communication: what a table cannot say of them.

ServiceRequest
  ← focus    Task                    status and businessStatus are the last state; relevantHistory: a Provenance for each
  ← basedOn  QuestionnaireResponse   the form; its Questionnaire is built of its questions
  ← basedOn  Communication           category opinion: the expert's answer
"""

from __future__ import annotations

from connector.fhir.codec import Resource
from connector.fhir.filing import ABSENT, Filing, concept
from connector.fhir.nesting import OPINION

__all__ = ["write_request"]

#: Task.status → ServiceRequest.status; any other is active.
_REQUEST_STATUS = {"completed": "completed", "rejected": "revoked", "cancelled": "revoked"}
_FULFIL = {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}


def write_request(filing: Filing, request: Resource, key: str, thread: str) -> str:
    """Add the request and all that refers to it; `key` names the exchange, `thread` is where the answer is said. Returns its full URL."""
    asked = filing.exchange.teleexpertise
    return _Request(filing, request, (asked.id if asked is not None else None) or key, thread).write()


class _Request:
    """One request being written."""

    def __init__(self, filing: Filing, request: Resource, key: str, thread: str) -> None:
        self.filing = filing
        self.request = request
        self.key = key
        self.thread = thread
        self.url = filing.url("request", key)
        self.place = "ServiceRequest[1]"
        asked, find = filing.exchange.teleexpertise, filing.run.context.table
        state = asked.state if asked is not None else "demandee"
        self.status = (find("teleexpertise-states").get(state, "class") if find is not None else "") or "requested"

    def write(self) -> str:
        """The request, then what refers to it."""
        request, filing = self.request, self.filing
        form, task, answer = (next(iter(request.pop(name, ())), None) for name in ("form", "task", "answer"))
        request["status"] = _REQUEST_STATUS.get(self.status, "active")
        request["intent"] = "order"
        request.setdefault("subject", ABSENT)
        supporting = [filing.settle(each) for each in request.get("supportingInfo", ())]
        filled = [{"reference": self._form(form)}] if form is not None else []
        if supporting or filled:
            request["supportingInfo"] = [*supporting, *filled]
        filing.add(request, "request", self.key, place=self.place)
        output = self._answer(answer) if answer is not None else []
        self._task(task or {"resourceType": "Task"}, [self._value("form", each) for each in filled], output)
        return self.url

    def _task(self, task: Resource, form: list[Resource], output: list[Resource]) -> None:
        place, request, filing = f"{self.place}.task[1]", self.request, self.filing
        steps = task.pop("step", [])
        for each in task.get("input", ()):
            each["valueReference"] = filing.settle(each["valueReference"])
        history = [self._step(step, number, f"{place}.step[{number}]") for number, step in enumerate(steps, 1)]
        last = steps[-1] if steps else {}
        said = {
            "focus": {"reference": self.url},
            "basedOn": [{"reference": self.url}],
            "status": self.status,
            "statusReason": next(iter(last.get("reason", ())), None),
            "businessStatus": last.get("activity"),
            "lastModified": last.get("occurredDateTime"),
            "intent": "order",
            "code": concept(_FULFIL),
            "for": request["subject"],
            "priority": request.get("priority"),
            "authoredOn": request.get("authoredOn"),
            "requester": request.get("requester"),
            "owner": next(iter(request.get("performer", ())), None),
            "relevantHistory": [{"reference": each} for each in history],
            "input": [*task.get("input", ()), *form],
            "output": output,
        }
        task |= {name: value for name, value in said.items() if value}
        filing.add(task, "task", self.key, place=place)

    def _step(self, step: Resource, number: int, place: str) -> str:
        step["target"] = [{"reference": self.filing.url("task", self.key)}]
        at = step.get("occurredDateTime")
        step |= self.filing.recorded(at) if at is not None else {"_recorded": ABSENT}
        step.setdefault("agent", [{"who": ABSENT}])
        return self.filing.add(step, "step", self.key, str(number), place=place)

    def _value(self, word: str, reference: Resource) -> Resource:
        return {"type": concept(self.filing.coding("task-values", word)), "valueReference": reference}

    def _answer(self, answer: Resource) -> list[Resource]:
        """The opinion; the Task gives it and its report as output."""
        filing = self.filing
        answer |= {"basedOn": [{"reference": self.url}], "partOf": [{"reference": self.thread}], "status": "completed"}
        answer["category"] = [concept(filing.coding("exchange-modes", OPINION))]
        reports = []
        for payload in answer.get("payload", ()):
            if "contentReference" in payload:
                payload["contentReference"] = filing.settle(payload["contentReference"])
                reports.append(self._value("report", payload["contentReference"]))
        url = filing.add(answer, "answer", self.key, place=f"{self.place}.answer[1]")
        return [self._value("opinion", {"reference": url}), *reports]

    def _form(self, form: Resource) -> str:
        place = f"{self.place}.form[1]"
        definition = next(iter(form.pop("definition", ())), None)
        form["status"] = "completed" if "authored" in form else "in-progress"
        form["basedOn"] = [{"reference": self.url}]
        made: Resource = {"resourceType": "Questionnaire", "status": "active"}
        if definition is not None and "title" in definition:
            made["title"] = definition["title"]
        if "item" in form:
            made["item"] = [_question(each) for each in form["item"]]
        if "questionnaire" in form:
            made["url"], _, version = form["questionnaire"].partition("|")
            if version:
                made["version"] = version
            self.filing.add(made, "questionnaire", form["questionnaire"], place=f"{place}.definition[1]")
        elif "title" in made:
            # Without a canonical URL nobody else can know it: it stands in the answer itself.
            form["contained"] = [{"resourceType": "Questionnaire", "id": "form", **made}]
            form["questionnaire"] = "#form"
        return self.filing.add(form, "form", self.key, place=place)


def _question(item: Resource) -> Resource:
    made: Resource = {name: item[name] for name in ("linkId", "text") if name in item}
    return {**made, "type": "text", **({"repeats": True} if len(item.get("answer", ())) > 1 else {})}

"""What other systems can subscribe to: topics, their filters, and how they are published in R4 (as Basic)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from referral.domain.subscription import Topic
from referral.fhir.elements import Resource
from referral.fhir.problems import InvalidSearch, Issue
from referral.fhir.publication import PUBLISHED_AT, VERSION
from referral.fhir.search_model import Clause
from referral.fhir.search_query import query_pairs, read_search
from referral.fhir.systems import DEFAULT, URI, LocalSystems

# The cross-version extensions of R5's SubscriptionTopic, which the backport wraps in a Basic.
_R5: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."
_FHIR_TYPES: Final = "http://hl7.org/fhir/fhir-types"
# No filter asks for a time, so it does not matter what `now` a search measures from.
_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TopicDefinition:
    """`resource` is the type of the focus; `filters` by name, with what each asks for.

    A filter is a search parameter of the type. `order` of the gate is the id of the order itself.
    """

    topic: Topic
    resource: str
    title: str
    text: str
    filters: dict[str, str]
    interactions: tuple[str, ...] = ("create", "update")

    def url(self, local: LocalSystems = DEFAULT) -> str:
        """The canonical URL: what Subscription.criteria names."""
        return f"{local.base}/SubscriptionTopic/{self.topic}"

    def read_filter(self, text: str) -> tuple[Clause, ...]:
        """What `Type?name=value&…`, or the part behind the question mark, asks; raises InvalidSearch."""
        type, mark, query = text.partition("?")
        if not mark:
            type, query = self.resource, text
        if type != self.resource:
            raise _refused(f"filters on {type[:40]}; this topic is about {self.resource}")
        pairs = query_pairs(query)
        if not pairs:
            raise _refused(f"has no filter; {self._choice()}")
        for name, value in pairs:
            plain, _, modifier = name.partition(":")
            if plain not in self.filters or modifier not in ("", "not"):
                raise _refused(f"has {ascii(name)[1:-1][:40]}; {self._choice()}")
            if "://" in value and "|" not in value:
                raise _refused("has an absolute reference; write it as Type/id")
        named = [_by_id(value) if name == "order" else (name, value) for name, value in pairs]
        return read_search(self.resource, named, now=_ANY_TIME, strict=True).clauses

    def clauses(self, filters: tuple[str, ...]) -> tuple[Clause, ...]:
        """All filters of a subscription together, each of which was accepted before."""
        return tuple(clause for text in filters for clause in self.read_filter(text))

    def _choice(self) -> str:
        return f"filters of this topic are {', '.join(self.filters)}, with :not for codes"

    def to_fhir(self, local: LocalSystems = DEFAULT) -> Resource:
        """The topic as the R4 backport publishes one."""
        trigger: list[Resource] = [
            {"url": "description", "valueMarkdown": self.text},
            {"url": "resource", "valueUri": f"http://hl7.org/fhir/StructureDefinition/{self.resource}"},
            *({"url": "supportedInteraction", "valueCode": code} for code in self.interactions),
        ]
        return {
            "resourceType": "Basic",
            "id": str(self.topic),
            "extension": [
                {"url": f"{_R5}url", "valueUri": self.url(local)},
                {"url": f"{_R5}version", "valueString": VERSION},
                {"url": f"{_R5}title", "valueString": self.title},
                {"url": f"{_R5}date", "valueDateTime": PUBLISHED_AT.date().isoformat()},
                {"url": f"{_R5}description", "valueMarkdown": self.text},
                {"url": f"{_R5}resourceTrigger", "extension": trigger},
                *(self._filter(name, text) for name, text in self.filters.items()),
                {
                    "url": f"{_R5}notificationShape",
                    "extension": [{"url": "resource", "valueUri": self.resource}],
                },
            ],
            "modifierExtension": [{"url": f"{_R5}status", "valueCode": "active"}],
            "identifier": [{"system": URI, "value": self.url(local)}],
            "code": {"coding": [{"system": _FHIR_TYPES, "code": "SubscriptionTopic"}]},
        }

    def _filter(self, name: str, text: str) -> Resource:
        parts: list[dict[str, Any]] = [
            {"url": "description", "valueMarkdown": text},
            {"url": "resource", "valueUri": self.resource},
            {"url": "filterParameter", "valueString": name},
        ]
        return {"url": f"{_R5}canFilterBy", "extension": parts}


def _refused(text: str) -> InvalidSearch:
    return InvalidSearch(Issue(f"It {text}.", (), "not-supported"))


def _by_id(value: str) -> tuple[str, str]:
    """Several orders have commas between them, each with its type or without."""
    return "_id", ",".join(part.removeprefix("ServiceRequest/") for part in value.split(","))


TOPICS: Final[dict[Topic, TopicDefinition]] = {
    row.topic: row
    for row in (
        TopicDefinition(
            Topic.TASK,
            "Task",
            "A Task was created or changed",
            "Whenever a Task has a new version, whoever made it: a client, the staff, a clinician on the"
            " portal, or the service itself.",
            {
                "owner": "Who the Task is for, such as PractitionerRole/1",
                "patient": "The patient, such as Patient/1",
                "status": "The status that the Task has then",
                "code": "What the Task is",
                "business-status": "The business status that the Task has then",
                "focus": "The request that the Task is about",
            },
        ),
        TopicDefinition(
            Topic.SERVICE_REQUEST,
            "ServiceRequest",
            "A request or an infusion order was created or changed",
            "Whenever a ServiceRequest has a new version, whoever made it.",
            {
                "patient": "The patient, such as Patient/1",
                "status": "The status that it has then",
                "category": "recommendation-request or infusion-order",
                "code": "What is requested",
            },
        ),
        TopicDefinition(
            Topic.GATE,
            "ServiceRequest",
            "The gate of an infusion order was opened or closed",
            "Whenever treatment under an infusion order has become possible, or is no longer: by an answer, a"
            " review, a withdrawal, changed facts, a policy, an override, or because time has passed. Ask the"
            " order's $gate for the reasons; the database decides when treatment is started.",
            {
                "patient": "The patient, such as Patient/1",
                "order": "The infusion order, such as ServiceRequest/1",
            },
            ("update",),
        ),
    )
}


def topic_of(topic: Topic) -> TopicDefinition:
    """By the last part of its URL."""
    return TOPICS[topic]


def find_topic(url: object, local: LocalSystems = DEFAULT) -> TopicDefinition | None:
    """By its canonical URL, with the version or without; None for any other."""
    plain = str(url).removesuffix(f"|{VERSION}")
    return next((row for row in TOPICS.values() if row.url(local) == plain), None)


def topic_resources(local: LocalSystems = DEFAULT) -> list[Resource]:
    """All of them, as they are published."""
    return [row.to_fhir(local) for row in TOPICS.values()]

"""View models of the pages that ask for a recommendation and follow it: new request, request, order."""

from __future__ import annotations

from dataclasses import dataclass, field

from referral.web.form import Form
from referral.web.staff.booking_models import OrderBookings
from referral.web.staff.call_view import CallChoices
from referral.web.staff.classify_models import CodeChoices
from referral.web.staff.follow_up_view import Visit
from referral.web.staff.ladder_models import DatedStep
from referral.web.staff.life_models import LifeSection
from referral.web.staff.models import (
    Badge,
    Choice,
    ClinicianOptions,
    Fact,
    Gate,
    Link,
    MessageRow,
    RequestRow,
    When,
)
from referral.web.staff.override_models import OverridePanel
from referral.web.staff.scale_models import ScaleSection


@dataclass(frozen=True, slots=True)
class Finder:
    """A search: `chosen` are picked already, `found` may be picked, `note` says what to do next."""

    query: str = ""
    chosen: tuple[Choice, ...] = ()
    found: tuple[Choice, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Is a recommendation needed, and why; `state` colours it."""

    state: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An open request about the same patient; `may_ask` when it asks another clinician than was chosen."""

    sentence: str
    link: Link
    may_ask: bool = False


@dataclass(frozen=True, slots=True)
class NewRequestPage:
    """`summary` is what sending would do; `letter` what the clinician is going to read, in its own words."""

    form: Form
    patients: Finder
    indications: Finder
    clinicians: Finder
    languages: tuple[Choice, ...]
    options: ClinicianOptions
    need: Need | None = None
    duplicate: Duplicate | None = None
    warning: str = ""
    summary: tuple[Fact, ...] = ()
    letter: tuple[str, ...] = ()
    letter_lang: str = "en"
    steps: tuple[DatedStep, ...] = ()
    send_label: str = "Send request"


@dataclass(frozen=True, slots=True)
class PlanCard:
    """All that happens by itself, in order; `still` says in a sentence why it is nothing.

    `badge` is a pause, a hold or an absence. `undo` names the newest change that this person may take back.
    """

    steps: tuple[DatedStep, ...]
    still: str
    badge: Badge | None
    note: str
    undo: str = ""


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """What the ladder asks people to do. `words` may be said to the patient, in `language`, at `contacts`.

    `told` says whether the patient has been written to.

    `ask` leads to asking a second clinician, empty where nobody suggests it.
    """

    sentences: tuple[str, ...]
    words: str
    told: str
    language: str
    contacts: tuple[Fact, ...]
    ask: str


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a timeline. `plan` says how the plan was and is.

    `quote` are a clinician's own words, for those who may read them.
    """

    state: str
    icon: str
    title: str
    when: When
    detail: str = ""
    links: tuple[Link, ...] = ()
    quote: str = ""
    plan: str = ""


@dataclass(frozen=True, slots=True)
class RedFlag:
    """A question that was answered yes or don't know."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the clinician said. `strength` says in a sentence how well their identity was established.

    `restricted` says in a sentence what this role does not see, empty where it sees all.
    """

    badge: Badge
    decision: str
    signed: str
    when: When
    conditions: str
    reason: str
    red_flags: tuple[RedFlag, ...]
    follow_up: tuple[Fact, ...]
    strength: str
    valid_until: str
    document: str
    restricted: str = ""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn: who said it and about what, in words; `facts` are how to reach somebody.

    `words` are empty for whoever may not read them; `hidden` says so then.
    """

    who: str
    when: When
    words: str
    is_ours: bool
    facts: tuple[Fact, ...] = ()
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """`owed` says in a sentence what waits for the clinic, empty for nothing; `action` does it."""

    said: tuple[Utterance, ...]
    owed: str = ""
    action: Link | None = None


@dataclass(frozen=True, slots=True)
class LateRow:
    """An answer after the first. `words` is how it came; `waits`: the medical director has not read it."""

    id: str
    badge: Badge
    decision: str
    words: str
    when: When
    waits: bool


@dataclass(frozen=True, slots=True)
class RequestPage:
    """`actions` are the steps open to this person now: resend, pause, resume, confirm, review, void, cancel.

    Each posts to `{href}/{action}`. `failed` is the one whose form came back with errors, and is shown open.
    `fax` leads to a fax that waits to be written down, `record` to the form for an answer by telephone.
    """

    number: str
    href: str
    patient: Link
    born: str
    clinician: Link
    kind: str
    badge: Badge
    gate: Gate
    facts: tuple[Fact, ...]
    timeline: tuple[Event, ...]
    messages: tuple[MessageRow, ...]
    form: Form
    actions: tuple[str, ...] = ()
    channels: tuple[Choice, ...] = ()
    contacts: tuple[Choice, ...] = ()
    contact_kinds: tuple[Choice, ...] = ()
    contact_sources: tuple[Choice, ...] = ()
    reasons: tuple[Choice, ...] = ()
    call: CallChoices | None = None
    plan: PlanCard | None = None
    brought_up: BroughtUp | None = None
    answer: Answer | None = None
    failed: str = ""
    fax: str = ""
    record: str = ""
    conversation: Conversation | None = None
    late: tuple[LateRow, ...] = ()
    upload: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    badge: Badge
    title: str
    sentence: str
    action: Link | None = None


@dataclass(frozen=True, slots=True)
class Start:
    when: When
    by: str
    basis: str


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """What somebody did with a warning in a record system; `title` is the occasion of the warning."""

    when: When
    badge: Badge
    title: str
    reason: str
    client: str


@dataclass(frozen=True, slots=True)
class OrderPage:
    """`actions`: consultation, start, classify, ask. `start` is listed whenever this person may start at all.

    `failed` is the one whose form came back with errors.
    """

    number: str
    href: str
    patient: Link
    born: str
    indications: tuple[str, ...]
    gate: Gate
    facts: tuple[Fact, ...]
    requirements: tuple[Requirement, ...]
    requests: tuple[RequestRow, ...]
    starts: tuple[Start, ...]
    started_today: str
    form: Form
    actions: tuple[str, ...] = ()
    unclassified: tuple[CodeChoices, ...] = ()
    ask: str = ""
    bookings: OrderBookings = field(default_factory=OrderBookings)
    life: LifeSection = field(default_factory=LifeSection)
    failed: str = ""
    override: OverridePanel | None = None
    card_answers: tuple[CardAnswer, ...] = ()
    scales: ScaleSection | None = None
    course: str = ""
    visits: tuple[Visit, ...] = ()

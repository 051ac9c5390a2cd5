"""What staff templates show: one frozen view model per page, plain values only.

Pages for asking and following (new request, request, order) are in `request_models.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from referral.domain.quick import quick
from referral.web.form import Form
from referral.web.staff.classify_models import Classified, CodeChoices


@quick
@dataclass(frozen=True, slots=True)
class When:
    """A time as people read it in the clinic's zone, and as machines do."""

    text: str
    iso: str


@quick
@dataclass(frozen=True, slots=True)
class Link:
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Badge:
    """`state` is open, closed, waiting, info or neutral; `icon` overrides the state's own symbol."""

    state: str
    text: str
    icon: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Fact:
    """A label with its text; a link when `href` is set."""

    label: str
    text: str
    href: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a select, or one radio or tick box."""

    value: str
    label: str
    detail: str = ""
    badge: Badge | None = None
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """The answer to what was just done, shown once at the top of the next page."""

    state: str
    title: str
    text: str = ""
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Shell:
    """What surrounds every signed-in page.

    `places` are the keys of the navigation that this role may use, `active` that of the current page.
    """

    clinic: str
    user: str
    role: str
    token: str
    active: str = ""
    places: tuple[str, ...] = ()
    notice: Notice | None = None
    # The clinic is closed after a restore.
    restoring: bool = False
    # Signs of self-harm that wait for a person; 0 for who may not see answers.
    signs: int = 0
    # How many things wait for a person, by key of the navigation; what has none is missing.
    counts: Mapping[str, int] = field(default_factory=dict)
    # What the page shows, as web/live.py names it; empty for a page that stays as it is.
    follows: str = ""
    # How long the page may lie unused before it locks.
    idle_seconds: int = 900
    # What had been typed into a form that the page has no more.
    kept: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreStep:
    """One of the three that lead out of restore mode."""

    title: str
    text: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class RestorePage:
    """`done` says what was applied again, `lost` what people have to do."""

    restoring: bool
    reason: str
    steps: tuple[RestoreStep, ...]
    done: tuple[str, ...]
    lost: tuple[str, ...]
    may_approve: bool
    form: Form


@dataclass(frozen=True, slots=True)
class Gate:
    """May treatment start? `reasons` are whole sentences."""

    is_open: bool
    title: str
    reasons: tuple[str, ...]
    as_of: When


@dataclass(frozen=True, slots=True)
class DemoAccount:
    email: str
    password: str
    role: str


@dataclass(frozen=True, slots=True)
class SignInPage:
    """`demo` is empty everywhere but on the embedded default. `next` is where to go afterwards."""

    clinic: str
    form: Form
    next: str = ""
    demo: tuple[DemoAccount, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """`reference` finds the entry in the log; empty where nothing was logged."""

    status: int
    title: str
    happened: str
    advice: str
    action: Link
    reasons: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    label: str
    value: int
    href: str


@dataclass(frozen=True, slots=True)
class InfusionRow:
    """One of the next chairs. `badge` says open or closed, `reason` why.

    `chair` leads to the booking, None where none was made; `hold` says until when a tentative one is held.
    """

    when: When | None
    patient: str
    href: str
    indication: str
    badge: Badge
    reason: str
    action: Link
    chair: Link | None = None
    hold: str = ""


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """Something that stays still until a person acts."""

    badge: Badge
    patient: str
    href: str
    sentence: str
    since: When
    action: Link
    code: CodeChoices | None = None


@quick
@dataclass(frozen=True, slots=True)
class CallRow:
    """`waiting` is in business days, in words; `why` is why to call. `phone` is empty without a number.

    `later` says when the next try is due, empty when it is now.
    """

    clinician: str
    phone: str
    patient: str
    href: str
    waiting: str
    infusion: When | None
    action: Link
    why: Badge
    later: str = ""


@dataclass(frozen=True, slots=True)
class TodayPage:
    date: When
    counts: tuple[Count, ...]
    infusions: tuple[InfusionRow, ...]
    attention: tuple[AttentionRow, ...]
    calls: tuple[CallRow, ...]
    zone: str
    safety: tuple[AttentionRow, ...] = ()
    reviews: str = ""
    token: str = ""
    classified: Classified | None = None
    refused: str = ""
    unwatched: bool = False


@dataclass(frozen=True, slots=True)
class OrderRow:
    number: str
    href: str
    patient: str
    indication: str
    infusion: When | None
    badge: Badge
    reason: str


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request in a list; `title` is the clinician, or the patient on the page of a clinician."""

    number: str
    href: str
    title: str
    badge: Badge
    sentence: str
    asked: When


@dataclass(frozen=True, slots=True)
class PatientPage:
    """`new_request` leads to the form with this patient chosen, `accounting` to what left the clinic."""

    name: str
    born: str
    facts: tuple[Fact, ...]
    orders: tuple[OrderRow, ...]
    requests: tuple[RequestRow, ...]
    new_request: str
    href: str
    contacts: tuple[Fact, ...]
    consents: tuple[ConsentCard, ...]
    messages: tuple[MessageRow, ...]
    accounting: str
    form: Form
    telling: TellingCard | None


@dataclass(frozen=True, slots=True)
class TellingCard:
    """What the patient would be told in their `language` (a code), `how` and about what; or `why_not`.

    `contact` is the id of where it would go.
    """

    words: str = ""
    language: str = "en"
    how: str = ""
    contact: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class ConsentChoice:
    """What the patient may say now; `warning` is what that does."""

    decision: str
    button: str
    warning: str


@dataclass(frozen=True, slots=True)
class ConsentCard:
    """What the patient has said about `scope`, and what else they may say."""

    scope: str
    title: str
    badge: Badge
    sentence: str
    choices: tuple[ConsentChoice, ...]


@dataclass(frozen=True, slots=True)
class DisclosureRow:
    when: When
    who: str
    where: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class AccountingPage:
    """`clinic` are the lines of who accounts, `more` says that the list is cut short; `way` leads here.

    `born` is empty where the reader is not told who it is.
    """

    name: str
    born: str
    way: tuple[tuple[str, str], ...]
    clinic: tuple[str, ...]
    since: str
    made: str
    rows: tuple[DisclosureRow, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message. `href` shows it as the recipient gets it; `document` is its PDF, empty when none."""

    kind: str
    channel: str
    icon: str
    to: str
    when: When
    badge: Badge
    href: str
    document: str = ""
    document_label: str = "Letter (PDF)"
    about: Link | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    label: str
    href: str
    detail: str


@dataclass(frozen=True, slots=True)
class MessagePage:
    """`unsent` says in a sentence why nothing left the house, empty when it did. `body` keeps its lines.

    `lang` is the language of subject and body. `look` is mail, sms or paper; `headers` are those of a mail;
    `size` says how long a text message is. `links` are the links of the body, to be followed from here;
    `fate` says what became of it and what to do. `actions` are open to this person; each posts to
    `{href}/{action}`.
    """

    kind: str
    badge: Badge
    unsent: str
    facts: tuple[Fact, ...]
    subject: str
    body: str
    lang: str
    links: tuple[Link, ...]
    attachments: tuple[Attachment, ...]
    about: Link
    href: str
    form: Form
    fate: str
    look: str
    headers: tuple[Fact, ...] = ()
    size: str = ""
    actions: tuple[str, ...] = ()
    may_have_arrived: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach a clinician. `manage` is the page of it, empty for who may not change it."""

    channel: str
    icon: str
    value: str
    source: str
    verified: str
    badges: tuple[Badge, ...]
    history: str
    manage: str = ""


@dataclass(frozen=True, slots=True)
class ContactPage:
    """`known` is the contact as it is, None on the page that adds one. `steps` are open to this person.

    `not_yours` says why this person may not confirm it; `called` is the number to call, empty without one.
    """

    clinician: Link
    back: str
    href: str
    title: str
    form: Form
    channels: tuple[Choice, ...]
    sources: tuple[Choice, ...]
    known: Contact | None = None
    called: str = ""
    not_yours: str = ""


@dataclass(frozen=True, slots=True)
class ClinicianOptions:
    """What the selects of a new clinician offer."""

    kinds: tuple[Choice, ...]
    states: tuple[Choice, ...]
    time_zones: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class NewClinicianPage:
    form: Form
    options: ClinicianOptions


@dataclass(frozen=True, slots=True)
class LanguageBox:
    """Where the front desk says in which language somebody is written to."""

    form: Form
    options: tuple[Choice, ...]
    save: str


@dataclass(frozen=True, slots=True)
class ClinicianPage:
    name: str
    kind: str
    warning: str
    deactivated: str
    facts: tuple[Fact, ...]
    contacts: tuple[Contact, ...]
    requests: tuple[RequestRow, ...]
    add: str
    entered_by_you: bool
    language: LanguageBox | None


@dataclass(frozen=True, slots=True)
class ProviderAlert:
    """`setting` names where its address and password come from; "" where that cannot be said."""

    title: str
    sentence: str
    since: When
    setting: str


@dataclass(frozen=True, slots=True)
class NoWorkPage:
    """For roles that see no patient data; `accounts` when they look after the accounts.

    `troubles` are for those: providers that take nothing.
    """

    role: str
    accounts: bool
    troubles: tuple[ProviderAlert, ...] = ()

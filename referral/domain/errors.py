"""Everything this service refuses to do.

ReferralError
├── InvalidInput         what was sent cannot be used; carries issues that say where and why
├── NotFound             no such thing, or not visible to this actor
├── NotSupported         this cannot be done with this kind of thing
├── Forbidden            the actor may not do this
├── SignInRequired       nobody is signed in, or the token is unknown
│   └── SessionLocked    somebody is, and has to give the password again; carries what was sent
├── CredentialUnusable   the portal link or code is unknown, expired, revoked, paused or frozen
├── StaleVersion         someone else saved first; reload and retry
├── DuplicateRequest     an open request to this clinician exists already
├── SlotTaken            somebody else has the chair, or the patient another booking, at this time
├── TransitionRefused    the state does not allow this step
├── GateClosed           treatment may not start; carries the reasons
├── Throttled            too many, or too often; says when to come back
└── Unavailable          a part that is needed did not answer in time; nothing was changed

A ReferralError is a refusal that a caller can act on; anything else is a bug. Messages carry ids, never
names. `code` is the FHIR issue type that the refusal is reported with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong: `expression` points at the element or form field, `text` says what to do."""

    text: str
    expression: tuple[str, ...] = ()
    code: str = "invalid"
    severity: str = "error"


class ReferralError(Exception):
    """A refusal; its text is a sentence that may be shown to the caller."""

    code = "processing"

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (Issue(text=str(self), code=self.code),)


class InvalidInput(ReferralError):
    """Carries every issue found, so that a form or a client can mend them all at once."""

    code = "invalid"

    def __init__(self, *issues: Issue) -> None:
        super().__init__(" ".join(issue.text for issue in issues))
        self._issues = issues

    @property
    def issues(self) -> tuple[Issue, ...]:
        return self._issues


class NotFound(ReferralError):
    code = "not-found"


class PortalClosed(ReferralError):
    """After a restore, until two people have reopened the clinic; the same for every visitor and link."""

    code = "transient"


class NotSupported(ReferralError):
    code = "not-supported"


class Forbidden(ReferralError):
    code = "forbidden"


class SignInRequired(ReferralError):
    code = "login"


class SessionLocked(SignInRequired):
    """`fields` are those of the form that was sent, None where nothing was; they may be kept for `user_id`.

    `ended`: the session has reached its limit, and only a new sign-in helps.
    """

    def __init__(
        self,
        clinic_id: str,
        user_id: str,
        fields: tuple[tuple[str, str], ...] | None = None,
        *,
        ended: bool = False,
    ) -> None:
        super().__init__("Please give your password again.")
        self.clinic_id = clinic_id
        self.user_id = user_id
        self.fields = fields
        self.ended = ended


class CredentialUnusable(ReferralError):
    code = "security"


class StaleVersion(ReferralError):
    code = "conflict"


class DuplicateRequest(ReferralError):
    """`referral_id` is the open request that exists already."""

    code = "duplicate"

    def __init__(self, text: str, referral_id: str) -> None:
        super().__init__(text)
        self.referral_id = referral_id


class SlotTaken(ReferralError):
    """`expression` names the element of the Appointment that would have to change."""

    code = "conflict"

    def __init__(self, text: str, expression: str) -> None:
        super().__init__(text)
        self.expression = expression

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (Issue(text=str(self), code=self.code, expression=(self.expression,)),)


class TransitionRefused(ReferralError):
    """`expression` names the element that a FHIR client would have to change."""

    code = "business-rule"

    def __init__(self, text: str, *expression: str) -> None:
        super().__init__(text)
        self.expression = expression

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (Issue(text=str(self), code=self.code, expression=self.expression),)


class GateClosed(ReferralError):
    """Treatment may not start; `reasons` has one sentence per requirement that is not met.

    `order_id` says under which order, so that the refusal can be noted in the right patient's record;
    `what` begins each sentence.
    """

    code = "business-rule"

    def __init__(
        self,
        reasons: tuple[str, ...],
        expression: str = "Procedure.status",
        *,
        order_id: str,
        what: str = "Treatment may not start",
    ) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons
        self.expression = expression
        self.order_id = order_id
        self.what = what

    @property
    def issues(self) -> tuple[Issue, ...]:
        return tuple(
            Issue(text=f"{self.what}: {reason}", code=self.code, expression=(self.expression,))
            for reason in self.reasons
        )


class Throttled(ReferralError):
    """`retry_after` in seconds."""

    code = "throttled"

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unavailable(ReferralError):
    code = "transient"

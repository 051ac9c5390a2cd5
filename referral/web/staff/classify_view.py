"""The classes that an unknown code can have, each as a button with its consequence beside it."""

from __future__ import annotations

from typing import Final

from referral.domain.policy import Indication, IndicationClass
from referral.domain.policy_change import Move
from referral.domain.policy_draft import CLASS_LABEL
from referral.services.classify_indication import Classification, CodeEffect
from referral.services.foresee_policy import Foreseen
from referral.web.staff import present
from referral.web.staff.classify_models import ClassChoice, Classified, CodeChoices

_NEEDS: Final = {
    IndicationClass.MENTAL_HEALTH: ("Mental health", "Needs a recommendation."),
    IndicationClass.PAIN: ("Chronic pain", "Needs no recommendation."),
}


def seen_field(chosen: str) -> str:
    """Where the form carries what stood beside the button of this class."""
    return f"seen_{chosen.replace('-', '_')}"


def code_choices(indication: Indication, order_id: str, effect: CodeEffect) -> CodeChoices:
    """`order_id` is any order with the code: the click is recorded there."""
    return CodeChoices(
        order_id=order_id,
        system=indication.system,
        code=indication.code,
        title=indication.label,
        orders=present.counted(effect.orders, "order"),
        version=str(effect.version),
        choices=tuple(
            ClassChoice(
                chosen, _NEEDS[chosen][0], _consequence(chosen, seen), seen_field(chosen), seen.digest
            )
            for chosen, seen in effect.classes.items()
        ),
    )


def _consequence(chosen: IndicationClass, seen: Foreseen) -> str:
    opens, closes = len(seen.moving(Move.OPENS)), len(seen.moving(Move.CLOSES))
    closing = f" Closes {present.counted(closes, 'order')} at once." if closes else ""
    opening = present.counted(opens, "order") if opens else "no order"
    return f"{_NEEDS[chosen][1]}{closing} Opens {opening} at once."


def classified_notice(made: Classification, closes: int) -> Classified:
    """What the click did, as it stands now; undoing it `closes` so many orders."""
    what = f"{made.rule.prefix} is {CLASS_LABEL[made.rule.indication_class]} now"
    sentence = "It counts for every order with this code. It opened none."
    if closes:
        are, them = ("is", "it") if closes == 1 else ("are", "them")
        sentence = (
            f"{present.counted(closes, 'order')} {are} open because of it; undoing closes {them} again."
        )
    return Classified(what, sentence, str(made.policy.version))

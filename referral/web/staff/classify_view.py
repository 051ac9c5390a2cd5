"""The classes that an unknown code can have, each as a button with its consequence beside it."""

from __future__ import annotations

from typing import Final

from referral.domain.policy import Indication, IndicationClass
from referral.domain.policy_change import Move
from referral.services.classify_indication import Classification, CodeEffect
from referral.services.foresee_policy import Foreseen
from referral.web.staff import present
from referral.web.staff.classify_models import ClassChoice, Classified, CodeChoices

_NEEDS: Final = {
    IndicationClass.MENTAL_HEALTH: ("Mental health", "Needs a recommendation."),
    IndicationClass.PAIN: ("Chronic pain", "Needs no recommendation."),
}
_IS: Final = {IndicationClass.MENTAL_HEALTH: "mental health", IndicationClass.PAIN: "chronic pain"}


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


def classified_notice(made: Classification) -> Classified:
    """What the click did, as it stands now."""
    what = f"{made.rule.prefix} is {_IS[made.rule.indication_class]} now"
    if not made.closes:
        return Classified(
            what, "It counts for every order with this code. It opened none.", str(made.version)
        )
    are = f"{present.counted(made.closes, 'order')} {'is' if made.closes == 1 else 'are'} open because of it"
    return Classified(what, f"{are}; undoing closes {_them(made.closes)} again.", str(made.version))


def _them(count: int) -> str:
    return "it" if count == 1 else "them"

"""The pick list of side effects, and which of them are always serious.

Common ones after the labelling of ketamine and reports of infusion clinics; codes are SNOMED CT's, and our
own where no finding of SNOMED CT says it. What makes an event serious is 21 CFR 312.32(a): death, a threat to
life, a hospital stay, lasting incapacity, or what needs intervention to prevent one of these.
"""

from __future__ import annotations

from typing import Final

from referral.domain.course import Pick

# Ours, without a number; the code system `side-effect` holds them.
OURS: Final = ("dissociation", "bladder-symptoms", "other")
PICKS: Final = (
    Pick("dissociation", "Dissociation", "Feeling detached or unreal (dissociation)"),
    Pick("422587007", "Nausea", "Nausea"),
    Pick("422400008", "Vomiting", "Vomiting"),
    Pick("404640003", "Dizziness", "Dizziness"),
    Pick("25064002", "Headache", "Headache"),
    Pick("271782001", "Drowsy", "Drowsiness"),
    Pick("111516008", "Blurring of visual image", "Blurred vision"),
    Pick("48694002", "Anxiety", "Anxiety"),
    Pick("7011001", "Hallucinations", "Hallucinations"),
    Pick("24184005", "Finding of increased blood pressure", "High blood pressure"),
    Pick("3424008", "Tachycardia", "Fast heart beat"),
    Pick("bladder-symptoms", "Bladder symptoms", "Bladder symptoms"),
    Pick("271594007", "Syncope", "Fainting"),
    Pick("29857009", "Chest pain", "Chest pain"),
    Pick("386616007", "Shallow breathing", "Shallow or slow breathing"),
    Pick("419076005", "Allergic reaction", "Allergic reaction"),
    Pick("91175000", "Seizure", "Seizure"),
    Pick("6471006", "Suicidal thoughts", "Suicidal thoughts"),
    Pick("82313006", "Suicide attempt", "Suicide attempt"),
    Pick("39579001", "Anaphylaxis", "Anaphylaxis"),
    Pick("other", "Another side effect", "Something else"),
)
BY_CODE: Final = {pick.code: pick for pick in PICKS}
# Whoever picks one of these need not judge: it is serious.
ALWAYS_SERIOUS: Final = frozenset({"91175000", "82313006", "39579001"})


def worded(code: str) -> str:
    """What people read; a code that no list of ours has is shown as it came."""
    pick = BY_CODE.get(code)
    return pick.text if pick else f"SNOMED CT {code}"

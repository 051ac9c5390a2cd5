"""Finds ICD-10-CM codes by code, word or the abbreviations that clinics use."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

from referral.domain.folding import folded
from referral.domain.policy import ICD_10_CM, Indication, IndicationClass, Policy
from referral.services.icd_10_cm import read_codes

# What people type → what the book calls it; any one of the words on the right will do.
_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "mdd": ("major depressive disorder",),
    "depression": ("depress",),
    "depressed": ("depress",),
    "dysthymia": ("dysthymic",),
    "postpartum": ("postpartum", "puerperal"),
    "ptsd": ("post-traumatic stress",),
    "trauma": ("traumatic stress", "stress reaction", "due to trauma"),
    "ocd": ("obsess",),
    "obsessive": ("obsess",),
    "bipolar": ("bipolar", "manic"),
    "mania": ("manic",),
    "gad": ("generalized anxiety",),
    "anxiety": ("anxiety", "panic", "phobia"),
    "panic": ("panic",),
    "mood": ("mood", "depress", "bipolar"),
    "crps": ("complex regional pain", "causalgia"),
    "rsd": ("complex regional pain",),
    "fibro": ("fibromyalgia",),
    "fms": ("fibromyalgia",),
    "phn": ("postherpetic",),
    "shingles": ("postherpetic", "zoster"),
    "neuropathic": ("neuralgia", "neuropath"),
    "neuropathy": ("neuropath",),
    "nerve": ("nerve", "neuralgia", "neuropath"),
    "migraines": ("migraine",),
    "headache": ("headache", "migraine"),
    "sciatica": ("sciatica",),
    "back": ("back", "dorsalgia", "lumbago", "spine", "sciatica"),
    "neck": ("neck", "cervicalgia"),
    "tn": ("trigeminal",),
    "phantom": ("phantom",),
    "cancer": ("neoplasm",),
}
# The codes that ketamine clinics see every day come first among equals.
_COMMON: Final = (
    *("F33.2", "F33.1", "F32.A", "F32.2", "F32.1", "F33.9", "F43.10", "F43.12", "F41.1", "F31.81", "F42.9"),
    *("G89.4", "G89.29", "M79.7", "M54.50", "G43.709", "G90.50", "G62.9", "G50.0", "F53.0"),
)
_COMMONNESS: Final = {code: place for place, code in enumerate(_COMMON)}
_LOCK: Final = threading.Lock()
# Whether this process has begun to read the codes.
BEGUN: Final = threading.Event()


@dataclass(frozen=True, slots=True)
class Entry:
    """One code; `searched` is all its wording as names are compared."""

    code: str
    description: str
    searched: str


@dataclass(frozen=True, slots=True)
class Found:
    """A code and what clinic policy makes of it; None is unclassified."""

    indication: Indication
    indication_class: IndicationClass | None


@cache
def _entries() -> tuple[Entry, ...]:
    return tuple(Entry(*row) for row in read_codes())


@cache
def _by_code() -> dict[str, Entry]:
    return {entry.code: entry for entry in entries()}


def entries() -> tuple[Entry, ...]:
    """All codes, read once per process; whoever comes while they are being read waits for them."""
    with _LOCK:
        return _entries()


def warm_up() -> None:
    """Begin to read the codes, so that the first search finds them ready; once per process.

    The pages before a search call it, from the door on: a process that serves no people does not pay.
    """
    if BEGUN.is_set():
        return
    BEGUN.set()
    threading.Thread(target=entries, name="icd-10-cm", daemon=True).start()


def indication_of(code: str) -> Indication | None:
    """The ICD-10-CM code as the book words it, None for one that is not in it."""
    entry = _by_code().get(code.strip().upper())
    return Indication(ICD_10_CM, entry.code, entry.description) if entry else None


def find_indications(words: str, policy: Policy, limit: int = 12) -> tuple[list[Found], bool]:
    """The best matches and whether there are more: classified codes first, common ones before others."""
    asked = folded(words.replace(",", " ").replace("|", " "))
    if not asked:
        return [], False
    matching = _begins(asked) if any(c.isdigit() for c in asked) else _means(asked)
    # Sorting wants them all; a single letter has tens of thousands.
    found = [
        Found(indication, policy.classify(indication))
        for indication in (Indication(ICD_10_CM, e.code, e.description) for e in islice(matching, 4000))
    ]
    found.sort(key=lambda f: (f.indication_class is None, _COMMONNESS.get(f.indication.code, len(_COMMON))))
    return found[:limit], len(found) > limit


def _begins(asked: str) -> list[Entry]:
    """By the beginning of the code, with or without its dot."""
    bare = asked.replace(".", "").replace(" ", "")
    begins = [e for e in entries() if e.code.replace(".", "").lower().startswith(bare)]
    return begins or _means(asked)


def _means(asked: str) -> list[Entry]:
    """Every word, or one of its synonyms, is in the wording."""
    wanted = [_SYNONYMS.get(word, (word,)) for word in asked.split()]
    return [e for e in entries() if all(any(word in e.searched for word in words) for words in wanted)]

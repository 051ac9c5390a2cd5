"""What was said about a request, with its words for those who may read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from referral.domain.conversation import Reach, Turn
from referral.storage import conversations, documents
from referral.storage.db import Session


@dataclass(frozen=True, slots=True)
class Said:
    """`words` are "" where there are none, or where the reader may not read narrative."""

    turn: Turn
    words: str
    reach: Reach


def read_conversation(session: Session, referral_id: str, *, words: bool) -> tuple[Said, ...]:
    """Oldest first; the caller records the look. How to reach somebody is no narrative: staff call them."""
    turns = conversations.of_referral(session, referral_id)
    if not turns:
        return ()
    found = documents.get_many(session, _ids(turns, words=words))
    texts = {id: document.content.decode() for id, document in found.items()}
    return tuple(
        Said(turn, texts.get(turn.words_id or "", ""), _reach(texts.get(turn.reach_id or "", "")))
        for turn in turns
    )


def _reach(kept: str) -> Reach:
    return Reach(**json.loads(kept)) if kept else Reach()


def _ids(turns: Iterable[Turn], *, words: bool) -> list[str]:
    found = [turn.reach_id for turn in turns] + [turn.words_id for turn in turns if words]
    return [id for id in found if id is not None]

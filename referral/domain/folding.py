"""How names and words are compared, wherever they are searched for."""

from __future__ import annotations

import unicodedata


def folded(words: str) -> str:
    """Lower case, without accents, single spaces."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", words) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())

"""Style sheets, scripts and the icon: compressed once for each process, at addresses that never change.

`/static/<version>/<name>` carries a digest over all of them, so a script finds the others beside it and a
browser asks for each of them once. Only these are ever compressed: a page holds tokens beside what somebody
has typed, and its length would tell them (BREACH, breachattack.com).
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

STATIC: Final = Path(__file__).with_name("static")
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Every file by its name."""
    return {path.name: _asset(path) for path in sorted(STATIC.iterdir())}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, gzip.compress(content, mtime=0), _MEDIA_TYPES[path.suffix])


@cache
def version() -> str:
    """Another one as soon as any of the files is another one."""
    digest = hashlib.sha256()
    for name, asset in assets().items():
        digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
    return digest.hexdigest()[:16]


def static(name: str) -> str:
    """The address of a file, for templates; a name that there is not is a bug."""
    if name not in assets():
        raise FileNotFoundError(name)
    return f"/static/{version()}/{name}"


class Assets(StaticFiles):
    """Answers for the files from memory.

    A page from before an update, or from a neighbour that has had it already, gets what this process has, but
    may not keep it.
    """

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        asked, _, name = path.rpartition("/")
        asset = assets().get(name)
        if asset is None or "/" in asked or scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404 if asset is None or "/" in asked else 405)
        headers = {
            "Cache-Control": _FOR_EVER if asked == version() else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return Response(asset.content, media_type=asset.media_type, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)

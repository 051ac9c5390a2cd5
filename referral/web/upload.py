"""Reads one uploaded file out of a form."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.datastructures import UploadFile

from referral.web.dependencies import PostedDep


async def _uploaded(form: PostedDep) -> bytes:
    """The bytes of the field `letter`, empty where no file was chosen."""
    found = form.get("letter")
    if not isinstance(found, UploadFile):
        return b""
    try:
        return await found.read()
    finally:
        await form.close()


Uploaded = Annotated[bytes, Depends(_uploaded)]

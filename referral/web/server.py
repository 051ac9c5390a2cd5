"""The web server of one process: uvicorn, which open streams must not keep from stopping."""

from __future__ import annotations

import gc
import socket

import uvicorn
from fastapi import FastAPI


def settle_memory() -> None:
    """Call it once everything is loaded: what is in memory now stays, and is left out of collections.

    Requests leave hardly any cycles behind, and a page makes thousands of objects: collections come after
    50,000 instead of after 700. They had taken a tenth of the time of the Today board.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class Server(uvicorn.Server):
    """Ends the streams first; all other requests are given their time."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.live.end()
        await super().shutdown(sockets)

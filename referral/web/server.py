"""The web server of one process: uvicorn, which open streams must not keep from stopping."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Ends the streams first; all other requests are given their time."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.live.end()
        await super().shutdown(sockets)

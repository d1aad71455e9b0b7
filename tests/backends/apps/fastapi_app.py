"""`python fastapi_app.py HOLDFAST`: an app whose routes are judged by Holdfast, by the dependency and the middleware."""

import socket
import sys
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request

from holdfast_backend import Caller, Holdfast
from holdfast_backend.asgi import HoldfastMiddleware
from holdfast_backend.fastapi import install, require_caller

holdfast = Holdfast(sys.argv[1])
judging = Holdfast(sys.argv[1], judge_every_method=True)
app = FastAPI()
install(app)


@app.get("/who")
async def who(caller: Annotated[Caller, Depends(require_caller(holdfast))]) -> dict[str, str]:
    return {"user": caller.user_id}


@app.get("/maybe")
async def maybe(caller: Annotated[Caller | None, Depends(require_caller(holdfast, optional=True))]) -> dict[str, str | None]:
    return {"user": caller.user_id if caller else None}


@app.api_route("/admin", methods=["GET", "OPTIONS"])
async def admin(caller: Annotated[Caller | None, Depends(require_caller(holdfast, role="admin"))]) -> dict[str, str | None]:
    return {"user": caller.user_id if caller else None}


@app.api_route("/judged", methods=["GET", "OPTIONS"])
async def judged(caller: Annotated[Caller, Depends(require_caller(judging, role="admin"))]) -> dict[str, str]:
    return {"user": caller.user_id}


behind = FastAPI()


@behind.get("/who")
async def who_behind(request: Request) -> dict[str, str]:
    return {"user": request.state.caller.user_id}


app.mount("/asgi", HoldfastMiddleware(behind, holdfast))

listener = socket.create_server(("127.0.0.1", 0))
print(f"listening {listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listener])

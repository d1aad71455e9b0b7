"""FastAPI on uvicorn with PyJWT and asyncpg."""

import os
import socket
from contextlib import asynccontextmanager

import asyncpg
import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Depends, FastAPI, HTTPException, Request

KEY = load_pem_public_key(os.environ["CLERK_JWT_KEY"].encode())
ISSUER = os.environ["CLERK_ISSUER"]
PARTIES = {os.environ["CLERK_AUTHORIZED_PARTIES"]}
STATEMENT = "SELECT username, expires_at FROM instagram_connections WHERE user_id = $1 AND status = 'active'"


@asynccontextmanager
async def lifespan(app: FastAPI):
    # Where it connects stands in PGHOST, PGUSER and PGDATABASE.
    app.state.pool = await asyncpg.create_pool(min_size=10, max_size=10)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


async def user(request: Request) -> str:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, KEY, algorithms=["RS256"], issuer=ISSUER, options={"require": ["exp", "sub", "iat"]})
    except jwt.PyJWTError:
        raise HTTPException(401)
    if claims.get("azp") not in PARTIES:
        raise HTTPException(401)
    return claims["sub"]


@app.get("/user/instagram/status")
async def status(request: Request, user_id: str = Depends(user)):
    row = await request.app.state.pool.fetchrow(STATEMENT, user_id)
    if row is None:
        return {"connected": False}
    return {"connected": True, "username": row["username"], "expires_at": row["expires_at"]}


listener = socket.create_server(("127.0.0.1", 0))
print(f"127.0.0.1:{listener.getsockname()[1]}", flush=True)
server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
server.run(sockets=[listener])

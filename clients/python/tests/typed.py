"""Passes a strict type checker where the declarations fit how the package is used; nothing here runs."""

import flask
from fastapi import FastAPI

from holdfast_backend import Holdfast, verify_webhook
from holdfast_backend.asgi import HoldfastMiddleware
from holdfast_backend.django import JudgedRequest
from holdfast_backend.types import State


def use(app: FastAPI, holdfast: Holdfast) -> State:
    app.add_middleware(HoldfastMiddleware, holdfast=holdfast, role=["admin", "owner"])
    return holdfast.service.status("user_1")["state"]


def caller_of(request: JudgedRequest) -> str | None:
    return request.caller.user_id if request.caller else None


def told() -> str:
    event = verify_webhook(flask.request.get_data(), flask.request.headers, "whsec_c2VjcmV0")
    return event["data"]["user_id"] if event["type"] == "instagram.status" else ""

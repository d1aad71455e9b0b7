"""Credentials for schemathesis: a session token lives 60 s, so each is fetched from the stand-in shortly before use."""

import json
import os
import urllib.request

import schemathesis

CLERK = os.environ["HOLDFAST_DEV_CLERK"]
ORIGIN = os.environ["HOLDFAST_DEV_ORIGIN"]
SERVICE_KEY = os.environ["HOLDFAST_DEV_SERVICE_KEY"]


def post(path, body=None):
    request = urllib.request.Request(
        f"{CLERK}{path}",
        data=json.dumps(body or {}).encode(),
        headers={"content-type": "application/json", "origin": ORIGIN},
        method="POST",
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


SESSION = post("/v1/dev/sign-in", {"user": "ada"})["session_id"]


@schemathesis.auth(refresh_interval=30).apply_to(path_regex="^/(auth|user)/")
class SessionToken:
    def get(self, case, context):
        return post(f"/v1/client/sessions/{SESSION}/tokens")["jwt"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.auth().apply_to(path_regex="^/service/")
class ServiceKey:
    def get(self, case, context):
        return SERVICE_KEY

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

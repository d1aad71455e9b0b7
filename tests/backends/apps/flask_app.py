"""`python flask_app.py HOLDFAST`: Flask and Django apps whose routes are judged by Holdfast."""

import sys
from typing import Any

import django
import flask
import waitress
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from holdfast_backend import Holdfast
from holdfast_backend.wsgi import HoldfastMiddleware

holdfast = Holdfast(sys.argv[1])
judging = Holdfast(sys.argv[1], judge_every_method=True)
app = flask.Flask(__name__)


@app.route("/", methods=["GET", "OPTIONS"], provide_automatic_options=False)
def who() -> Any:
    caller = flask.request.environ["holdfast.caller"]
    return {"user": caller.user_id if caller else None}


def django_who(request: Any) -> JsonResponse:
    caller = request.environ["holdfast.caller"]
    return JsonResponse({"user": caller.user_id if caller else None})


urlpatterns = [path("", django_who), path("/", django_who)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test")
django.setup()

mounted = DispatcherMiddleware(
    flask.Flask("none"),
    {
        "/who": HoldfastMiddleware(app, holdfast),
        "/maybe": HoldfastMiddleware(app, holdfast, optional=True),
        "/admin": HoldfastMiddleware(app, holdfast, role="admin"),
        "/judged": HoldfastMiddleware(app, judging, role="admin"),
        "/django/who": HoldfastMiddleware(get_wsgi_application(), holdfast),
        "/django/admin": HoldfastMiddleware(get_wsgi_application(), holdfast, role="admin"),
        "/django/judged": HoldfastMiddleware(get_wsgi_application(), judging, role="admin"),
    },
)
server = waitress.create_server(mounted, host="127.0.0.1", port=0, threads=8)
print(f"listening {server.effective_port}", flush=True)
server.run()

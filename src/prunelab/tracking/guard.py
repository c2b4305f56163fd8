"""Authorisation of requests to a team's server: MLflow's basic auth, and readers cannot change anything.

MLflow lets any user create experiments, and record in those; a reader of a team's store may not.
"""

from __future__ import annotations

from flask import Response, make_response, request
from mlflow.server import auth
from werkzeug.datastructures import Authorization

from prunelab.tracking.accounts import WRITERS

READING = ("GET", "HEAD", "OPTIONS")
ASKING = ("/search", "/get-history-bulk-interval", "/get-metric-history-bulk", "/batch-get-trace-infos")
"""Ends of the paths of POST requests that change nothing."""
OWN = ("/mlflow/users/update-password",)
"""What readers may change: their own password."""


def authenticate() -> Authorization | Response:
    """The user of the current request, or the response that refuses it: 401 or 403."""
    user = auth.authenticate_request_basic_auth()
    if not isinstance(user, Authorization) or may(request.method, request.path):
        return user
    account = auth.store.get_user(user.username or "")
    roles = [role.name for role in auth.store.list_user_roles(account.id)]
    if account.is_admin or WRITERS in roles:
        return user
    return make_response(f"{user.username} is a reader and cannot change anything\n", 403)


def may(method: str, path: str) -> bool:
    """Whether a reader may make this request."""
    return method in READING or (method == "POST" and path.endswith(ASKING)) or path.endswith(OWN)

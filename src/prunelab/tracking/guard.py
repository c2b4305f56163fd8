"""What MLflow's server asks of each request: who it is, by MLflow's basic auth; and that readers change nothing.

MLflow lets any user create experiments, and record in those; a reader of a team's store may not.
"""

from __future__ import annotations

from flask import Response, make_response, request
from mlflow.server import auth
from werkzeug.datastructures import Authorization

from prunelab.tracking.accounts import WRITERS

READING = ("GET", "HEAD", "OPTIONS")
ASKING = ("/search", "/get-history-bulk-interval", "/get-metric-history-bulk", "/batch-get-trace-infos")
"""The ends of addresses that are asked by POST and change nothing."""
OWN = ("/mlflow/users/update-password",)
"""What a reader may change: the own password."""


def authenticate() -> Authorization | Response:
    """The user of the request that is being answered; or the answer that refuses it, 401 or 403."""
    user = auth.authenticate_request_basic_auth()
    if not isinstance(user, Authorization) or may(request.method, request.path):
        return user
    account = auth.store.get_user(user.username or "")
    roles = [role.name for role in auth.store.list_user_roles(account.id)]
    if account.is_admin or WRITERS in roles:
        return user
    return make_response(f"{user.username} is a reader and cannot change anything\n", 403)


def may(method: str, path: str) -> bool:
    """Whether a reader may ask this."""
    return method in READING or (method == "POST" and path.endswith(ASKING)) or path.endswith(OWN)

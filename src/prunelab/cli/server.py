"""A team's MLflow server (`make server`): on this machine alone, or for others with a password for each user."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from prunelab.errors import ConfigError, PrunelabError
from prunelab.tracking import server
from prunelab.tracking.accounts import FORM, User, users_in, users_of

VARIABLE = "PRUNELAB_USERS"


def main() -> None:
    """Become the server; status 2 if it is refused."""
    parser = argparse.ArgumentParser(prog="make server", description=__doc__)
    parser.add_argument("--database", required=True, metavar="URI", help="postgresql://user@host/name, sqlite:////x.db")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--allowed-hosts", default="", metavar="NAME:PORT,...", help="host names that others use")
    parser.add_argument("--users", type=Path, metavar="FILE", help=f"{FORM} (or those lines in {VARIABLE})")
    parser.add_argument("--workers", type=int, default=4, help="processes that answer (default: 4)")
    parser.add_argument("--folder", type=Path, default=Path("mlruns"), help="where artifacts and accounts are kept")
    arguments = parser.parse_args()
    try:
        users = listed(arguments.users, os.environ.get(VARIABLE))
        refuse_open(arguments.host, users)
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", **server.ENVIRONMENT}
        if users:
            from prunelab.tracking.accounts import provision

            environment |= provision(users, arguments.folder / "accounts")
    except PrunelabError as error:
        print(f"server: {error}", file=sys.stderr)
        sys.exit(2)
    command = [
        *server.command(arguments.database, arguments.host, arguments.port, arguments.workers),
        *("--artifacts-destination", str(arguments.folder / "artifacts")),
        *(("--allowed-hosts", arguments.allowed_hosts) if arguments.allowed_hosts else ()),
        *(("--app-name", "basic-auth") if users else ()),
    ]
    inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
    os.execve(command[0], command, {**inherited, **environment})


def listed(file: Path | None, variable: str | None) -> list[User]:
    """The users that a file or the environment names; none if neither is given.

    Raises:
        ConfigError: if both are given, or what is given is refused.
    """
    if file is not None and variable is not None:
        raise ConfigError(f"USERS={file} and {VARIABLE} are both given; it accepts one of them")
    if file is not None:
        return users_in(file)
    return [] if variable is None else users_of(variable, VARIABLE)


def refuse_open(host: str, users: list[User]) -> None:
    """Refuse a server that others reach and that lets everyone in.

    Raises:
        ConfigError: saying how to name users.
    """
    if not users and not _is_local(host):
        raise ConfigError(
            f"HOST={host} is refused without users: everyone who reaches this machine could read and delete; "
            f"name them in a file (USERS=FILE, chmod 600) or in {VARIABLE}: {FORM}"
        )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    main()

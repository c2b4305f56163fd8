"""Who may use a team's server: MLflow's user database, kept in line with a list of users.

A line is `name:role:password`. A reader sees everything and changes nothing; a writer also records; an admin also
manages users. Passwords are stored by MLflow, salted and hashed.
"""

from __future__ import annotations

import secrets
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from prunelab.errors import ConfigError

WRITERS = "prunelab-writers"
"""The role in MLflow's database of those who may write."""
WORKSPACE = "default"
CACHED_SECONDS = 30
"""How long a server worker caches a checked password: hashing takes most of a request's time."""
FORM = "a line for each user: name:role:password, the role being reader, writer or admin"


class Role(str, Enum):
    """What a user may do."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A user of the server."""

    name: str
    role: Role
    password: str


def users_of(text: str, where: str) -> list[User]:
    """The users in the text of a list; empty lines and lines that begin with # are skipped. `where`: for messages.

    Raises:
        ConfigError: for a malformed line, a name that occurs twice, or a list without an admin. No password is ever
            shown.
    """
    users: list[User] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        role, _, password = rest.partition(":")
        if not name or not password or role not in [each.value for each in Role]:
            raise ConfigError(f"{where}, line {number} is refused: it accepts {FORM}")
        if name in [user.name for user in users]:
            raise ConfigError(f"{where}, line {number} is refused: {name} is there twice")
        users.append(User(name, Role(role), password))
    if not any(user.role is Role.ADMIN for user in users):
        raise ConfigError(f"{where} is refused: it names no admin; it accepts {FORM}")
    return users


def users_in(file: Path) -> list[User]:
    """The users listed in a file, which nobody else may read.

    Raises:
        ConfigError: if it cannot be read, others can read it, or it is not such a list.
    """
    try:
        mode, text = file.stat().st_mode, file.read_text()
    except (OSError, ValueError) as error:
        raise ConfigError(f"USERS={file} is refused: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"USERS={file} is refused: others can read the passwords in it (chmod 600 {file})")
    return users_of(text, f"USERS={file}")


def provision(users: list[User], folder: Path) -> dict[str, str]:
    """Make MLflow's user database in `folder` hold these users and no others.

    Returns the environment variables that the server needs.

    Raises:
        ConfigError: if the extra `server` is not installed, or MLflow refuses a name or a password.
    """
    try:
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
    except ImportError as error:
        raise ConfigError(f"passwords need the extra server: pip install -e '.[server]' ({error})") from error
    from mlflow.exceptions import MlflowException

    folder.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{folder.resolve()}/accounts.db"
    store = SqlAlchemyStore()
    store.init_db(database)  # type: ignore[no-untyped-call]
    try:
        role = next((each for each in store.list_roles([WORKSPACE]) if each.name == WRITERS), None)
        if role is None:
            role = store.create_role(WRITERS, WORKSPACE)
            for kind in ("experiment", "registered_model"):
                store.add_role_permission(role.id, kind, "*", "MANAGE")
        known = {user.username: user for user in store.list_users()}
        for gone in known.keys() - {user.name for user in users}:
            store.delete_user(gone)
        for user in users:
            admin = user.role is Role.ADMIN
            if user.name in known:
                store.update_user(user.name, password=user.password, is_admin=admin)
            else:
                store.create_user(user.name, user.password, is_admin=admin)
            account = store.get_user(user.name).id
            writes = any(each.id == role.id for each in store.list_user_roles(account))
            if user.role is Role.WRITER and not writes:
                store.assign_role_to_user(account, role.id)
            elif user.role is not Role.WRITER and writes:
                store.unassign_role_from_user(account, role.id)
    except MlflowException as error:
        raise ConfigError(f"the users are refused: {error}") from error
    first_admin = next(user.name for user in users if user.role is Role.ADMIN)
    settings = folder / "accounts.ini"
    settings.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}\nadmin_username = {first_admin}\n"
        "authorization_function = prunelab.tracking.guard:authenticate\n"
        f"auth_cache_ttl_seconds = {CACHED_SECONDS}\n"
    )
    (folder / "accounts.db").chmod(0o600)
    return {"MLFLOW_AUTH_CONFIG_PATH": str(settings.resolve()), "MLFLOW_FLASK_SERVER_SECRET_KEY": _key(folder)}


def _key(folder: Path) -> str:
    """The secret key of the server's forms, created once."""
    file = folder / "accounts.key"
    if not file.is_file():
        file.touch(0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()

"""Who runs the server: the caller, or `nobody` when that is root, which PostgreSQL refuses."""

import os
import pwd

from devtools.embedded_postgres.errors import EmbeddedPostgresError
from devtools.embedded_postgres.processes import Identity

_UNPRIVILEGED = "nobody"


def server_identity() -> Identity:
    """The user to run PostgreSQL's programs as.

    Raises:
        EmbeddedPostgresError: The system does not know the user by name, which initdb insists on.
    """
    uid = os.geteuid()
    if uid == 0:
        try:
            unprivileged = pwd.getpwnam(_UNPRIVILEGED)
        except KeyError as err:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and there is no user {_UNPRIVILEGED} instead.",
                next_step="Run this as an ordinary user, or set DATABASE_URL to a server.",
            ) from err
        return Identity(uid=unprivileged.pw_uid, gid=unprivileged.pw_gid, switched=True)
    try:
        pwd.getpwuid(uid)
    except KeyError as err:
        raise EmbeddedPostgresError(
            f"The current user (uid {uid}) has no entry in /etc/passwd, and PostgreSQL needs one.",
            next_step=f"Add a user with uid {uid} to the system or image, or set DATABASE_URL.",
        ) from err
    return Identity(uid=uid, gid=os.getegid(), switched=False)

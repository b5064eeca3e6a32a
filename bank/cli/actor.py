"""The actor of a command in the audit trail: an account of this machine, not a user of the bank."""

import getpass
import os
import socket

from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, enter_context


def enter_command(command: str) -> None:
    """Set the request context of a command such as `users create-admin`."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container, a user id may have no name
        name = f"uid {os.getuid()}"
    agent = f"bank {command}, run by {name} on {socket.gethostname()}"
    enter_context(RequestContext(correlation_id=str(uuid7()), user_agent=agent[:255]))

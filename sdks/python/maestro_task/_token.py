"""Tokens that say which run, task and attempt their holder is."""

from __future__ import annotations

import http.client
import json
import os
import socket
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import quote

from ._failure import TaskFailure

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class WorkloadToken:
    """A secret: hand it on, never print it."""

    #: For ``Authorization: Bearer``, or to be exchanged for what the other side gives out.
    token: str = field(repr=False)
    #: Epoch milliseconds, five minutes after it was asked for.
    expires_at: int


def workload_token(audience: str, socket_path: Optional[str] = None) -> WorkloadToken:
    """A token of this attempt for one of the audiences that its task names under ``identity`` in the runbook.

    Ask when it is needed and not before: each is new. Raises :class:`TaskFailure` with the code ``TOKEN``, which says
    why there is none.
    """
    path = socket_path or os.environ.get("MAESTRO_TOKEN_SOCKET")
    if not path:
        raise _refused(
            "this task may have no tokens; name the audience under `identity: { audiences: [...] }` in its runbook", True
        )
    connection = _Connection(path)
    try:
        connection.request("GET", f"/token?audience={quote(audience, safe='')}", headers={"Host": "token"})
        response = connection.getresponse()
        text = response.read(MAX_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise _refused(f"the socket {path} does not answer: {error}", False) from error
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if response.status == 200 and "token" in answer and "expiresAt" in answer:
        return WorkloadToken(answer["token"], answer["expiresAt"])
    why = " ".join(str(answer[name]) for name in ("detail", "fix") if name in answer)
    # What was refused will be refused again; what is overloaded or not up yet may not.
    final = response.status < 500 and response.status != 429
    raise _refused(why or f"the answer has the status {response.status}", final)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("token", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _refused(why: str, final: bool) -> TaskFailure:
    return TaskFailure("TOKEN", f"No token was given: {why.rstrip('.')}.", final=final)

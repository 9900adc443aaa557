"""The task protocol, version 1: JSON texts, one per line, on stdin and stdout."""

from __future__ import annotations

import io
import json
import os
import sys
import sysconfig
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Dict, Iterable, List, Optional, TextIO

from ._task import Cancelled, Context, Json, Task, TaskFailure

SPOKEN = (1,)
SDK = "python/0.1.0"
MAX_MESSAGE_BYTES = 17 << 20
MAX_LOG_CHARACTERS = 256 * 1024
MAX_ERROR_CHARACTERS = 16_000
#: Folders of code that is not the task's.
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def serve(task: Task, input: Optional[BinaryIO] = None, output: Optional[BinaryIO] = None) -> None:
    """Speaks the task protocol until its input ends or it is told to, and returns when all attempts are answered.

    With the process's own streams stdout belongs to the protocol from now on: what a task prints goes to its attempt's
    log, and what its child processes print to stderr.
    """
    if input is None:
        input = sys.stdin.buffer
    if output is not None:
        Server(task, output).run(input)
        return
    own = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    printed = sys.stdout
    server = Server(task, own)
    sys.stdout = Printed(server, sys.stderr)
    try:
        server.run(input)
    finally:
        sys.stdout = printed


class Attempt:
    """One attempt that has no answer yet."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.cancelled = threading.Event()
        self.reason: List[str] = []
        #: What was printed after the last line end.
        self.printed = ""


class Server:
    def __init__(self, task: Task, output: BinaryIO) -> None:
        self._task = task
        self._output = output
        self._lock = threading.RLock()
        self._attempts: Dict[str, Attempt] = {}
        self._pool = ThreadPoolExecutor(max_workers=task.concurrency, thread_name_prefix="attempt")
        self._current = threading.local()

    def run(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if line.strip() and not self._take(json.loads(line)):
                break
        self._pool.shutdown(wait=True)

    def _take(self, message: Dict[str, Any]) -> bool:
        """False when nothing is to follow. What it does not know is of a later version, and is ignored."""
        kind, id = message.get("type"), str(message.get("id"))
        if kind == "hello":
            offered = message.get("protocols", [])
            protocol = next((version for version in SPOKEN if version in offered), SPOKEN[0])
            self._send({"type": "hello", "protocol": protocol, "concurrency": self._task.concurrency, "sdk": SDK})
        elif kind == "init":
            validates = self._task.validate is not None
            self._send({"type": "description", "description": self._task.description, "validates": validates})
        elif kind == "validate":
            self._pool.submit(self._validate, id, message.get("input"))
        elif kind == "execute":
            attempt = Attempt(id)
            with self._lock:
                self._attempts[id] = attempt
            self._pool.submit(self._execute, attempt, message)
        elif kind == "cancel":
            self._cancel(id, message.get("error"))
        return kind != "shutdown"

    def _cancel(self, id: str, error: Any) -> None:
        with self._lock:
            attempt = self._attempts.get(id)
        if attempt is not None:
            attempt.reason[:] = [str(error["message"])] if isinstance(error, dict) and "message" in error else []
            attempt.cancelled.set()

    def _validate(self, id: str, input: Any) -> None:
        problems: List[str]
        try:
            problems = list(self._task.validate(input)) if self._task.validate is not None else []
        except Exception as error:
            traceback.print_exc()
            problems = [f"validate() itself failed: {_headline(error)}"]
        self._send({"type": "validated", "id": id, "problems": problems})

    def _execute(self, attempt: Attempt, message: Dict[str, Any]) -> None:
        self._current.attempt = attempt
        answer: Dict[str, Json]
        trace = ""
        try:
            output = self._task.execute(self._context(attempt, message))
            answer = {"type": "result", "id": attempt.id, "output": output}
        except BaseException as error:  # Also SystemExit: a task that calls sys.exit() ends its attempt, not the process.
            # Why it was called off says more than how the work noticed.
            cause = Cancelled(*attempt.reason[:1]) if attempt.cancelled.is_set() else error
            if not isinstance(cause, TaskFailure):
                trace = _trace(error)
            answer = {"type": "failure", "id": attempt.id, **_failure_of(cause)}
        finally:
            self._current.attempt = None
        if attempt.printed:
            self._emit(attempt, {"kind": "log", "text": attempt.printed})
        if trace:
            self._emit(attempt, {"kind": "log", "text": trace, "stream": "stderr"})
        self._answer(attempt, answer)

    def _context(self, attempt: Attempt, message: Dict[str, Any]) -> Context:
        return Context(
            input=message["input"],
            run=message["run"],
            namespace=message["namespace"],
            task=message["task"],
            item=message["item"],
            attempt=message["attempt"],
            dir=message["dir"],
            base=message["base"],
            deadline=message.get("deadline"),
            traceparent=message.get("traceparent"),
            tracestate=message.get("tracestate"),
            cancelled=attempt.cancelled,
            request_id=message.get("requestId") or os.environ.get("MAESTRO_REQUEST_ID"),
            _token_socket=message.get("tokenSocket"),
            _emit=lambda event: self._emit(attempt, event),
            _reason=attempt.reason,
        )

    def print(self, text: str) -> bool:
        """Text for the log of the attempt that this thread works on; False where it works on none."""
        attempt: Optional[Attempt] = getattr(self._current, "attempt", None)
        if attempt is None:
            return False
        # print() writes words and line ends one by one; one event is one or more lines.
        lines, end, attempt.printed = (attempt.printed + text).rpartition("\n")
        if end:
            self._emit(attempt, {"kind": "log", "text": lines + end})
        return True

    def _emit(self, attempt: Attempt, event: Dict[str, Json]) -> None:
        with self._lock:
            # After its answer an attempt says nothing more; a stray thread must not cost the process.
            if self._attempts.get(attempt.id) is not attempt:
                return
            for part in _parts_of(event):
                self._send({"type": "emit", "id": attempt.id, "event": part})

    def _answer(self, attempt: Attempt, answer: Dict[str, Json]) -> None:
        with self._lock:
            del self._attempts[attempt.id]
            try:
                self._send(answer)
            except (TypeError, ValueError, RecursionError) as error:
                # An answer that is no JSON, or too large, is a failure that says so.
                error_object = {"code": "OUTPUT_INVALID", "message": f"The output cannot be sent: {error}"}
                self._send({"type": "failure", "id": attempt.id, "error": error_object})

    def _send(self, message: Dict[str, Any]) -> None:
        text = json.dumps(message, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        if len(text) > MAX_MESSAGE_BYTES:
            raise ValueError(
                f"a message has more than {MAX_MESSAGE_BYTES} bytes; write large results to a file and keep it as an artifact"
            )
        rest = memoryview(f"{text}\n".encode("ascii"))
        with self._lock:
            while rest:
                # A raw pipe may take a part only.
                rest = rest[self._output.write(rest) :]


class Printed(io.TextIOBase):
    """In the place of ``sys.stdout``: to the log of the attempt that prints, else to stderr."""

    def __init__(self, server: Server, fallback: TextIO) -> None:
        self._server = server
        self._fallback = fallback

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text and not self._server.print(text):
            self._fallback.write(text)
        return len(text)


def _parts_of(event: Dict[str, Json]) -> Iterable[Dict[str, Json]]:
    if event["kind"] != "log":
        return [event]
    # A lone surrogate is no text that JSON could carry.
    text = event["text"].encode("utf-8", "replace").decode("utf-8")
    return [{**event, "text": text[at : at + MAX_LOG_CHARACTERS]} for at in range(0, len(text), MAX_LOG_CHARACTERS)]


def _failure_of(error: BaseException) -> Dict[str, Json]:
    if not isinstance(error, TaskFailure):
        message = f"{_headline(error)}{_place(error)}. The attempt's log has the traceback."
        return {"error": {"code": "INTERNAL", "message": message}}
    said: Dict[str, Json] = {"code": error.code, "message": error.message[:MAX_ERROR_CHARACTERS] or "It gave no reason."}
    if error.final:
        said["final"] = True
    if error.details is not None:
        said["details"] = error.details
    return {"error": said, **({} if error.output is None else {"output": error.output})}


def _trace(error: BaseException) -> str:
    """Without the place in this file, where every traceback would begin."""
    own = error.__traceback__.tb_next if error.__traceback__ is not None else None
    return "".join(traceback.format_exception(type(error), error, own))


def _headline(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()[: MAX_ERROR_CHARACTERS // 2]


def _place(error: BaseException) -> str:
    """The innermost place that is neither the standard library's nor a package's."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if not frame.filename.startswith((*LIBRARIES, "<"))]
    return f", at {os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else ""

"""What a task is, and what it sees of an attempt."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Sequence

from ._failure import Json, TaskFailure
from ._token import WorkloadToken, workload_token

# What a task does to the world besides computing. Maestro's gate is asked for each before an attempt.
Effect = Literal["deploy", "network", "process", "secret", "spend", "write"]

Execute = Callable[["Context"], Json]
Validate = Callable[[Dict[str, Json]], Sequence[str]]

DEFAULT_CONCURRENCY = 8


class Cancelled(TaskFailure):
    """The attempt was called off. Raised by :meth:`Context.check`; let it rise."""

    def __init__(self, message: str = "the attempt was cancelled") -> None:
        super().__init__("CANCELLED", message)


@dataclass(frozen=True)
class Context:
    """One attempt, as a task sees it. Its methods may be called from any thread."""

    #: It fits the input schema.
    input: Dict[str, Json]
    run: str
    namespace: str
    task: str
    #: Of a fan-out, from 0; else -1.
    item: int
    #: From 1.
    attempt: int
    #: The attempt's own folder: absolute, empty, and gone some time after the run.
    dir: str
    #: What relative paths in inputs are meant from, absolute.
    base: str
    #: When it will be cancelled, in epoch milliseconds; None where the plan has no ``timeout.run``.
    deadline: Optional[float]
    #: The attempt's place in a trace, for the header or variable of that name; None where nothing is traced.
    traceparent: Optional[str]
    tracestate: Optional[str]
    #: Set on cancel, timeout and shutdown. Wait on it in the place of ``time.sleep``.
    cancelled: threading.Event
    _emit: Callable[[Dict[str, Json]], None] = field(repr=False)
    _reason: List[str] = field(default_factory=list, repr=False)
    #: The correlation id of the request that the run began with, for the header ``x-request-id``.
    request_id: Optional[str] = None
    _token_socket: Optional[str] = field(default=None, repr=False)

    def token(self, audience: str) -> WorkloadToken:
        """A token for one of the audiences that the task names under ``identity``; see :func:`workload_token`."""
        return workload_token(audience, self._token_socket)

    def check(self) -> None:
        """Raises :class:`Cancelled` if the attempt was called off. Long loops call it every now and then."""
        if self.cancelled.is_set():
            raise Cancelled(*self._reason[:1])

    def sleep(self, seconds: float) -> None:
        """Sleeps, and raises :class:`Cancelled` as soon as the attempt is called off."""
        self.cancelled.wait(seconds)
        self.check()

    def log(self, line: str) -> None:
        """A line of the attempt's log. What ``print`` prints in the task's thread goes there, too."""
        self._emit({"kind": "log", "text": f"{line}\n"})

    def progress(self, done: float, total: Optional[float] = None) -> None:
        """How far it is. Also a sign of life."""
        self._emit({"kind": "progress", "done": done, **({} if total is None else {"total": total})})

    def artifact(self, path: str, name: Optional[str] = None) -> None:
        """Keeps a file of ``dir`` when the attempt ends; its name is the path, unless given."""
        self._emit({"kind": "artifact", "path": path, **({} if name is None else {"name": name})})

    def usage(self, *, usd_micros: Optional[int] = None, tokens: Optional[int] = None) -> None:
        """Adds to what the run has used."""
        used = {"usdMicros": usd_micros, "tokens": tokens}
        self._emit({"kind": "usage", **{name: value for name, value in used.items() if value is not None}})

    def heartbeat(self) -> None:
        """A sign of life, for ``timeout.heartbeat``."""
        self._emit({"kind": "heartbeat"})


@dataclass(frozen=True)
class Task:
    """A task type, as ``serve`` takes it. Calling it calls the function, for tests."""

    description: Mapping[str, Json]
    execute: Execute
    validate: Optional[Validate]
    concurrency: int

    def __call__(self, context: Context) -> Json:
        return self.execute(context)


def define_task(
    execute: Execute,
    *,
    name: str,
    version: int,
    summary: str,
    input: Mapping[str, Json],
    output: Mapping[str, Json],
    effects: Sequence[Effect] = (),
    docs: Optional[str] = None,
    example: Optional[Mapping[str, Json]] = None,
    validate: Optional[Validate] = None,
    concurrency: int = DEFAULT_CONCURRENCY,
) -> Task:
    """A task type. ``input`` and ``output`` are JSON Schema 2020-12, which Maestro checks; ``validate`` tells what the
    schema cannot. ``concurrency`` is how many attempts one process works on at once, each in a thread."""
    description: Dict[str, Json] = {
        "name": name,
        "version": version,
        "summary": summary,
        "effects": list(effects),
        "input": dict(input),
        "output": dict(output),
    }
    if docs is not None:
        description["docs"] = docs
    if example is not None:
        description["example"] = dict(example)
    return Task(description, execute, validate, concurrency)


def task(
    *,
    name: str,
    version: int,
    summary: str,
    input: Mapping[str, Json],
    output: Mapping[str, Json],
    effects: Sequence[Effect] = (),
    docs: Optional[str] = None,
    example: Optional[Mapping[str, Json]] = None,
    validate: Optional[Validate] = None,
    concurrency: int = DEFAULT_CONCURRENCY,
) -> Callable[[Execute], Task]:
    """``define_task`` as a decorator. Without ``docs`` the function's docstring is the documentation."""

    def decorate(execute: Execute) -> Task:
        return define_task(
            execute,
            name=name,
            version=version,
            summary=summary,
            input=input,
            output=output,
            effects=effects,
            docs=inspect.getdoc(execute) if docs is None else docs,
            example=example,
            validate=validate,
            concurrency=concurrency,
        )

    return decorate

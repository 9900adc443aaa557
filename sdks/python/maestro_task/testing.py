"""For tests of tasks: an attempt without Maestro."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Mapping, Optional

from ._task import Context, Json


def attempt(
    input: Mapping[str, Json],
    *,
    events: Optional[List[Dict[str, Json]]] = None,
    dir: str = "",
    base: str = "",
    cancelled: bool = False,
    **more: Any,
) -> Context:
    """What a task is called with. What it reports is appended to ``events``; ``more`` are other fields of a context."""
    recorded = [] if events is None else events
    called_off = threading.Event()
    if cancelled:
        called_off.set()
    fields: Dict[str, Any] = {
        "run": "r_test",
        "namespace": "test",
        "task": "test",
        "item": -1,
        "attempt": 1,
        "deadline": None,
        "traceparent": None,
        "tracestate": None,
        **more,
    }
    return Context(input=dict(input), dir=dir, base=base, cancelled=called_off, _emit=recorded.append, **fields)

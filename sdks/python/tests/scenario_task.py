"""The task of sdks/scenarios.json."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from maestro_task import Context, Json, TaskFailure, define_task, serve  # noqa: E402

_poke: List[Any] = []


def execute(context: Context) -> Json:
    do = context.input["do"]
    value: Json = None
    if do == "echo":
        value = context.input.get("value")
    elif do == "context":
        c = context
        value = [c.run, c.namespace, c.task, c.item, c.attempt, c.dir, c.base, c.deadline, c.traceparent, c.tracestate]
    elif do == "report":
        context.log("a line")
        context.progress(1, 2)
        context.progress(2)
        context.usage(usd_micros=5, tokens=7)
        context.heartbeat()
        context.artifact("a.txt")
        context.artifact("b.txt", "c.txt")
    elif do == "print":
        print("printed by the task")
    elif do == "fail":
        raise TaskFailure("NO_LUCK", "not today", final=True, details={"why": 1}, output={"seen": 2})
    elif do == "crash":
        raise ValueError("the task broke")
    elif do == "wait":
        context.heartbeat()
        while True:
            context.sleep(60)
    elif do == "stray":
        _poke.append(context.heartbeat)
    elif do == "poke":
        thread = threading.Thread(target=_poke.pop())
        thread.start()
        thread.join()
        value = "poked"
    elif do == "unsendable":
        value = {1, 2}
    elif do == "slow":
        time.sleep(0.02)
        value = "slow"
    return {"value": value}


def validate(input: Dict[str, Json]) -> List[str]:
    return ["do: it is not valid", "and it is late"] if input["do"] == "invalid" else []


scenario = define_task(
    execute,
    name="scenario",
    version=2,
    summary="Does what its input says",
    effects=["network", "write"],
    input={"type": "object", "properties": {"do": {"type": "string"}, "value": {}}, "required": ["do"]},
    output={"type": "object", "properties": {"value": {}}, "required": ["value"]},
    example={"do": "echo", "value": 1},
    validate=validate,
)

if __name__ == "__main__":
    serve(scenario)

"""What a task looks like to its author, without a process."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from maestro_task import (  # noqa: E402
    NOTIFICATION_SCHEMA,
    Cancelled,
    Context,
    TaskFailure,
    define_task,
    serve,
    task,
)
from maestro_task.testing import attempt  # noqa: E402

ANYTHING: Dict[str, Any] = {"type": "object"}
ROOT = Path(__file__).resolve().parent.parent


def speak(served: Any, *messages: Dict[str, Any]) -> List[Dict[str, Any]]:
    out = io.BytesIO()
    serve(served, io.BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in messages)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


EXECUTE = {"type": "execute", "id": "a1", "input": {}, "run": "r", "namespace": "n", "task": "t", "item": -1,
           "attempt": 1, "dir": "/d", "base": "/b"}  # fmt: skip


class TaskTest(unittest.TestCase):
    def test_the_decorator_describes_the_function(self) -> None:
        @task(name="double", version=1, summary="Doubles", input=ANYTHING, output=ANYTHING)
        def double(context: Context) -> Dict[str, int]:
            """Twice as much."""
            return {"n": context.input["n"] * 2}

        self.assertEqual(double(attempt({"n": 2})), {"n": 4})
        self.assertEqual(double.description["docs"], "Twice as much.")
        self.assertEqual(double.description["effects"], [])

    def test_a_context_reports(self) -> None:
        events: List[Any] = []
        context = attempt({}, events=events)
        context.log("hello")
        context.usage(tokens=3)
        context.progress(0.5)
        self.assertEqual(
            events,
            [{"kind": "log", "text": "hello\n"}, {"kind": "usage", "tokens": 3}, {"kind": "progress", "done": 0.5}],
        )

    def test_a_cancelled_attempt_stops_where_it_looks(self) -> None:
        attempt({}).check()
        with self.assertRaisesRegex(Cancelled, "too late"):
            attempt({}, cancelled=True, _reason=["too late"]).sleep(60)

    def test_an_exit_ends_the_attempt_and_not_the_process(self) -> None:
        def leave(_: Context) -> None:
            sys.exit(3)

        served = define_task(leave, name="leave", version=1, summary="Leaves", input=ANYTHING, output={})
        [trace, failure] = speak(served, EXECUTE)
        self.assertEqual((trace["event"]["stream"], failure["type"]), ("stderr", "failure"))
        self.assertEqual(failure["error"]["code"], "INTERNAL")

    def test_what_the_task_did_not_foresee_says_what_and_where_and_the_log_has_the_traceback(self) -> None:
        def crash(_: Context) -> None:
            print("before")
            json.loads("{")

        served = define_task(crash, name="crash", version=1, summary="Crashes", input=ANYTHING, output={})
        out = io.BytesIO()
        serve(served, io.BytesIO(json.dumps(EXECUTE).encode()), out)
        [trace, failure] = [json.loads(line) for line in out.getvalue().splitlines()]
        self.assertRegex(
            failure["error"]["message"],
            r"^json\.decoder\.JSONDecodeError: Expecting .*, at test_task\.py:\d+\. The attempt's log has the traceback\.$",
        )
        self.assertRegex(trace["event"]["text"], r"(?s)^Traceback .*in crash.*JSONDecodeError.*\n$")

    def test_an_argument_that_there_is_not_is_an_error_at_once(self) -> None:
        with self.assertRaisesRegex(TypeError, "outptu"):
            task(name="a", version=1, summary="A", input=ANYTHING, outptu={})  # type: ignore[call-arg]

    def test_the_notification_is_the_one_that_is_published(self) -> None:
        published = json.loads((ROOT.parent.parent / "spec" / "notification-v1.schema.json").read_text("utf-8"))
        for name in ("$schema", "title", "description"):
            del published[name]
        self.assertEqual(NOTIFICATION_SCHEMA, published)

    def test_the_syntax_is_that_of_python_3_9(self) -> None:
        files = sorted(ROOT.glob("**/*.py"))
        self.assertGreater(len(files), 6)
        for file in files:
            ast.parse(file.read_text("utf-8"), str(file), feature_version=(3, 9))

    def test_what_is_too_large_or_no_number_is_a_failure(self) -> None:
        values: List[Any] = ["x" * (18 << 20), float("nan")]
        served = define_task(lambda _: values.pop(), name="a", version=1, summary="A", input=ANYTHING, output={})
        while values:
            [failure] = speak(served, EXECUTE)
            self.assertEqual(failure["error"]["code"], "OUTPUT_INVALID")

    def test_a_lone_surrogate_is_replaced_in_logs(self) -> None:
        def say(context: Context) -> None:
            context.log("\ud800")

        served = define_task(say, name="a", version=1, summary="A", input=ANYTHING, output={})
        self.assertEqual(speak(served, EXECUTE)[0]["event"]["text"], "?\n")

    def test_failures_carry_what_they_know(self) -> None:
        failure = TaskFailure("CODE", "words", final=True, details=[1], output={"a": 1})
        self.assertEqual((failure.code, str(failure), failure.final, failure.details), ("CODE", "words", True, [1]))

    def test_what_child_processes_print_stays_out_of_the_protocol(self) -> None:
        program = (
            "import os; from maestro_task import *\n"
            "def run(_): os.system('echo from a child'); return None\n"
            "serve(define_task(run, name='a', version=1, summary='A', input={'type': 'object'}, output={}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(EXECUTE).encode() + b"\n",
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
            check=True,
        )
        self.assertEqual(json.loads(done.stdout), {"type": "result", "id": "a1", "output": None})
        self.assertEqual(done.stderr, b"from a child\n")


if __name__ == "__main__":
    unittest.main()

"""Write task types for Summit Maestro in Python.

    from maestro_task import Context, serve, task

    @task(
        name="greet", version=1, summary="Greets someone",
        input={"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]},
        output={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        example={"who": "Ada"},
    )
    def greet(context: Context) -> dict[str, str]:
        return {"text": f"Hello, {context.input['who']}"}

    if __name__ == "__main__":
        serve(greet)
"""

from ._notification import NOTIFICATION_SCHEMA
from ._serve import serve
from ._task import Cancelled, Context, Effect, Json, Task, TaskFailure, define_task, task
from ._token import WorkloadToken, workload_token

__all__ = [
    "NOTIFICATION_SCHEMA",
    "Cancelled",
    "Context",
    "Effect",
    "Json",
    "Task",
    "TaskFailure",
    "WorkloadToken",
    "define_task",
    "serve",
    "task",
    "workload_token",
]
__version__ = "0.1.0"

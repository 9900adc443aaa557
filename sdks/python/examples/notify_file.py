#!/usr/bin/env python3
"""A notifier of one's own: it takes what notify@1 takes, and appends a line to a file."""

import os
from typing import Dict

from maestro_task import NOTIFICATION_SCHEMA, Context, serve, task


@task(
    name="notify-file-py",
    version=1,
    summary="Appends a notification to a file",
    effects=["write"],
    input={
        "type": "object",
        "properties": {
            "file": {"type": "string", "minLength": 1, "description": "The file; made if it is missing."},
            "notification": NOTIFICATION_SCHEMA,
        },
        "required": ["file", "notification"],
        "additionalProperties": False,
    },
    output={"type": "object", "properties": {"bytes": {"type": "integer"}}, "required": ["bytes"]},
    example={"file": "/dev/null", "notification": {"title": "shop 1.4.0 is live", "severity": "success"}},
)
def notify_file(context: Context) -> Dict[str, int]:
    notification = context.input["notification"]
    facts = "".join(f" {field['name']}={field['value']}" for field in notification.get("fields", []))
    line = f"{notification.get('severity', 'info').upper()} {notification['title']}{facts}\n"
    with open(os.path.join(context.base, context.input["file"]), "a", encoding="utf-8") as file:
        file.write(line)
    return {"bytes": len(line.encode())}


if __name__ == "__main__":
    serve(notify_file)

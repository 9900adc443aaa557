#!/usr/bin/env python3
"""Counts the words of a text file: ``maestro task add word_count.py``."""

import collections
import json
import os
import re
from typing import Any, Dict

from maestro_task import Context, TaskFailure, serve, task


@task(
    name="word-count-py",
    version=1,
    summary="Counts the words of a text file",
    input={
        "type": "object",
        "properties": {
            "file": {"type": "string", "description": "The file; relative to the folder the run was started in."},
            "top": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
        },
        "required": ["file"],
        "additionalProperties": False,
    },
    output={
        "type": "object",
        "properties": {"words": {"type": "integer"}, "top": {"type": "array", "items": {"type": "string"}}},
        "required": ["words", "top"],
    },
    example={"file": "/etc/os-release"},
)
def word_count(context: Context) -> Dict[str, Any]:
    """Reads a file and tells how many words it has and which occur most. Keeps all counts as `words.json`."""
    path = os.path.join(context.base, context.input["file"])
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise TaskFailure("UNREADABLE", f"{path} could not be read: {error.strerror}", final=True) from error
    counts = collections.Counter(re.findall(r"[^\W\d_]+", text.lower()))
    print(len(counts), "different words")
    with open(os.path.join(context.dir, "words.json"), "w", encoding="utf-8") as file:
        json.dump(counts, file)
    context.artifact("words.json")
    top = sorted(counts, key=lambda word: (-counts[word], word))
    return {"words": sum(counts.values()), "top": top[: context.input.get("top", 3)]}


if __name__ == "__main__":
    serve(word_count)

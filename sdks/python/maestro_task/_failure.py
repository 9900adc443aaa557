"""How a task fails."""

from __future__ import annotations

from typing import Any

# Any JSON value. It is not spelt out: a recursive alias needs a newer Python than 3.9.
Json = Any


class TaskFailure(Exception):
    """How a task says that it failed.

    ``code`` is what ``retry.on`` in a runbook reads: upper case letters, digits and ``_``. ``final`` says that trying
    again cannot help, ``details`` are particulars for expressions, ``output`` is something worth keeping all the same.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        final: bool = False,
        details: Json = None,
        output: Json = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.final = final
        self.details = details
        self.output = output

"""The scenarios that all SDKs share. Run with `pytest`, or with `python3 -m unittest discover -s tests`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List, Mapping

HERE = Path(__file__).resolve().parent
SCENARIOS = json.loads((HERE.parent.parent / "scenarios.json").read_text("utf-8"))["scenarios"]
PATIENCE = 60


class ScenarioTest(unittest.TestCase):
    def play(self, steps: List[Dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
            [sys.executable, str(HERE / "scenario_task.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as program:
            assert program.stdin is not None and program.stdout is not None
            for step in json.loads(json.dumps(steps).replace("$DIR", folder)):
                if "send" in step:
                    program.stdin.write(json.dumps(step["send"]).encode() + b"\n")
                    program.stdin.flush()
                else:
                    self.holds(json.loads(program.stdout.readline()), step["expect"])
            self.assertEqual(program.stdout.read(), b"", "it says nothing more")
            self.assertEqual(program.wait(PATIENCE), 0)

    def holds(self, found: Any, expected: Any) -> None:
        if isinstance(expected, Mapping):
            self.assertIsInstance(found, Mapping)
            for name, value in expected.items():
                self.assertIn(name, found, found)
                self.holds(found[name], value)
        else:
            self.assertEqual(found, expected)


def _test_of(scenario: Dict[str, Any]) -> Any:
    return lambda self: self.play(scenario["steps"])


for _number, _scenario in enumerate(SCENARIOS, 1):
    _name = "".join(letter if letter.isalnum() else "_" for letter in _scenario["name"])
    setattr(ScenarioTest, f"test_{_number:02}_{_name}", _test_of(_scenario))

if __name__ == "__main__":
    unittest.main()

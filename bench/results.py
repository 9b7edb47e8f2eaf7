"""What was measured, in a file that is written anew after each measurement: a run that is ended leaves what it has."""

import json
from dataclasses import asdict
from pathlib import Path

from bench.measurement import Measurement


class Results:
    """Measurements and the notes on them, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: dict[str, str] = {}
        self.measurements: list[Measurement] = []

    def add(self, measurement: Measurement) -> None:
        """Keep one more."""
        self.measurements.append(measurement)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"notes": self.notes, "measurements": [asdict(each) for each in self.measurements]}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(kept, indent=1) + "\n")
        fresh.replace(self._path)

    def read(self) -> None:
        """Take what the file has. Raises OSError if there is none."""
        kept = json.loads(self._path.read_text())
        self.notes = kept["notes"]
        self.measurements = [Measurement(**each) for each in kept["measurements"]]

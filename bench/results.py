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
        self.write(self._path)

    def write(self, path: Path) -> None:
        """Put all of it into a file, a line each."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(asdict(each)) for each in self.measurements)
        fresh = path.with_suffix(".new")
        fresh.write_text(f'{{"notes": {json.dumps(self.notes, indent=1)},\n"measurements": [\n{lines}\n]}}\n')
        fresh.replace(path)

    def read(self) -> None:
        """Take what the file has. Raises OSError if there is none."""
        kept = json.loads(self._path.read_text())
        self.notes = kept["notes"]
        self.measurements = [Measurement(**each) for each in kept["measurements"]]

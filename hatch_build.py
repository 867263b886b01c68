"""Puts ``medpipe_telemetry.pth`` into every installation of medpipe, editable ones too.

A .pth file's import line is run by each Python that starts in the environment; see
`medpipe/telemetry.py` for why that is wanted.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TelemetryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the one file, next to the packages."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file where hatchling can take it from, and name its place in the wheel."""
        source = Path(self.directory) / "medpipe_telemetry.pth"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("import medpipe.telemetry\n", encoding="utf-8")
        included = {str(source): source.name}
        build_data["force_include"].update(included)
        build_data["force_include_editable"].update(included)

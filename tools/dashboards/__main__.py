"""Write deploy/grafana/dashboards, and its sections of docs/reference/dashboards.md, anew."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tools.dashboards.all import DASHBOARDS
from tools.dashboards.grafana import written
from tools.dashboards.page import with_sections

ROOT: Final = Path(__file__).parents[2]
TARGET: Final = ROOT / "deploy" / "grafana" / "dashboards"
PAGE: Final = ROOT / "docs" / "reference" / "dashboards.md"


def main() -> int:
    """Write each file, and remove those of dashboards that are no more."""
    TARGET.mkdir(parents=True, exist_ok=True)
    texts = {f"{dashboard.name}.json": written(dashboard) for dashboard in DASHBOARDS}
    for stale in {file.name for file in TARGET.glob("*.json")} - texts.keys():
        (TARGET / stale).unlink()
    for name, text in texts.items():
        (TARGET / name).write_text(text, encoding="utf-8")
        print(f"deploy/grafana/dashboards/{name}")
    PAGE.write_text(with_sections(PAGE.read_text(encoding="utf-8"), DASHBOARDS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

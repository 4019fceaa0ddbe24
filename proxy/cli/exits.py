"""Exit codes: scripts rely on them."""

from __future__ import annotations

from typing import Final

OK: Final = 0
"""Fine; for `explain`: the vendor would permit it."""
UNEXPECTED: Final = 1
"""Something failed that is no mistake of the caller's: an address in use, a bug, a tour whose answers are not the promised ones."""
USAGE: Final = 2
"""The command line is wrong (click exits with this)."""
DENIED: Final = 3
"""`explain`: the vendor would refuse it; `report least-privilege --fail-on-unused`: something granted is unused;
`report readiness --fail-on-not-ready`: something is not ready."""
INVALID: Final = 4
"""A configuration or catalogue is invalid."""
UNDECIDED: Final = 5
"""`explain` cannot tell: too little is known, or the catalogue has no such operation."""

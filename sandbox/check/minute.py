"""Who opened the tenant's query of this minute, as far as this machine can know."""

import json
import os
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

MINUTE_S = 61.0
_STALE_S = 3600.0


class Minute:
    """Remembers when this tool last opened a query of a tenant, in a small file of the user.

    The file holds a hash of each tenant's address and a time. `state` is the state of a connector on the same tenant.
    """

    def __init__(self, api_base_url: str, state: Path | None = None) -> None:
        self._key = blake2b(api_base_url.encode(), digest_size=8).hexdigest()
        self._state = state
        folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self._file = Path(folder) / "cyberark-for-sekoia" / "queries.json"

    def note(self) -> None:
        """A query was opened now. Where nothing can be stored, nothing is remembered."""
        now = time.time()
        kept = {key: at for key, at in self._noted().items() if 0 <= now - at < _STALE_S}
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps({**kept, self._key: now}), encoding="utf-8")

    def own_s(self) -> float | None:
        """How many seconds ago this tool opened a query of the tenant; None: not within the last minute."""
        return _within_minute(self._noted().get(self._key))

    def connector_s(self) -> float | None:
        """The same of the connector whose state was given, as far as its state tells."""
        if self._state is None:
            return None
        try:
            queried_ms = json.loads(self._state.read_bytes())["collection"]["queried_ms"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return _within_minute(queried_ms / 1000) if isinstance(queried_ms, int) else None

    def _noted(self) -> dict[str, float]:
        try:
            noted = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(noted, dict):
            return {}
        return {key: float(at) for key, at in noted.items() if isinstance(at, int | float)}


def _within_minute(at: float | None) -> float | None:
    ago_s = MINUTE_S if at is None else time.time() - at
    return ago_s if 0 <= ago_s < MINUTE_S else None

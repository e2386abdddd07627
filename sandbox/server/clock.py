"""The sandbox's clock."""

import time


class SandboxClock:
    """Epoch seconds that advance evenly, whatever happens to the machine's wall clock.

    `offset` (seconds) moves it, which makes the tenant live at another date than the machine.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset
        self._origin = time.time() - time.monotonic()

    def __call__(self) -> float:
        return self._origin + time.monotonic() + self.offset

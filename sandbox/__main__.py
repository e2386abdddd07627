"""`python -m sandbox`: a tenant and a platform that stand alone until interrupted."""

import signal
import sys
import tempfile
import time
from pathlib import Path

from sandbox.demo.options import (
    Parser,
    add_options,
    check_options,
    describe_faults,
    fill,
    how_to_look,
    open_sandbox,
)
from sandbox.demo.view import summary_line
from sandbox.readings import describe_readings


def main() -> int:
    parser = Parser(prog="python -m sandbox", description=__doc__)
    add_options(parser, eps=5.0)
    options = parser.parse_args()
    check_options(parser, options)
    if options.list_faults or options.list_readings:
        print(describe_faults() if options.list_faults else describe_readings())
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="cyberark-state-") as directory, open_sandbox(options) as sandbox:
        fill(sandbox, options)
        try:
            print(how_to_look(sandbox, sandbox.environment_variables(Path(directory) / "state")))
            print("\nPress Ctrl+C to end.", flush=True)
            while True:
                time.sleep(10)
                sandbox.tenant.catch_up()
                print(summary_line(sandbox.ledger.snapshot()), flush=True)
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`./dev check`: what a person sees."""

import logging
import os
import sys
from collections.abc import Mapping

from tools.check.options import VARIABLES, parse


def main(arguments: list[str], variables: Mapping[str, str]) -> int:
    options = parse(arguments)
    # Here, so that `--help` needs no package.
    from cyberark_modules.diagnosis import diagnose
    from cyberark_modules.errors import CyberArkError
    from tools.check.checks import Checks, Screen
    from tools.check.profile import Profile
    from tools.check.values import Unusable, ask_in_terminal, gather

    logging.getLogger().addHandler(logging.NullHandler())  # the lines of the libraries are not for this screen
    screen = Screen()
    given = {name: variables[variable] for name, variable in VARIABLES.items() if variable in variables}
    try:
        values = gather(given, ask_in_terminal if sys.stdin.isatty() else None, screen.say)
        if options.profile:
            screen.say(INTRODUCTION.format(options.minutes))
            profile = Profile(values, screen, options.minutes * 60.0)
            try:
                profile.run()
            finally:  # what was seen before an interrupt or a failure counts too
                screen.say(f"\n{profile.report()}")
            return 0
        outcomes = Checks(values, screen, send=options.send).run()
    except Unusable as error:
        screen.say(f"./dev check: {error}")
        return 2
    except CyberArkError as error:
        screen.outcome("FAILED", "Profile", diagnose(error.failure).text(error.failure))
        return 1
    except KeyboardInterrupt:
        screen.say("\nInterrupted.")
        return 130
    if "FAILED" in outcomes:
        screen.say("\nA check failed: correct it as it says, then check again.")
        return 1
    screen.say("\nNo check failed; not all were run." if "SKIPPED" in outcomes else "\nAll checks passed.")
    return 3 if "SKIPPED" in outcomes else 0


INTRODUCTION = """\
Observing CyberArk Audit for {} minutes. Nothing is sent to Sekoia. The profile uses every query that the tenant
accepts, so a connector on this tenant is delayed. Ctrl+C ends it early.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

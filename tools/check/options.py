"""The command line of `./dev check`. Imports the standard library only, so that `--help` needs nothing else."""

import argparse

VARIABLES = {
    "auth_base_url": "CYBERARK_AUTH_BASE_URL",
    "application_id": "CYBERARK_APPLICATION_ID",
    "login_name": "CYBERARK_LOGIN_NAME",
    "password": "CYBERARK_PASSWORD",
    "api_base_url": "CYBERARK_API_BASE_URL",
    "api_key": "CYBERARK_API_KEY",
    "intake_key": "SEKOIA_INTAKE_KEY",
    "intake_server": "SEKOIA_INTAKE_SERVER",
}
# Never echoed, and never shown.
SECRETS = {"password", "api_key", "intake_key"}
EPILOG = f"""\
values come from environment variables; the command asks for what is not set:
  {" ".join(list(VARIABLES.values())[:4])}
  {" ".join(list(VARIABLES.values())[4:])}

exit codes:
  0    all checks passed
  1    a check failed
  2    the command line or a value cannot be used
  3    what was checked is OK, but something was skipped
  130  interrupted"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options. Exit with code 2 when they cannot be used."""
    parser = argparse.ArgumentParser(
        "./dev check",
        description="Try the credentials of a tenant before you create anything in Sekoia: addresses, token, query,\n"
        "page, intake.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--send", action="store_true", help="send one test event, marked as such, to the intake")
    parser.add_argument(
        "--profile", action="store_true", help="observe the Audit API for some minutes, and print the observations"
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=10, metavar="N", help="with --profile: 2 to 60 (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def _minutes(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= 60:
        raise argparse.ArgumentTypeError("a whole number from 2 to 60 is needed")
    return int(text)

"""Faults of the token service."""

from sandbox.faults.fault import Changed, Down, Fault, FaultType, Mixed, Refusing, Stage
from sandbox.http import Request, Response, html_response


class _ShortTokens(Changed):
    """Counts the tokens given."""

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        self._acted += endpoint == "token" and response.status == 200
        return response


def _token_revoked(stage: Stage, seconds: float) -> Fault:
    return Refusing(stage, seconds, stage.tenant.revoke_tokens, 401, at_once=False)


def _token_expiring(stage: Stage, seconds: float) -> Fault:
    return _ShortTokens(stage.tenant.identity_settings, token_lifetime=seconds)


def _token_down(stage: Stage, seconds: float) -> Fault:
    return Down(stage, {"token"}, seconds, lambda: html_response("503 Service Unavailable", 503))


def _token(stage: Stage, seconds: float) -> Fault:
    return Mixed(_token_expiring(stage, 2 * seconds), _token_revoked(stage, seconds), _token_down(stage, seconds / 2))


TOKEN_FAULTS = (
    FaultType(
        "token", "tokens are revoked or expire early, and the token service fails", 20, "seconds between", _token
    ),
    FaultType(
        "token-revoked",
        "every token is repeatedly revoked",
        20,
        "seconds between",
        _token_revoked,
        counted="refused tokens",
    ),
    FaultType(
        "token-expiring",
        "tokens expire early",
        30,
        "seconds of lifetime",
        _token_expiring,
        counted="short-lived tokens",
    ),
    FaultType("token-down", "the token service answers 503", 30, "seconds of each minute", _token_down),
)

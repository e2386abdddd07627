"""CyberArk Identity: the token endpoint of an OAuth2 Server web app."""

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from sandbox.world.messages import Request, Response, html_response, json_response
from sandbox.world.settings import AUDIENCE, SCOPE, IdentitySettings


@dataclass(frozen=True)
class _Token:
    issued_at: float
    expires_at: float
    is_accepted: bool


class Identity:
    """Issues tokens, and knows which of them the Audit API accepts."""

    def __init__(self, settings: IdentitySettings, tenant_id: str, now: Callable[[], float]) -> None:
        self.settings = settings
        self._tenant_id = tenant_id
        self._now = now
        self._tokens: dict[str, _Token] = {}

    def answer(self, request: Request) -> Response:
        """Answer a request as the token endpoint does."""
        parts = request.path.strip("/").split("/")
        if [part.lower() for part in parts[:2]] != ["oauth2", "token"] or len(parts) != 3:
            return html_response("404 - File or directory not found.", 404)
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        return self._refusal(unquote(parts[2]), form, request) or self._grant()

    def accepts(self, token: str, issued_by: float) -> bool:
        """Return whether the Audit API accepts this token now, if it was issued by that time (epoch s)."""
        known = self._tokens.get(token)
        return (
            known is not None and known.is_accepted and self._now() < known.expires_at and known.issued_at <= issued_by
        )

    def issued_tokens(self) -> list[str]:
        return list(self._tokens)

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    def _refusal(self, application_id: str, form: dict[str, str], request: Request) -> Response | None:
        settings = self.settings
        if application_id != settings.application_id:
            return _error(400, "invalid_request", f"unknown app {application_id}")
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type", "grant type is not supported")
        if not settings.client_credentials_ticked:
            return _error(400, "invalid_grant", "invalid grant type")
        login_name, password = _basic_credentials(request) or (form.get("client_id"), form.get("client_secret"))
        if login_name is None or "@" not in login_name:
            return _error(400, "invalid_client", "client is unknown or is not allowed to use this grant")
        right = login_name.lower() == settings.login_name.lower() and password == settings.password
        if not right or settings.password_expired:
            return _error(401, "access_denied", "invalid client creds or client not allowed")
        if set(form.get("scope", "").split()) != {SCOPE}:
            return _error(400, "invalid_scope", "requested scope is not allowed")
        return None

    def _grant(self) -> Response:
        now, settings = self._now(), self.settings
        claims = {"scope": SCOPE, "aud": AUDIENCE, "tenant_id": self._tenant_id}
        named = {name: value for name, value in claims.items() if name in settings.claims}
        token = self._jwt(named, now)
        self._tokens[token] = _Token(now, now + settings.token_lifetime_s, is_accepted=named == claims)
        lifetime = int(settings.token_lifetime_s)
        return json_response({"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "scope": SCOPE})

    def _jwt(self, named: dict[str, str], now: float) -> str:
        """Return a token of the right form. Nobody but the Audit API verifies its signature, which is random."""
        clock = now + self.settings.clock_ahead_s
        claims = {
            **named,
            "iss": "https://sandbox.id.cyberark.cloud/",
            "sub": self.settings.login_name,
            "iat": int(clock),
            "exp": int(clock + self.settings.token_lifetime_s),
            "jti": secrets.token_hex(8),
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "sandbox", "typ": "JWT"}, claims)]
        return ".".join(_base64url(part) for part in (*parts, secrets.token_bytes(256)))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _basic_credentials(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login_name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return login_name, password


def _error(status: int, error: str, description: str) -> Response:
    return json_response({"error": error, "error_description": description}, status)

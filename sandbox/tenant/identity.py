"""CyberArk Identity: the token endpoint of an OAuth2 Server web app."""

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, unquote

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from sandbox.http import Request, Response, html_response, json_response
from sandbox.tenant.settings import AUDIENCE, SCOPE, IdentitySettings


@dataclass(frozen=True)
class _Token:
    expires_at: float
    complete: bool


class Identity:
    """Issues tokens, and knows which of them the Audit API takes."""

    def __init__(self, settings: IdentitySettings, tenant_id: str, now: Callable[[], float]) -> None:
        self.settings = settings
        self._tenant_id = tenant_id
        self._now = now
        self._tokens: dict[str, _Token] = {}

    def answer(self, request: Request) -> Response:
        parts = request.path.strip("/").split("/")
        if [part.lower() for part in parts[:2]] != ["oauth2", "token"] or len(parts) != 3:
            return html_response("404 - File or directory not found.", 404)
        if request.method != "POST":
            return _error(405, "invalid_request", "method not allowed")
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        return self._refusal(unquote(parts[2]), form, request) or self._grant()

    def accepts(self, token: str) -> bool:
        """Whether the Audit API takes this token now."""
        known = self._tokens.get(token)
        return known is not None and known.complete and self._now() < known.expires_at

    def issued_tokens(self) -> list[str]:
        """Every token that was issued and not revoked."""
        return list(self._tokens)

    def revoke_tokens(self) -> None:
        """Every token issued until now is refused from now on."""
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
        if login_name is None or "@" not in login_name or not settings.confidential_client:
            return _error(400, "invalid_client", "client is unknown or is not allowed to use this grant")
        if login_name.lower() != settings.login_name.lower() or password != settings.password:
            return _error(401, "access_denied", "invalid client creds or client not allowed")
        if not settings.permission:
            return _error(403, "access_denied", "user is not authorized to use this application")
        if not settings.scope_declared or set(form.get("scope", "").split()) != {SCOPE}:
            return _error(400, "invalid_scope", "requested scope is not allowed")
        return None

    def _grant(self) -> Response:
        now, lifetime = self._now(), self.settings.token_lifetime
        claims = {
            "scope": SCOPE,
            "aud": AUDIENCE,
            "tenant_id": self._tenant_id,
        }
        named = {name: value for name, value in claims.items() if name in self.settings.claims}
        opaque = self.settings.token_type == "opaque"
        token = secrets.token_urlsafe(48) if opaque else self._signed(named, now, lifetime)
        self._tokens[token] = _Token(now + lifetime, complete=not opaque and len(named) == len(claims))
        return json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime), "scope": SCOPE}
        )

    def _signed(self, named: dict[str, str], now: float, lifetime: float) -> str:
        header = {"alg": "RS256", "kid": "sandbox", "typ": "JWT"}
        claims = {
            **named,
            "iss": "https://sandbox.id.cyberark.cloud/",
            "sub": self.settings.login_name,
            "iat": int(now),
            "exp": int(now + lifetime),
            "jti": secrets.token_hex(8),
        }
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = _signing_key().sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return f"{signed}.{_base64url(signature)}"


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


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

"""AWS Signature Version 4: whether a request was signed with a known key pair, and if not, what AWS would say."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from outlive.testing.scripted_model.answers import Refusal
from outlive.testing.scripted_model.http import HttpRequest

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=(?P<id>[^/ ]+)/(?P<day>\d{{8}})/(?P<region>[^/ ]+)/(?P<service>[^/ ]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^, ]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class AwsKey:
    """A key pair that may call the model; with a session token where it is a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """The `Authorization` header of a signed request, taken apart."""

    access_key_id: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str

    @property
    def scope(self) -> str:
        """For which day, region and service the request was signed."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


def read_signature(headers: Mapping[str, str]) -> Signature | None:
    """The request's signature; None when it has none."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        return None
    signed = tuple(found["headers"].split(";"))
    return Signature(found["id"], found["day"], found["region"], found["service"], signed, found["signature"])


def check_signature(request: HttpRequest, keys: Iterable[AwsKey], *, service: str) -> Refusal | None:
    """Why AWS would turn the request away; None when one of `keys` signed it for `service`.

    The age of a signature is not checked: a test may stop the clock.
    """
    signature = read_signature(request.headers)
    if signature is None:
        return Refusal(403, "Missing Authentication Token", named="MissingAuthenticationTokenException")
    key = next((key for key in keys if key.access_key_id == signature.access_key_id), None)
    if key is None or request.headers.get("x-amz-security-token") != key.session_token:
        message = "The security token included in the request is invalid."
        return Refusal(403, message, named="UnrecognizedClientException")
    if signature.service != service:
        return _mismatch(f"Credential should be scoped to correct service: '{service}'.")
    if not hmac.compare_digest(sign(request, key, signature), signature.value):
        return _mismatch(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    return None


def _mismatch(message: str) -> Refusal:
    return Refusal(403, message, named="InvalidSignatureException")


def sign(request: HttpRequest, key: AwsKey, signature: Signature) -> str:
    """The signature that `key` gives to the request in the scope of `signature`, over the same headers."""
    date = request.headers.get("x-amz-date", "")
    digest = hashlib.sha256(_canonical(request, signature.headers).encode()).hexdigest()
    to_sign = f"{_ALGORITHM}\n{date}\n{signature.scope}\n{digest}"
    secret = f"AWS4{key.secret_access_key}".encode()
    for part in (signature.day, signature.region, signature.service, "aws4_request"):
        secret = _hmac(secret, part)
    return _hmac(secret, to_sign).hex()


def _canonical(request: HttpRequest, names: tuple[str, ...]) -> str:
    """The request as it is signed; the path is encoded once more than it was sent."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in request.query.items())
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names]
    return "\n".join(
        [
            request.method,
            quote(request.path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(headers),
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()

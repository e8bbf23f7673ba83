"""Bedrock's inference profiles: the ids under which a region offers the models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from outlive.testing.scripted_model.answers import Json
from outlive.testing.scripted_model.http import HttpRequest
from outlive.testing.scripted_model.sigv4 import read_signature

_PATH = "/inference-profiles/"
_MADE = "2026-01-01T00:00:00Z"
_ACCOUNT = "123456789012"
_PLACES = {"us": "us", "eu": "eu", "ap": "apac"}


def profiles_json(request: HttpRequest, models: Sequence[str]) -> Json:
    """All profiles of the region that the request was signed for; bare model names get its prefix."""
    region = _region(request)
    return {"inferenceProfileSummaries": [_profile(name, region, models) for name in _ids(models, region)]}


def profile_json(request: HttpRequest, models: Sequence[str]) -> Json:
    """One profile, by id or ARN; any name has one, as any model id is answered."""
    return _profile(unquote(request.path.removeprefix(_PATH)), _region(request), models)


def _region(request: HttpRequest) -> str:
    signature = read_signature(request.headers)
    return signature.region if signature else "us-east-1"


def _ids(models: Sequence[str], region: str) -> Iterator[str]:
    place = _PLACES.get(region.partition("-")[0], "global")
    for name in models:
        yield name if "." in name or name.startswith("arn:") else f"{place}.anthropic.{name}"


def _profile(name: str, region: str, models: Sequence[str]) -> Json:
    own = name.startswith("arn:")
    model = models[0] if own else name.rpartition("anthropic.")[2]
    return {
        "inferenceProfileArn": name if own else f"arn:aws:bedrock:{region}:{_ACCOUNT}:inference-profile/{name}",
        "inferenceProfileId": name.rpartition("/")[2],
        "inferenceProfileName": f"{name.rpartition('/')[2]} (scripted)",
        "models": [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/anthropic.{model}"}],
        "status": "ACTIVE",
        "type": "APPLICATION" if ":application-inference-profile/" in name else "SYSTEM_DEFINED",
        "createdAt": _MADE,
        "updatedAt": _MADE,
    }

"""The template, read and translated as SAM translates it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "aws"


class Loader(yaml.SafeLoader):
    """YAML with the short forms of intrinsic functions."""


def _intrinsic(loader: Loader, suffix: str, node: yaml.Node) -> Mapping[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _intrinsic)


class NoPolicies(ManagedPolicyLoader):
    """The template names none of AWS's own."""

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> dict[str, str]:
        return {}


def translated(source: dict[str, Any]) -> dict[str, Any]:
    """The template after SAM's translation, as if it had been built: a zip in a bucket, an image in a registry."""
    source = json.loads(json.dumps(source))
    for function in source["Resources"].values():
        if function["Type"] == "AWS::Serverless::Function":
            properties = function["Properties"]
            if "ImageUri" in properties:
                properties["ImageUri"] = "0.dkr.ecr.us-east-1.amazonaws.com/outlive:latest"
            else:
                properties["CodeUri"] = "s3://code/producer.zip"
    values = {name: each.get("Default", "x" * 16) for name, each in source["Parameters"].items()}
    with patch.dict(os.environ, AWS_DEFAULT_REGION="us-east-1"):
        template: dict[str, Any] = transform(source, values, NoPolicies())
    return template

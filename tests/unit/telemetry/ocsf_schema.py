"""The OCSF 1.8.0 schema as the package `ocsf-json-schema` holds it, and what is wrong with an event by it."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"


@cache
def _schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))


@cache
def _validator(class_uid: int, profiles: tuple[str, ...]) -> Draft202012Validator:
    schema = _schema()
    return Draft202012Validator(schema.get_class_schema(schema.lookup_class_name_from_uid(class_uid), list(profiles)))


def problems(event: dict[str, Any]) -> list[str]:
    """Everything that the schema of the event's class, with the profiles it names, says against it; and its version."""
    metadata = event.get("metadata", {})
    found = _validator(event["class_uid"], tuple(metadata.get("profiles", ()))).iter_errors(event)
    told = [f"{error.json_path}: {error.message}" for error in found]
    return told if metadata.get("version") == VERSION else [*told, "another version"]

"""Generates the JSON Schemas from the types of the objects that commands print.

msgspec makes a schema for each type. This module adds facts that msgspec cannot know: members that are always
printed are required, and no other members are allowed. A part that occurs in several places becomes a
definition in `common.json`. A part that occurs once is described where it occurs.

After a change to the types, run `python -m services.schemas.generate` to rewrite the files.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, inspect

from . import (
    COMMON,
    VERSIONS,
    appliance,
    database,
    fleet,
    format_of,
    mesh,
    recording,
    recordings,
    status,
)
from . import outputs as outputs_of_alarms

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MODULES: Final = (appliance, database, fleet, mesh, outputs_of_alarms, recording, recordings, status)
_COMMON_REF: Final = f"urn:logboat:{COMMON}#/$defs/"
_WIDTH: Final = 110
_FORMAT: Final = "Name and version of the output's format."

Schema = dict[str, Any]


def outputs() -> dict[str, type[msgspec.Struct]]:
    """Return the type of every shape, by the name of the shape."""
    found: dict[str, type[msgspec.Struct]] = {}
    for module in _MODULES:
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, msgspec.Struct) and getattr(each, "command", None):
                tag = each.__struct_config__.tag
                assert isinstance(tag, str)
                found[tag.removeprefix("logboat.").partition("/")[0]] = each
    return {shape: found[shape] for shape in VERSIONS}


def generated() -> dict[str, Schema]:
    """Return the schema of every shape, and the shared definitions, by the names of their files."""
    types = outputs()
    _, components = msgspec.json.schema_components(types.values(), ref_template="{name}")
    structs = {each.cls.__name__: each for each in _structs(inspect.multi_type_info(types.values()))}
    for name, schema in components.items():
        del schema["title"]
        if name in structs:
            _complete(schema, structs[name])
    shapes = {output.__name__: shape for shape, output in types.items()}
    uses = Counter(_refs(components))
    shared = sorted(
        name for name, number in uses.items() if number > 1 and name in structs and name not in shapes
    )
    refs = {name: f"urn:logboat:{shape}:{VERSIONS[shape]}" for name, shape in shapes.items()} | {
        name: f"urn:logboat:{COMMON}#/$defs/{_definition(name)}" for name in shared
    }

    def resolved(part: Any) -> Any:
        """Return a part of a schema with final references; a type that occurs once is described in place."""
        if isinstance(part, list):
            return [resolved(each) for each in part]
        if not isinstance(part, dict):
            return part
        name = part.get("$ref")
        if name is None:
            return _shortened({key: resolved(value) for key, value in part.items()})
        if name in refs:
            return part | {"$ref": refs[name]}
        return resolved(components[name]) | {key: value for key, value in part.items() if key != "$ref"}

    made = {
        shape: _headed(shape, output, resolved(components[output.__name__]))
        for shape, output in types.items()
    }
    made[COMMON] = {
        "$schema": _DIALECT,
        "$id": f"urn:logboat:{COMMON}",
        "title": "Parts that several shapes share",
        "$defs": {_definition(name): resolved(components[name]) for name in shared},
    }
    return made


def _structs(node: object) -> Iterator[inspect.StructType]:
    """Yield all struct types that a type contains."""
    if isinstance(node, inspect.StructType):
        yield node
        for member in node.fields:
            yield from _structs(member.type)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _structs(each)
    elif isinstance(node, inspect.Type):
        for name in ("type", "types", "item_type", "item_types", "value_type"):
            yield from _structs(getattr(node, name, None))


def _complete(schema: Schema, struct: inspect.StructType) -> None:
    """Add the required members to a type's schema, and forbid all other members."""
    schema["description"] = (struct.cls.__doc__ or "").partition("\n")[0]
    schema["additionalProperties"] = False
    schema["required"] = [name for name in schema["properties"] if name not in _omissible(struct)]
    for member in schema["properties"].values():
        member.pop("default", None)


def _omissible(struct: inspect.StructType) -> set[str]:
    """Return the members that can be absent, because their default is UNSET or older versions lack them."""
    return {
        member.encode_name
        for member in struct.fields
        if (not member.required and member.default is NODEFAULT and member.default_factory is NODEFAULT)
        or (isinstance(member.type, inspect.Metadata) and (member.type.extra or {}).get("optional"))
    }


def _refs(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(name := part.get("$ref"), str):
            yield name
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _refs(each)


def _shortened(part: Schema) -> Schema:
    """Return the part with alternatives that consist of one type each replaced with a list of types."""
    alternatives = part.get("anyOf", ())
    if not alternatives or any(each.keys() != {"type"} for each in alternatives):
        return part
    return {key: value for key, value in part.items() if key != "anyOf"} | {
        "type": [each["type"] for each in alternatives]
    }


def _definition(name: str) -> str:
    """Return the name of a type's definition: `peer` for `LivePeer`."""
    name = name.removeprefix("Live")
    return name[0].lower() + name[1:]


def _headed(shape: str, output: type[msgspec.Struct], schema: Schema) -> Schema:
    schema["properties"]["format"] = {"description": _FORMAT, "const": format_of(shape)}
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:logboat:{shape}:{VERSIONS[shape]}",
        "title": output.command,  # type: ignore[attr-defined]  # `outputs` selects the types that have one
    }
    return head | schema | getattr(output, "conditions", {})


def files() -> dict[Path, str]:
    """Return the contents of every file with a schema."""
    folder = Path(__file__).parent
    return {folder / f"{name}.json": _text(schema) + "\n" for name, schema in generated().items()}


def _text(value: Any, indent: str = "", key: str = "") -> str:
    """Return a value as JSON, with each nested value on a single line if it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(key) + len(line) < _WIDTH or not isinstance(value, dict | list):
        return key + line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [_text(each, inner, f"{json.dumps(name)}: ") for name, each in value.items()]
    else:
        parts = [_text(each, inner) for each in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{key}{start}\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}{end}"


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)

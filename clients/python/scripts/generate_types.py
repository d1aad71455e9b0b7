"""Writes `src/holdfast_backend/types.py` from docs/reference/openapi.json; with `--check` ends with 1 where it is stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src/holdfast_backend/types.py"
DOCUMENT = json.loads((ROOT.parents[1] / "docs/reference/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
#: Answers that the service API shares with the routes of the signed-in person.
SHARED = ["DisconnectReceipt", "HistoryPage"]
HEAD = '''"""The types of the service API. Generated from docs/reference/openapi.json by scripts/generate_types.py."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Union

'''


def referred(value: Any, found: dict[str, None]) -> None:
    if isinstance(value, dict):
        name = str(value.get("$ref", "")).removeprefix("#/components/schemas/")
        if name in SCHEMAS and name not in found:
            found[name] = None
            referred(SCHEMAS[name], found)
        for each in value.values():
            referred(each, found)
    elif isinstance(value, list):
        for each in value:
            referred(each, found)


def type_of(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "Any"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "const" in schema:
        return f"Literal[{json.dumps(schema['const'])}]"
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(each) for each in schema['enum'])}]"
    choice = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choice and all("const" in each for each in choice):
        return f"Literal[{', '.join(json.dumps(each['const']) for each in choice)}]"
    if choice:
        return " | ".join(dict.fromkeys(type_of(each) for each in choice))
    kinds = schema.get("type", "any")
    names = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "any": "Any"}
    parts = []
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind == "array":
            parts.append(f"list[{type_of(schema.get('items'))}]")
        elif kind == "object":
            parts.append("dict[str, Any]")
        else:
            parts.append(names[kind])
    return " | ".join(parts)


def declaration(name: str, schema: dict[str, Any]) -> str:
    bases = [type_of(each) for each in schema.get("allOf", []) if "$ref" in each]
    if all("$ref" in each for each in schema.get("anyOf", [{}])):
        choices = "".join(f"    {type_of(each)},\n" for each in schema["anyOf"])
        return f"\n{name} = Union[\n{choices}]\n"
    if "properties" not in schema and not bases:
        values = type_of(schema).removeprefix("Literal[").removesuffix("]").split(", ")
        return f"{name} = Literal[\n" + "".join(f"    {value},\n" for value in values) + "]\n"
    parts = [schema, *(each for each in schema.get("allOf", []) if "$ref" not in each)]
    properties = {member: each for part in parts for member, each in part.get("properties", {}).items()}
    required = {member for part in parts for member in part.get("required", [])}
    # `NotRequired` is of Python 3.11: members that may be missing stand in a class of their own.
    always = [f"    {member}: {type_of(each)}" for member, each in properties.items() if member in required]
    sometimes = [f"    {member}: {type_of(each)}" for member, each in properties.items() if member not in required]
    heritage = ", ".join(bases or ["TypedDict"])
    if not sometimes:
        return f"\nclass {name}({heritage}):\n" + "\n".join(always or ["    pass"]) + "\n\n"
    if always:
        first = f"\nclass _{name}({heritage}):\n" + "\n".join(always) + "\n\n"
        return first + f"\nclass {name}(_{name}, total=False):\n" + "\n".join(sometimes) + "\n\n"
    return f"\nclass {name}({heritage}, total=False):\n" + "\n".join(sometimes) + "\n\n"


def text() -> str:
    found: dict[str, None] = {}
    referred({path: item for path, item in DOCUMENT["paths"].items() if path.startswith("/service/")}, found)
    referred([{"$ref": f"#/components/schemas/{name}"} for name in SHARED], found)
    referred(DOCUMENT["webhooks"], found)
    # Names for choices first, and what is built on others last: they are read when the module is.
    built = lambda name: ["anyOf" in SCHEMAS[name], "allOf" in SCHEMAS[name], "properties" in SCHEMAS[name], name]
    ordered = sorted(found, key=built)
    declared = "".join(declaration(name, SCHEMAS[name]) for name in ordered)
    return HEAD + declared.rstrip("\n") + "\n"


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TARGET.write_text(text())
    elif TARGET.read_text() != text():
        sys.exit("src/holdfast_backend/types.py is stale: python scripts/generate_types.py")

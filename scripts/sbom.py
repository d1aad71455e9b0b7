"""Prints a CycloneDX 1.5 document of what the program is built from: the packages that Cargo.lock resolves for it."""

import json
import subprocess
import sys
from urllib.parse import quote


def main() -> None:
    version, commit = sys.argv[1:3]
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--locked", "--format-version", "1"],
            check=True,
            capture_output=True,
        ).stdout
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(each["id"] for each in packages.values() if each["name"] == "holdfast")
    # What only tests and the benchmark need is no part of the program.
    used, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if one in used:
            continue
        used.add(one)
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] in (None, "build") for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    components = []
    for name in sorted(used - {root}, key=lambda each: (packages[each]["name"], packages[each]["version"])):
        package = packages[name]
        purl = f"pkg:cargo/{quote(package['name'])}@{quote(package['version'])}"
        component = {"type": "library", "name": package["name"], "version": package["version"], "purl": purl, "bom-ref": purl}
        if package["license"]:
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        components.append(component)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "holdfast", "version": f"{version}+{commit}"}},
        "components": components,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Checks the policy of .cargo/deny.toml without a network: licences, and crates in two versions."""

import json
import re
import subprocess
import sys
import tomllib

# Dependencies bring two major versions of these: sqlx's PostgreSQL driver, derive macros, ring beside actix-web's own
# random numbers (getrandom), and the client of `status` and `stop` beside actix-web 4 (http).
TWICE = {
    "application": {
        "block-buffer", "cpufeatures", "crypto-common", "digest", "getrandom", "hashbrown", "http", "sha2", "syn",
    },
    "library": {"syn"},
}


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def allowed(expression: str, licences: set[str]) -> bool:
    """Returns true if the allowed licences satisfy an SPDX expression; `/` is an old spelling of `OR`."""
    expression = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    words = re.sub(r"(\S+)\s+WITH\s+\S+", r"\1", expression).split()
    terms = {"OR": "or", "AND": "and", "(": "(", ")": ")"}
    return bool(eval(" ".join(terms.get(word, str(word in licences)) for word in words)))


def main() -> int:
    with open(".cargo/deny.toml", "rb") as file:
        licences = set(tomllib.load(file)["licenses"]["allow"])
    packages = json.loads(cargo("metadata", "--format-version", "1", "--locked"))["packages"]
    faults = [
        f"{package['name']} {package['version']}: licence {package['license'] or 'none'}"
        for package in packages
        if not allowed(package["license"] or "none", licences)
    ]
    for what, options in {"application": [], "library": ["--no-default-features"]}.items():
        tree = cargo("tree", "-d", "-e", "normal", "--depth", "0", "--prefix", "none", "--locked", *options)
        twice = {line.split()[0] for line in tree.splitlines() if line.strip()}
        faults += [f"{name} is in two versions in the {what}" for name in sorted(twice - TWICE[what])]
        faults += [f"{name} is listed in TWICE, but has one version in the {what}" for name in sorted(TWICE[what] - twice)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

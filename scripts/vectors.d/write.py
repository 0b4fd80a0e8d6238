"""Writes the vectors, or checks that they are what would be written."""

import sys
from pathlib import Path

import addressed
import bodies
import configured
import shared
import signed
import timed


def main(directory, *flags):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = {}
    for module in (bodies, timed, addressed, signed, shared, configured):
        for scheme in module.ALL:
            made = scheme()
            made.write()
            written[f"{made.name}.json"] = made.vectors.text()
            expected = [case["expect"] for case in made.vectors.cases]
            print(f"{made.name}: {len(expected)} cases, {len(expected) - expected.count('refused')} genuine; {' '.join(made.oracle.values())}")
    if "--check" in flags:
        there = {path.name: path.read_text() for path in directory.glob("*.json")}
        changed = sorted(name for name in written.keys() | there.keys() if written.get(name) != there.get(name))
        return f"not what scripts/vectors writes: {', '.join(changed)}" if changed else None
    for name, text in written.items():
        (directory / name).write_text(text)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

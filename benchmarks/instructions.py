"""Instructions of every kernel, counted by callgrind, against those of before: `make instructions`.

A count does not depend on how busy the machine is, so CI can tell that a kernel became slower. It is no time: memory
counts nothing. Callgrind knows no AVX-512, so AVX2 is counted. Compilers differ: counts are compared only where the
same major version of the same compiler made them, for the same target.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

EXPECTED = Path(__file__).with_suffix(".json")
ALLOWED = 0.03  # growth

CALLGRIND = [
    "valgrind",
    "--tool=callgrind",
    "--callgrind-out-file=/dev/null",
    "--toggle-collect=counted*",
]


def describe(program: Path) -> tuple[dict[str, str], list[str]]:
    """What made the program, and the names of its kernels."""
    lines = subprocess.run(
        [program], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return {"compiler": lines[0], "target": lines[1]}, lines[2:]


def count(program: Path, kernel: str) -> int:
    run = subprocess.run(
        [*CALLGRIND, program, kernel],
        env={**os.environ, "FLECKCORE_ISA": "avx2"},
        capture_output=True,
        text=True,
    )
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected or collected[1] == "0":
        sys.exit(f"{kernel}: nothing was counted\n{run.stderr}")
    return int(collected[1])


def comparable(made: dict[str, str]) -> tuple[str, str, str]:
    name, major = re.match(r"(\w+) (\d+)", made["compiler"]).groups()
    return name, major, made["target"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "program", type=Path, help="fleck_instructions, as the release preset builds it"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"expect these counts: write {EXPECTED.name}"
    )
    options = parser.parse_args()

    made, kernels = describe(options.program.resolve())
    expected = (
        json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {"made": made, "counts": {}}
    )
    same_make = comparable(made) == comparable(expected["made"])
    counts, grown = {}, []
    for kernel in kernels:
        now = counts[kernel] = count(options.program.resolve(), kernel)
        before = expected["counts"].get(kernel) if same_make else None
        change = f"{now / before - 1:+8.2%}" if before else ""
        print(f"{kernel:28}{now:15,}{change}", flush=True)
        if before and now > before * (1 + ALLOWED):
            grown.append(kernel)

    if options.write:
        EXPECTED.write_text(json.dumps({"made": made, "counts": counts}, indent=2) + "\n")
    elif not same_make:
        print(f"Nothing was compared: expected counts are of {expected['made']}, these of {made}.")
    elif kernels != list(expected["counts"]):
        sys.exit(f"{EXPECTED.name} has other kernels. To expect these counts: add --write.")
    elif grown:
        sys.exit(
            f"More than {ALLOWED:.0%} grown: {', '.join(grown)}. If that is worth it, or a slower count is a faster "
            f"kernel: add --write, and say why in the message of the commit."
        )


if __name__ == "__main__":
    main()

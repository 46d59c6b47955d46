"""Read damaged files of one kind in a process whose memory and time are bounded, and tell what went wrong.

`python tests/fuzz/worker.py KIND[,KIND] SEED COUNT FOLDER` prints a JSON object: cases by kind, and failures.
A case passes when the reader gives a right result, or one line of an error class of this program.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from damage import Rng
from readers import KINDS

from qkd_qiskit.errors import QKDError

#: Address space beyond what the imports take, processor seconds of a case, and seconds in which it waits too.
MOST_BYTES = 700 * 2**20
MOST_SECONDS = 10
MOST_WAITING = 120
MOST_SIGNS = 3000

Case = Callable[[Path, Rng], None]


class TooSlow(BaseException):
    """A case has taken too long; no reader catches this."""


def _too_slow(*_: object) -> None:
    raise TooSlow


def run_case(case: Case, folder: Path, rng: Rng) -> str | None:
    """Return what is wrong about a case, or None."""
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.alarm(MOST_WAITING)
    try:
        case(folder, rng)
    except QKDError as error:
        text = str(error)
        if len(text.splitlines()) != 1 or len(text) > MOST_SIGNS:
            return f"no single line: {text[:200]!r}"
        if "does not fit into the memory" in text:
            return f"takes more than {MOST_BYTES} bytes: {text[:200]}"
    except TooSlow:
        return f"takes more than {MOST_SECONDS} s: {''.join(traceback.format_exc().splitlines()[-6:])}"
    except BaseException:
        return traceback.format_exc()[-1500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return None


def main(kinds: list[str], seed: int, count: int, folder: Path) -> dict[str, object]:
    """Run cases of some kinds; equal seeds give equal cases."""
    prepared = {kind: KINDS[kind](folder / "whole") for kind in kinds}
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGALRM, _too_slow)
    signal.signal(signal.SIGPROF, _too_slow)
    failures, slowest = [], 0.0
    for kind, case in prepared.items():
        for number in range(count):
            place = folder / "case"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            start = time.process_time()
            rng = np.random.default_rng([seed, number, zlib.crc32(kind.encode())])
            wrong = run_case(case, place, rng)
            slowest = max(slowest, time.process_time() - start)
            if wrong is not None:
                failures.append(f"{kind}, seed {seed}, case {number}: {wrong}")
    return {"cases": dict.fromkeys(kinds, count), "failures": failures, "slowest": slowest}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))

"""Runs JavaScript in V8 for another process: a program a line comes in, and what became of it goes out.

It is started as a script, and imports nothing of ours. V8 has a process of its own because where it finds no memory it
ends the one that it is in, and because on processors with memory protection keys only the thread that began it, and the
threads begun by that one, may use it (https://issues.chromium.org/issues/360909072): here that is the main thread.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress

IDLE_S = 60.0
"""A process that is asked nothing for so long ends itself."""

MOST_BYTES = 1_000_000_000


def main(packages: str) -> None:
    """Answers until nobody asks any more. `packages` is the folder that the engine is installed in."""
    sys.path.append(packages)
    _keep_small()
    __import__("py_mini_racer")  # Now, and not with the first program, whose time is counted.
    print('{"ready": "yes"}', flush=True)
    while True:
        idle = threading.Timer(IDLE_S, os._exit, (0,))
        idle.daemon = True
        idle.start()
        line = sys.stdin.readline()
        idle.cancel()
        if not line:
            return
        answer = run(**json.loads(line))
        print(json.dumps(answer), flush=True)
        if "stopped" in answer:
            os._exit(0)  # An engine that was stopped in the middle is not to be closed, only left.


def _keep_small() -> None:
    """Limits the memory of the whole process; that of an engine does not count what its typed arrays hold."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit, and one may be set already.
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))


def run(program: str, seconds: float, memory: int) -> dict[str, str]:
    """The value of a program, its error, or what it was stopped for."""
    from py_mini_racer import (
        JSEvalException,
        JSOOMException,
        JSPromise,
        JSPromiseError,
        JSTimeoutException,
        MiniRacer,
    )

    engine = MiniRacer()
    try:
        result = engine.eval(program, timeout_sec=seconds, max_memory=memory)
        answer = {"value": str(result.get(timeout=seconds) if isinstance(result, JSPromise) else result)}
    except (JSTimeoutException, TimeoutError):
        return {"stopped": "time"}
    except JSOOMException:
        return {"stopped": "memory"}
    except (JSEvalException, JSPromiseError) as error:
        answer = {"error": str(error)}
    engine.close()
    return answer


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main(sys.argv[1])

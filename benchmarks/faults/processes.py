"""Function processes that can really be killed: an invocation in a forked child.

What a killed process leaves behind is what its calls have written before. The child has a workspace and connections
of its own, as another Lambda process would.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambdas.adapters.workspace import workspace
from lambdas.runtime import market
from lambdas.runtime.stores import forget_clients


def fresh_process() -> None:
    """Forget what a warm function keeps: clients, data sets, files."""
    workspace.cache_clear()
    for cached in (market._dataset, market._features, market._market):
        cached.cache_clear()
    forget_clients()


class Child:
    """A forked process that does one piece of work and leaves its answer in a file.

    Attributes
    ----------
    killed : bool
        It was ended by a signal.
    stopped : bool
        It has stopped itself and waits for `resume`.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._answer = Path(tempfile.mkstemp(prefix="answer-")[1])
        self.killed = self.stopped = False
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            self._be_child(work)
        self._wait()

    def _be_child(self, work: Callable[[], Any]) -> None:
        try:
            fresh_process()
            self._answer.write_text(json.dumps(work()))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _wait(self) -> None:
        _, status = os.waitpid(self._pid, os.WUNTRACED)
        self.stopped = os.WIFSTOPPED(status)
        self.killed = os.WIFSIGNALED(status)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
            raise RuntimeError("the bench failed in a forked process; its traceback is above")

    def resume(self) -> None:
        """Let a stopped process go on to its end."""
        if self.stopped:
            os.kill(self._pid, signal.SIGCONT)
            self._wait()

    def answer(self) -> Any:
        """Return what the work returned."""
        return json.loads(self._answer.read_text())


def end_this_process() -> None:
    """Die as a Lambda process does that is out of memory or whose host is lost: no handler, no clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang_this_process() -> None:
    """Stop until somebody lets this process go on."""
    os.kill(os.getpid(), signal.SIGSTOP)

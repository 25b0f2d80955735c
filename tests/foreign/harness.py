"""What the Python tests share: the program under test, named cases, a limit on the whole run."""

import asyncio
import faulthandler
import os
import re
import signal
import subprocess
import sys
import threading
import traceback

# Only so that nothing hangs for ever; no test asks how long something took.
WAIT = 30
OVERALL = 300

_children = []
_cases = []


def program():
    path = os.environ.get("SOCKEYE")
    if not path:
        sys.exit("SOCKEYE must name the program to test")
    return path


class Server:
    """`sockeye COMMAND --port 0 …`, ready once it is constructed."""

    def __init__(self, *args, log=None):
        self.process = subprocess.Popen(
            [program(), *args, "--port", "0"], stdout=subprocess.PIPE, stderr=log, text=True
        )
        _children.append(self.process)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (?:ws|http)s?://127\.0\.0\.1:(\d+)/?\n", line)
        if not found:
            raise AssertionError(f"expected `listening on …`, got {line!r}")
        self.port = int(found[1])
        self.url = f"ws://127.0.0.1:{self.port}/"
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        for _ in self.process.stdout:
            pass

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    async def logged(self, what):
        """Waits for a line of the log that has this in it."""
        while True:
            line = await asyncio.to_thread(self.process.stderr.readline)
            if not line:
                raise AssertionError(f"the log ended before {what!r}")
            if what in line:
                return

    def terminate(self):
        """Asks the server to end; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)


def start(*args, **kwargs):
    """Starts the program with its three streams piped."""
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process = subprocess.Popen([program(), *args], **pipes, **kwargs)
    _children.append(process)
    return process


def own(process):
    """Has a process that was started elsewhere end with the run."""
    _children.append(process)
    return process


def case(function):
    """Registers a case: its name says which behaviour it shows."""
    _cases.append(function)
    return function


def equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: expected {_brief(expected)}, got {_brief(got)}")


def _brief(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:100]}… ({len(value)} long)"


def main(prepare=lambda: ()):
    """Runs every case with what `prepare` gives, and ends the process with 0 if all hold."""
    watchdog = threading.Timer(OVERALL, _give_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        args = prepare()
    except Exception as error:
        _end(f"cannot begin: {error}", 1)
    failed = 0
    for function in _cases:
        name = function.__name__.replace("_", " ")
        try:
            function(*args)
            print(f"ok      {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    _end(f"{len(_cases) - failed} of {len(_cases)} cases hold", 1 if failed else 0)


def _give_up():
    faulthandler.dump_traceback(file=sys.stdout)
    _end(f"not done after {OVERALL} s", 1)


def _end(line, status):
    for child in _children:
        if child.poll() is None:
            child.kill()
    print(f"{os.path.basename(sys.argv[0])}: {line}", flush=True)
    # Threads of a connection that never closed must not keep the process.
    os._exit(status)

"""The supervisor, with small programs in the place of web, worker and beat."""

from __future__ import annotations

import os
import signal
import socket
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from referral.embedded.processes import is_alive
from referral.supervisor import FirstAnswer
from tests.processes import Running, children, eventually, running

# A supervisor of programs given on its command line, in a process of its own because it takes the signals.
SUPERVISOR = textwrap.dedent("""
    import os, signal, sys, time
    from referral import logs
    from referral.supervisor import Patience, Program, Supervisor
    logs.configure("json")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup has it ignored
    programs = [Program(f"p{n}", (sys.executable, "-c", text)) for n, text in enumerate(sys.argv[1:])]
    patience = Patience(first=0.05, most=0.4, settled=5, drain=1, cold=1)
    announce = lambda: print("ready", flush=True)
    Supervisor(programs, environment=os.environ, patience=patience, announce=announce).run()
    print("stopped", flush=True)
""")
STEADY = "import signal; signal.pause()"
STUBBORN = (
    "import signal, sys, time; signal.signal(15, signal.SIG_IGN); signal.signal(3, signal.SIG_IGN); "
    "print('stubborn', flush=True); time.sleep(600)"
)
ENDING = "raise SystemExit(3)"


def ready(program: Running) -> bool:
    return "ready" in program.stdout.read_text()


def test_a_killed_child_is_started_again(data_dir: Path) -> None:
    with running(["-c", SUPERVISOR, STEADY, STEADY], data_dir) as supervisor:
        before = eventually(lambda: children(supervisor.process.pid))
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(set(children(supervisor.process.pid)) - {victim}) == 2)
        assert supervisor.stop() == 0
        assert '"process": "p0", "code": -9' in supervisor.stderr.read_text()


def test_a_child_that_keeps_ending_is_tried_ever_more_slowly(data_dir: Path) -> None:
    with running(["-c", SUPERVISOR, ENDING], data_dir) as supervisor:
        eventually(lambda: supervisor.stderr.read_text().count('"code": 3') >= 2)
        from_here = time.monotonic()
        already = supervisor.stderr.read_text().count('"code": 3')
        eventually(lambda: supervisor.stderr.read_text().count('"code": 3') >= already + 3)
        assert (
            time.monotonic() - from_here > 0.5
        )  # 0.2 + 0.4 + 0.4 and the programs' own time, less one under way
        assert supervisor.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_leaves_no_process_behind(number: signal.Signals, data_dir: Path) -> None:
    grandchild = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    )
    with running(["-c", SUPERVISOR, STEADY, grandchild], data_dir) as supervisor:
        eventually(lambda: len(children(supervisor.process.pid)) == 2 and ready(supervisor))
        offspring = children(supervisor.process.pid)
        grandchildren = eventually(lambda: [pid for child in offspring for pid in children(child)])
        assert supervisor.stop(number) == 0
        assert supervisor.stdout.read_text().endswith("stopped\n")
        eventually(lambda: not any(is_alive(pid) for pid in (*offspring, *grandchildren)))


def test_a_child_that_ignores_every_request_is_killed(data_dir: Path) -> None:
    with running(["-c", SUPERVISOR, STUBBORN], data_dir) as supervisor:
        eventually(lambda: "stubborn" in supervisor.stdout.read_text())
        started = time.monotonic()
        assert supervisor.stop() == 0
        assert time.monotonic() - started >= 2  # drain and cold


def test_asking_twice_shortens_the_wait(data_dir: Path) -> None:
    patient = SUPERVISOR.replace("drain=1, cold=1", "drain=300, cold=300")
    with running(["-c", patient, STUBBORN], data_dir) as supervisor:
        eventually(lambda: "stubborn" in supervisor.stdout.read_text())
        deadline = time.monotonic() + 20
        while supervisor.process.poll() is None and time.monotonic() < deadline:
            supervisor.process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert supervisor.process.returncode is not None  # and not after ten minutes


def test_children_die_with_a_killed_supervisor(data_dir: Path) -> None:
    with running(["-c", SUPERVISOR, STEADY, STUBBORN], data_dir) as supervisor:
        eventually(lambda: "stubborn" in supervisor.stdout.read_text())
        offspring = children(supervisor.process.pid)
        assert len(offspring) == 2
        assert all(is_alive(pid) for pid in offspring)
        supervisor.process.kill()
        eventually(lambda: not any(is_alive(pid) for pid in offspring))


def test_the_first_answer_is_noticed_only_when_it_is_a_good_one() -> None:
    statuses = [503, 200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # the base class's name
            """Say nothing."""

    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = bound.getsockname()
    asked = FirstAnswer(address)
    assert not asked()  # nobody listens
    with HTTPServer(address, Handler) as server:
        assert not asked()  # connected, nobody answers yet
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            eventually(asked)
        finally:
            server.shutdown()
            thread.join()
    assert statuses == []

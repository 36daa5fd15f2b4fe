"""A mock of SLURM on this machine: `srun` and `scontrol`, the signals that it sends to a job, and its queue.

`srun` runs a command here. A node has its own `/tmp/sweeper-...`, and nothing else of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from audit import MARK, Row, audit
from faults import Fault, Sweep
from subjects import Subject

SRUN = r"""#!/bin/bash
tasks=1 first=1
while [[ $1 == --* ]]; do
    case $1 in
    --ntasks=*) tasks=${1#*=} ;;
    --exclude=*) first=2 ;;
    esac
    shift
done
export SLURM_CPUS_ON_NODE=1
on_node() { # NUMBER COMMAND ...: its folder in /tmp is another one on each node but the first
    local number=$1 words=()
    for word in "${@:2}"; do
        [[ $number == 1 || $word != /tmp/sweeper-* ]] || word=$MOCK_SLURM/$number/${word#/tmp/}
        words+=("$word")
    done
    mkdir -p "$MOCK_SLURM/$number"
    exec "${words[@]}"
}
[ "$tasks" -gt 1 ] || on_node "$first" "$@"
for number in $(seq "$first" $((first + tasks - 1))); do on_node "$number" "$@" & done
wait
"""
SCONTROL = r"""#!/bin/bash
case $1 in
show) for number in $(seq "$SLURM_JOB_NUM_NODES"); do echo "node$number"; done ;;
requeue) echo "$2" >>"$MOCK_SLURM/requeued" ;;
*) exit 2 ;;
esac
"""
SWEEPER = """#!/bin/bash
exec {python} -m sweeper "$@" {options}
"""
KILL_WAIT_S = 30.0


@dataclass(slots=True)
class MockSlurm:
    """A queue of one job. `place` has its programs and folders; sockets need a short path."""

    place: Path
    script: Path
    folder: Path
    nodes: int
    env: dict[str, str]
    restarts: int = 0
    job: str = field(default_factory=lambda: str(os.getpid()))

    @property
    def log(self) -> Path:
        return self.folder / "job.log"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the job, for the first time or again."""
        (self.place / "requeued").unlink(missing_ok=True)
        env = {**os.environ, **self.env, "PATH": f"{self.place}:{os.environ['PATH']}", "MOCK_SLURM": str(self.place)}
        env |= {"SLURM_JOB_ID": self.job, "SLURM_JOB_NUM_NODES": str(self.nodes), "SLURM_JOB_NODELIST": "node[1-9]"}
        env |= {"SLURM_RESTART_COUNT": str(self.restarts)} if self.restarts else {}
        env |= {MARK: str(self.folder)}
        self.restarts += 1
        with self.log.open("ab") as log:
            command = ["bash", str(self.script)]
            return subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True)

    def is_requeued(self) -> bool:
        """Whether the job has asked for it; SLURM then ends it."""
        return (self.place / "requeued").exists()

    def warn(self, process: subprocess.Popen[bytes]) -> int:
        """`--signal=B:USR1@120`: to the batch shell only; the job then has two minutes. Returns its exit code."""
        process.send_signal(signal.SIGUSR1)
        return process.wait(120)

    def preempt(self, process: subprocess.Popen[bytes]) -> int:
        """TERM to all processes of the job, and KILL after half a minute."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_WAIT_S)
        return self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> int:
        """KILL to all processes of the job: its time is over, or its nodes are lost."""
        while self._signal(signal.SIGKILL):
            time.sleep(0.1)
        return process.wait(30)

    def _signal(self, number: signal.Signals) -> int:
        """Signal all processes of the job. Returns how many there were."""
        sent = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(MARK) == str(self.folder):
                    process.send_signal(number)
                    sent += process.status() != psutil.STATUS_ZOMBIE
        return sent


@contextlib.contextmanager
def slurm(folder: Path, script: str, nodes: int, env: dict[str, str], *options: str) -> Iterator[MockSlurm]:
    """A SLURM whose job is the `script`; `options` are added to its `sweeper run`."""
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp", ignore_cleanup_errors=True) as name:
        place = Path(name)
        wrapper = SWEEPER.format(python=sys.executable, options=" ".join(options))
        for program, text in (("srun", SRUN), ("scontrol", SCONTROL), ("sweeper", wrapper)):
            (place / program).write_text(text)
            (place / program).chmod(0o755)
        (place / "ray").symlink_to(Path(sys.executable).parent / "ray")
        path = folder / "job.sh"
        path.write_text(script.replace(f"PATH={Path(sys.executable).parent}:", f"PATH={place}:"))
        yield MockSlurm(place, path, folder, nodes, env)


def requeued(nodes: int, *options: str) -> Fault:
    """A job whose time ends `times` times, with a warning, by preemption or by the loss of its nodes, in turn."""

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        sweep, wrong, done = Sweep(folder, subject), "", 0
        with sweep.call("cluster", "slurm", "toy.yaml", "--nodes", str(nodes), stream=subprocess.PIPE) as process:
            script = process.communicate()[0].decode()
        with slurm(folder, script, nodes, sweep.environment(), *options) as queue:
            while done < times and not wrong:
                process = queue.start()
                _wait_until_it_works(sweep, process)
                if process.poll() is not None:
                    break
                wrong = _ended(queue, process, done)
                done += 1
            process = queue.start()
            code = process.wait(300)
            wrong = wrong or (f"the last job ended with {code}" if code else "")
        with queue.log.open() as log, sweep.said.open("a") as said:
            said.write(log.read())
        return audit(done, folder, subject, wrong or sweep.finish())

    return fault


def _wait_until_it_works(sweep: Sweep, process: subprocess.Popen[bytes]) -> None:
    before = sweep.ledger.stat().st_size if sweep.ledger.exists() else 0
    while (not sweep.ledger.exists() or sweep.ledger.stat().st_size == before) and process.poll() is None:
        time.sleep(0.05)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(sweep.chance.uniform(0.0, sweep.subject.latest_s))


def _ended(queue: MockSlurm, process: subprocess.Popen[bytes], number: int) -> str:
    """End the job in one of three ways; returns what is wrong, or ""."""
    kind = number % 3
    if kind == 0:
        code = queue.warn(process)
        queue.kill(process)
        if code not in (0, 143) or (code == 143) is not queue.is_requeued():
            return f"after USR1 the job ended with {code}, and was{'' if queue.is_requeued() else ' not'} requeued"
    else:
        queue.preempt(process) if kind == 1 else queue.kill(process)
        if queue.is_requeued():
            return "a job that was cancelled or lost requeued itself"
    return ""

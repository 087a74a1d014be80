"""The queue: a job survives its worker, two never hold it at once, it can be stopped, and a full queue says so."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.jobs.folder import JobError, JobFolder, Order
from hub.jobs.lease import TABLE
from hub.jobs.queue import DONE, FAILED, RUNNING, STOPPED, WAITING, JobQueue, open_engine
from hub.jobs.supervisor import Supervisor
from hub.jobs.worker import LOST_CODE, WorkerSettings
from pgstalker.errors import EnvironmentMissing
from tests.hub import workers

LEASE_S = 3.0


class Shop:
    """A queue, its folder, and the workers of one test."""

    def __init__(self, root: Path, url: str | None = None):
        root.mkdir()
        self.settings = WorkerSettings(root, "cpu", url, LEASE_S)
        self.queue = JobQueue(self.settings.url, max_waiting=3)
        self._opened = []

    def order(self, title: str = "") -> JobFolder:
        upload = self.settings.root / "upload.mp4"
        upload.write_bytes(b"a video")
        job = JobFolder.create(self.settings.root, Order(title=title), upload)
        self.queue.put(job.id)
        return job

    def supervised(self, entry=workers.counting) -> Supervisor:
        self._opened.append(Supervisor(self.settings, entry))
        return self._opened[-1]

    def process(self, entry=workers.counting):
        process = multiprocessing.get_context("spawn").Process(target=entry, args=(self.settings,), daemon=True)
        process.start()
        process.close_now = lambda: (process.kill(), process.join())
        self._opened.append(process)
        return process

    def wait_for(self, job: JobFolder, *names: str, seconds: float = 40.0):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            state = self.queue.state(job.id)
            if state.name in names:
                return state
            time.sleep(0.05)
        raise AssertionError(f"after {seconds:g} s the job is {self.queue.state(job.id)}, not {names}")

    def wait_for_step(self, job: JobFolder, step: int) -> None:
        limit = time.monotonic() + 40
        while len(log_of(job)) <= step:
            assert time.monotonic() < limit, "the job does not go on"
            time.sleep(0.02)

    def pair(self) -> dict[str, multiprocessing.process.BaseProcess]:
        """Workers of two machines, both known to the queue, by what their names begin with."""
        both = {
            socket.gethostname(): self.process(workers.counting),
            "elsewhere": self.process(workers.counting_elsewhere),
        }
        limit, known = time.monotonic() + 60, 0
        while known < 2:
            assert time.monotonic() < limit, "the workers do not start"
            time.sleep(0.1)
            with open_engine(self.settings.url).connect() as connection:
                if sa.inspect(connection).has_table(TABLE.name):
                    known = connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar()
        return both

    def holder(self, job: JobFolder, both: dict[str, multiprocessing.process.BaseProcess]):
        """Which of them has the job."""
        name = self.queue.state(job.id).holder
        return next(process for host, process in both.items() if name.startswith(f"{host}-"))

    def close(self) -> None:
        for each in self._opened:
            getattr(each, "close_now", each.close)()
        self.queue.close()


def log_of(job: JobFolder) -> list[tuple[int, int, float]]:
    """(process, step, time) of each step that was begun."""
    path = job.path / "log"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(int(process), int(step), float(moment)) for process, step, moment in rows if moment]


def check_log(job: JobFolder) -> list[tuple[int, float, float]]:
    """Every step was done, none by two workers at once; returns (process, first moment, last moment) per stretch."""
    log, stretches = log_of(job), []
    for process, _, moment in log:
        if not stretches or stretches[-1][0] != process:
            stretches.append((process, moment, moment))
        stretches[-1] = (process, stretches[-1][1], moment)
    assert {step for _, step, _ in log} == set(range(workers.STEPS))
    assert len({process for process, *_ in stretches}) == len(stretches), "a worker came back to a job it had lost"
    assert len(log) <= workers.STEPS + len(stretches) - 1, "more than the step at hand was done again"
    return stretches


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path / "jobs")
    yield shop
    shop.close()


def test_a_job_goes_on_after_its_worker_is_killed(shop):
    supervisor = shop.supervised()
    job = shop.order()
    shop.wait_for_step(job, 5)
    os.kill(supervisor.pid, signal.SIGKILL)
    shop.wait_for(job, DONE)
    (_, _, lost), (_, found, _) = check_log(job)
    assert found - lost < 10  # the same worker starts again: no lease is waited for


@pytest.mark.fault
def test_a_lost_workers_job_returns_after_the_lease(shop):
    both = shop.pair()
    job = shop.order()
    shop.wait_for_step(job, 3)
    shop.holder(job, both).kill()
    shop.wait_for(job, DONE)
    (_, _, lost), (_, found, _) = check_log(job)
    assert found - lost > 0.6 * LEASE_S  # the last sign of life lies a little before the last step


@pytest.mark.fault
def test_a_worker_that_slept_through_its_lease_gives_up(shop):
    both = shop.pair()
    job = shop.order()
    shop.wait_for_step(job, 3)
    sleeper = shop.holder(job, both)
    put_to_sleep(sleeper, shop.settings.root / "queue.sqlite")
    before = len(log_of(job))
    shop.wait_for_step(job, before)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(20)
    assert sleeper.exitcode == LOST_CODE
    shop.wait_for(job, DONE)
    check_log(job)


def put_to_sleep(process, database: Path) -> None:
    """Stop a process while it does not hold the database's lock, which no machine that is lost could keep."""
    for _ in range(100):
        os.kill(process.pid, signal.SIGSTOP)
        try:
            with contextlib.closing(sqlite3.connect(database, timeout=0.5, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            return
        except sqlite3.OperationalError:
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.05)
    raise AssertionError("the worker holds the lock all the time")


@pytest.mark.fault
def test_one_device_has_one_worker(shop):
    job = shop.order()
    first, second = shop.process(), shop.process()
    shop.wait_for(job, DONE)
    check_log(job)
    assert first.is_alive() and second.is_alive()  # the second one waits for its place
    ((process, *_),) = check_log(job)
    (first if process == first.pid else second).kill()
    shop.wait_for(shop.order(), DONE)


def test_jobs_wait_their_turn_and_a_full_queue_says_so(shop):
    jobs = [shop.order(str(number)) for number in range(3)]
    assert [shop.queue.state(job.id).ahead for job in jobs] == [0, 1, 2]
    with pytest.raises(JobError, match=r"the queue is full \(3 avatars wait, at most 3\); try again later"):
        shop.order()
    shop.queue.stop(jobs[1].id)
    assert [shop.queue.state(job.id).name for job in jobs] == [WAITING, STOPPED, WAITING]
    shop.supervised()
    shop.wait_for(jobs[2], DONE)
    assert log_of(jobs[0])[-1][2] < log_of(jobs[2])[0][2] and not log_of(jobs[1])
    assert set(shop.queue.ended()) == {job.id for job in jobs}
    assert time.time() - shop.queue.state(jobs[2].id).ended_s < 10
    shop.queue.forget(jobs[0].id)
    assert shop.queue.state(jobs[0].id) is None


def test_a_running_job_is_stopped_and_resumed(shop):
    shop.supervised()
    job = shop.order()
    shop.wait_for_step(job, 4)
    shop.queue.stop(job.id)
    assert shop.queue.state(job.id).name == STOPPED
    time.sleep(1)
    done = len(log_of(job))
    time.sleep(0.5)
    assert len(log_of(job)) == done < workers.STEPS
    shop.queue.resume(job.id)
    assert shop.wait_for(job, RUNNING, DONE)
    shop.wait_for(job, DONE)
    assert [step for _, step, _ in log_of(job)] == list(range(workers.STEPS))
    shop.queue.stop(job.id)
    assert shop.queue.state(job.id).name == DONE  # what is over cannot be stopped


def test_a_failed_job_says_why_in_one_line(shop):
    shop.supervised()
    unfit, broken = shop.order("unfit"), shop.order("broken")
    assert shop.wait_for(unfit, FAILED).problem == "no face found in video; give a video of one person's face"
    problem = shop.wait_for(broken, FAILED).problem
    assert "secret" not in problem and f"in the log as {broken.id[:6]}" in problem


@pytest.mark.fault
def test_a_job_that_kills_its_workers_is_given_up(shop):
    shop.supervised(workers.soon_tired)
    job = shop.order("deadly")
    assert "the worker died at it again and again" in shop.wait_for(job, FAILED, seconds=60).problem


def test_a_machine_that_cannot_train_says_what_to_install(shop):
    shop.supervised(workers.unequipped)
    problem = shop.wait_for(shop.order(), FAILED).problem
    assert "making an avatar needs torch, mediapipe, which are not installed; run: " in problem
    assert problem.endswith("-m pip install -r requirements.txt")


def test_the_worker_ends_with_the_page(shop, tmp_path):
    supervisor = shop.supervised()
    shop.wait_for_step(shop.order(), 1)
    pid = supervisor.pid
    supervisor.close()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.fault
def test_a_killed_page_takes_its_worker_along_and_the_next_one_goes_on(shop):
    """The page's process is killed, so that it cannot end its worker; another page takes the job up."""
    job = shop.order()
    page = multiprocessing.get_context("spawn").Process(target=workers.page, args=(shop.settings,))
    page.start()
    shop.wait_for_step(job, 3)
    page.kill()
    page.join()
    time.sleep(1)
    done = len(log_of(job))
    time.sleep(1)
    assert len(log_of(job)) == done < workers.STEPS
    shop.supervised()
    shop.wait_for(job, DONE)
    assert len(check_log(job)) == 2


@pytest.mark.fault
def test_a_worker_is_started_by_hand(shop):
    """With the real job, whose video is no video."""
    job = shop.order()
    command = [sys.executable, "-m", "hub.jobs.worker", "--root", shop.settings.root, "--device", "cpu"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    try:
        assert shop.wait_for(job, FAILED).problem.startswith("video cannot be read as video or sound")
    finally:
        process.kill()
        process.wait()


def test_the_worker_as_a_program_starts_without_a_warning():
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "hub.jobs.worker", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0 and not done.stderr


@pytest.mark.parametrize("job_id", [None, "", "../../etc", "a" * 31, "A" * 32, "0" * 31 + "/", 7])
def test_what_is_no_job_id_touches_nothing(tmp_path, job_id):
    with pytest.raises(JobError, match="that is no job id"):
        JobFolder(tmp_path, job_id)


def test_a_queue_that_cannot_be_opened_is_one_line(tmp_path):
    for url in ("postgresql://me:secret@127.0.0.1:1/none", "nonsense", f"sqlite:///{tmp_path}/file/queue.sqlite"):
        (tmp_path / "file").touch()
        with pytest.raises(EnvironmentMissing, match=r"job queue .* cannot be opened") as caught:
            JobQueue(url)
        assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


# ---- the same on PostgreSQL, as workers on other machines would share it


def postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """The URL of a PostgreSQL server that runs while these tests do."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine; apt-get install postgresql")
    folder = Path("/tmp") / f"pgstalker-postgres-{os.getpid()}"  # a socket's path must be short
    folder.mkdir(mode=0o700)
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user:
        shutil.chown(folder, user)

    def run(*command):
        subprocess.run(command, user=user, check=True, capture_output=True, cwd="/", timeout=60)

    try:
        run(programs / "initdb", "-D", folder / "data", "-U", "me", "-A", "trust")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run(programs / "pg_ctl", "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start")
        yield f"postgresql://me@/postgres?host={folder}"
        run(programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shared_shop(postgres, tmp_path):
    shop = Shop(tmp_path / "jobs", postgres)
    yield shop
    shop.close()


@pytest.mark.fault
def test_workers_of_two_machines_share_one_queue(shared_shop):
    both = shared_shop.pair()
    jobs = [shared_shop.order(), shared_shop.order()]
    for job in jobs:
        shared_shop.wait_for_step(job, 1)
    lost, other = (shared_shop.holder(job, both) for job in jobs)
    assert lost is not other  # both were at work, each at its own
    lost.kill()
    for job in jobs:
        shared_shop.wait_for(job, DONE)
        check_log(job)
    assert len(check_log(jobs[0])) == 2

"""What every case stands on: private servers, measured processes, one folder that is gone afterwards."""
import atexit
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A case cannot go on: a program failed, or the sides are not equal."""


@dataclass
class Usage:
    """What a finished process took. Peak memory has this program's own (about 20 MiB) as its floor."""
    seconds: float
    cpu: float
    rss_mib: float
    out: str


@dataclass
class Result:
    """What a case found: a table for people, values for the goals, plots for the page."""
    title: str
    columns: list
    rows: list = field(default_factory=list)
    values: dict = field(default_factory=dict)
    plots: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def add(self, *cells):
        self.rows.append([one if isinstance(one, str) else number(one) for one in cells])

    def pairs(self, title, unit, **series):
        """A plot of each round of several contenders."""
        self.plots.append({"kind": "bars", "title": title, "unit": unit, "series": series})

    def lines(self, title, x, y, **series):
        """A plot of points (x, y), both axes logarithmic."""
        self.plots.append({"kind": "lines", "title": title, "x": x, "y": y, "series": series})

    def histogram(self, title, unit, **series):
        self.plots.append({"kind": "histogram", "title": title, "unit": unit, "series": series})


class Server:
    """A throw-away PostgreSQL on a socket in a folder of its own, with fsync; never runs as root."""

    def __init__(self, folder: Path, locale="C.UTF-8", settings=()):
        self.folder = folder
        self.bin = Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
        folder.mkdir()
        self.runner = []
        if os.geteuid() == 0:
            self.runner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres")
        self._do("initdb", "-D", f"{folder}/data", "-U", "lockstep", "-A", "trust", "-E", "UTF8", f"--locale={locale}")
        # A subscription that is enabled begins at once, not up to 5 s later: that pause is not what the bench measures.
        options = " ".join([f"-k {folder}", "-c listen_addresses=''", "-c wal_retrieve_retry_interval=100ms", *(f"-c {one}" for one in settings)])
        self._do("pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-w", "-o", options, "start")

    def _do(self, program, *arguments):
        done = subprocess.run([*self.runner, str(self.bin / program), *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, cwd="/")
        if done.returncode:
            raise Failed(f"{program}: {done.stderr}")

    def stop(self):
        subprocess.run([*self.runner, str(self.bin / "pg_ctl"), "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd="/")

    def uri(self, database):
        return f"postgresql://lockstep@/{database}?host={self.folder}"

    def conninfo(self, database):
        return f"host={self.folder} user=lockstep dbname={database}"

    def psql(self, database, *words):
        """Prints what psql prints; a failing statement fails the case."""
        done = subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", "lockstep", database, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"psql {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def sql(self, database, *statements):
        return self.psql(database, *(word for one in statements for word in ("-c", one)))

    def fresh(self, database, template=None):
        """An empty database, with nothing of what went before left to be written to disk."""
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database}",
                 f"CREATE DATABASE {database}" + (f" TEMPLATE {template}" if template else ""), "CHECKPOINT")

    def cpu(self):
        """CPU seconds of all its processes, of those that have ended too. Differences count."""
        tick, total, children = os.sysconf("SC_CLK_TCK"), 0, 0
        pid = int(self.sql("postgres", "SELECT pg_read_file('postmaster.pid')").split()[0])
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(entry) == pid or int(fields[1]) == pid:
                total += int(fields[11]) + int(fields[12])
            if int(entry) == pid:
                children = int(fields[13]) + int(fields[14])
        return (total + children) / tick


class Bench:
    """One run: where things are, how large, and what has to be ended."""

    def __init__(self, build: Path, sizes, pairs, seed, locale="C.UTF-8", accept_counts=False):
        self.build, self.sizes, self.pairs, self.seed, self.locale = build, sizes, pairs, seed, locale
        self.accept_counts = accept_counts
        self.work = Path(tempfile.mkdtemp(prefix="lockstep-bench."))
        self.work.chmod(0o711)
        self.env = {**os.environ, "XDG_CACHE_HOME": str(self.work / "cache")}
        for name in ("LOCKSTEP_SOURCE", "LOCKSTEP_TARGET", "LOCKSTEP_CONFIG"):
            self.env.pop(name, None)
        self.lockstep = str(build / "lockstep")
        self.load = str(build / "bench/bench-load")
        self.servers, self.children, self.cut = {}, [], None
        atexit.register(self.close)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: exit(128 + number))

    def end_children(self):
        """What a case that failed has left."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.children = []

    def close(self):
        self.end_children()
        for server in self.servers.values():
            server.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def tool(self, name):
        return str(self.build / "tests/tools" / f"lockstep-{name}")

    def server(self, name="target", settings=()):
        """Started when first asked for; others as they are installed, but for `settings`."""
        if name not in self.servers:
            unsafe = [] if self.sizes["judged"] else ["fsync=off"]
            self.servers[name] = Server(self.work / name, self.locale, [*settings, *unsafe])
        return self.servers[name]

    def rounds(self):
        """The rounds of a case in which lockstep and its peers take turns. A quick run stops early where they take long; it says so."""
        start = time.monotonic()
        for pair in range(self.pairs):
            if pair and self.sizes["budget"] and (time.monotonic() - start) * (pair + 1) / pair > self.sizes["budget"]:
                self.say(f"{pair} of {self.pairs} rounds: more would take over {self.sizes['budget']} s")
                self.cut = pair
                return
            yield pair

    def say(self, text):
        print(f"  {text}", flush=True)

    def measured(self, words, expect=(0,), cwd=None):
        """Runs it to its end and says what that took."""
        with tempfile.TemporaryFile("w+", dir=self.work) as out, tempfile.TemporaryFile("w+", dir=self.work) as err:
            start = time.monotonic()
            child = subprocess.Popen([str(one) for one in words], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                     env=self.env, cwd=cwd or self.work)
            self.children.append(child)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            self.children.remove(child)
            out.seek(0)
            err.seek(0)
            if child.returncode not in expect:
                raise Failed(f"{' '.join(map(str, words))}: exit {child.returncode}\n{err.read()}{out.read()}"[-3000:])
            return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())

    def start(self, words, **options):
        """A process that goes on; stop_child() or the end of the bench ends it."""
        log = open(self.work / f"log-{len(os.listdir(self.work))}", "w+", encoding="utf-8")
        child = subprocess.Popen([str(one) for one in words], env=self.env, cwd=self.work, text=True,
                                 **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options})
        child.log = log
        self.children.append(child)
        return child

    def stop_child(self, child, number=signal.SIGTERM):
        child.send_signal(number)
        child.wait(60)
        self.children.remove(child)

    def finish(self, child):
        """Closes the input of a child that reads it, and returns its last line as JSON."""
        out, _ = child.communicate(timeout=120)
        self.children.remove(child)
        if child.returncode:
            child.log.seek(0)
            raise Failed(f"{child.args}: exit {child.returncode} {child.log.read()}")
        return json.loads(out.strip().splitlines()[-1])

    def follow(self, source, target, *more):
        """`lockstep run`, once it has caught up."""
        child = self.start([self.lockstep, "run", source, target, "--quiet", *more])
        self.caught_up(source, child)
        return child

    def quiet(self):
        """A configuration: nothing is compared but what is asked for."""
        path = self.work / "quiet.json"
        path.write_text('{"version": 1, "verify": {"continuous": false}}', encoding="utf-8")
        path.chmod(0o600)
        return path

    def caught_up(self, source, child):
        while True:
            if child.poll() is not None:
                child.log.seek(0)
                raise Failed(f"lockstep run ended ({child.returncode}): {child.log.read()[-2000:]}")
            done = subprocess.run([self.lockstep, "wait", str(source), "--for", "caught-up", "--timeout", "120s"],
                                  env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                return

    def compare(self, source, server, database):
        """The comparer, which shares no code with lockstep: unequal fails the case."""
        self.measured([self.tool("compare"), source, server.conninfo(database)])

    def write(self, side, where, **options):
        """bench-load to its end; what it reports."""
        words = [self.load, side, where]
        for name, value in options.items():
            words += [f"--{name}"] if value is True else [f"--{name}", value]
        return json.loads(self.measured(words).out)


def number(value):
    """As people read it: three digits that count, thousands apart."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def spread(values):
    """Median, and from smallest to largest."""
    return f"{number(median(values))} ({number(min(values))}-{number(max(values))})"


def ratios(above, below):
    return [a / b for a, b in zip(above, below)]


def median(values):
    return statistics.median(values)


def drop(source: Path):
    """A SQLite database and what is beside it."""
    for path in source.parent.glob(source.name + "*"):
        path.unlink()


def copied(source: Path, name):
    """A copy of a database at rest."""
    target = source.parent / name
    drop(target)
    shutil.copyfile(source, target)
    return target


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

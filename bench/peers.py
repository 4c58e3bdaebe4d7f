"""What people would use instead: pgloader, psql's \\copy, PostgreSQL's own logical replication."""
import subprocess
import time

from harness import Failed, Usage


def pgloader(bench, source, server, database):
    """The whole job; pgloader ends with 0 even when rows were lost, so the caller counts them."""
    return bench.measured(["pgloader", "--root-dir", bench.work / "pgloader", f"sqlite://{source}",
                           f"postgresql://lockstep@unix:{server.folder}:5432/{database}"])


class CopyLimit:
    """What PostgreSQL alone takes: the schema, psql's \\copy of prepared binary files, the same keys and indexes in two sessions,
    ANALYZE. Taken apart from a database that lockstep made."""

    def __init__(self, bench, server, database):
        self.server, self.folder = server, bench.work / "limit"
        self.folder.mkdir(exist_ok=True)
        self.before = self._dump(database, "pre-data").replace("CREATE SCHEMA public;", "")
        after = [line for line in self._dump(database, "post-data").splitlines() if "_lockstep_guard" not in line]
        indexes = [line for line in after if line.startswith("CREATE ") and "INDEX " in line.split(" ON ")[0]]
        keys = [line for line in after if line and not line.startswith("--") and line not in indexes]
        (self.folder / "before.sql").write_text(self.before, encoding="utf-8")
        (self.folder / "indexes.sql").write_text("\n".join(indexes), encoding="utf-8")
        (self.folder / "keys.sql").write_text("\n".join(keys), encoding="utf-8")
        copies, self.bytes = [], 0
        for table in server.sql(database, "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'").splitlines():
            file = self.folder / f"{len(copies)}.bin"
            server.sql(database, f"\\copy public.{table} to '{file}' binary")
            self.bytes += file.stat().st_size
            copies.append(f"\\copy public.{table} from '{file}' binary")
        (self.folder / "copy.sql").write_text("\n".join(copies) + "\n", encoding="utf-8")

    def _dump(self, database, section):
        done = subprocess.run(["pg_dump", "-h", str(self.server.folder), "-U", "lockstep", "-n", "public", f"--section={section}", database],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"pg_dump: {done.stderr}")
        return done.stdout

    def run(self, database):
        """Seconds of the whole, into an empty database."""
        start = time.monotonic()
        self.server.psql(database, "-f", str(self.folder / "before.sql"))
        self.server.psql(database, "-f", str(self.folder / "copy.sql"))
        indexes = subprocess.Popen(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", str(self.server.folder), "-U", "lockstep", database,
                                    "-f", str(self.folder / "indexes.sql")], stdout=subprocess.DEVNULL)
        self.server.psql(database, "-f", str(self.folder / "keys.sql"))
        if indexes.wait():
            raise Failed("the indexes of the limit could not be made")
        self.server.sql(database, "ANALYZE")
        return Usage(time.monotonic() - start, 0, 0, "")


class Replication:
    """Logical replication of PostgreSQL as it comes: publisher on a second server, subscriber on the target's. Both begin with what
    lockstep copied of `source`."""

    def __init__(self, bench, source, name):
        from data import copied
        self.bench, self.name = bench, name
        self.publisher = bench.server("publisher", ["wal_level=logical"])
        self.subscriber = bench.server()
        for server in (self.publisher, self.subscriber):
            copy = copied(source, f"{name}-copy.db")
            server.fresh(name)
            bench.measured([bench.lockstep, "run", copy, server.uri(name), "--guard", "off", "--until", "caught-up"])
        self.publisher.sql(name, "CREATE PUBLICATION bench FOR TABLE ohlcv_data, ticks")
        self.subscriber.sql(name, f"CREATE SUBSCRIPTION {name} CONNECTION '{self.publisher.conninfo(name)}' PUBLICATION bench"
                            " WITH (copy_data = false)")
        self.caught_up()

    def pause(self):
        self.subscriber.sql(self.name, f"ALTER SUBSCRIPTION {self.name} DISABLE")

    def catch_up(self):
        """Seconds from ENABLE until everything is visible."""
        start = time.monotonic()
        self.subscriber.sql(self.name, f"ALTER SUBSCRIPTION {self.name} ENABLE")
        self.caught_up()
        return time.monotonic() - start

    def caught_up(self):
        """A row behind everything else is visible."""
        n = self.publisher.sql(self.name, "INSERT INTO ticks SELECT coalesce(max(n), 0) + 1, 0 FROM ticks RETURNING n")
        limit = time.monotonic() + 600
        while self.subscriber.sql(self.name, f"SELECT count(*) FROM ticks WHERE n = {n}") != "1":
            if time.monotonic() > limit:
                raise Failed("logical replication does not catch up")
            time.sleep(0.02)

    def equal(self):
        for query in ("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM ohlcv_data AS t", "SELECT count(*), sum(n) FROM ticks"):
            if self.publisher.sql(self.name, query) != self.subscriber.sql(self.name, query):
                raise Failed("publisher and subscriber are not equal")

    def drop(self):
        self.subscriber.sql(self.name, f"DROP SUBSCRIPTION {self.name}")
        self.subscriber.sql("postgres", f"DROP DATABASE {self.name}")
        self.publisher.sql("postgres", f"DROP DATABASE {self.name}")

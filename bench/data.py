"""Databases of the bench, the same for the same seed."""
import random
import sqlite3

from harness import copied

TICKS = "CREATE TABLE IF NOT EXISTS ticks(n INTEGER PRIMARY KEY, at_us INTEGER NOT NULL)"


def prices(bench, rows, ticks=True):
    """The price database with `rows` daily prices; made once, to be copied. `ticks`: with the table bench-load needs."""
    path = bench.work / f"prices-{rows}{'-ticks' if ticks else ''}.db"
    if path.exists():
        return path
    plain = bench.work / f"prices-{rows}.db"
    if not plain.exists():
        tickers = max(10, rows * 18661 // 926325)
        bench.measured([bench.tool("prices"), plain, "--tickers", tickers, "--rows", rows, "--seed", bench.seed])
    if ticks:
        copied(plain, path.name)
        with_sql(path, TICKS)
    return path


def with_sql(path, script):
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript(script)
    base.close()


def rows_of(path):
    """Rows of all tables of the application."""
    base = sqlite3.connect(path)
    names = [name for (name,) in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                                              " AND name NOT LIKE '\\_lockstep%' ESCAPE '\\'")]
    total = sum(base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)
    base.close()
    return total


def largest_row(path):
    """Bytes of the largest row's values, over all tables."""
    base = sqlite3.connect(path)
    most = 0
    for (name,) in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall():
        columns = [column for (_, column, *_) in base.execute(f'PRAGMA table_info("{name}")')]
        length = " + ".join(f'ifnull(length(CAST("{column}" AS BLOB)), 0)' for column in columns)
        most = max(most, base.execute(f'SELECT max({length}) FROM "{name}"').fetchone()[0] or 0)
    base.close()
    return most


def _fill(path, statements, rows):
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    for one in statements:
        base.execute(one)
    for sql, values in rows:
        base.executemany(sql, values)
    base.execute("COMMIT")
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    return path


def narrow(path, seed, count):
    dice = random.Random(seed)
    return _fill(path, ["CREATE TABLE narrow(id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)"],
                 [("INSERT INTO narrow VALUES (?, ?, ?)", ((i, dice.getrandbits(31), dice.getrandbits(15)) for i in range(1, count + 1)))])


def wide(path, seed, count):
    dice = random.Random(seed)
    columns = ", ".join(f"t{i} TEXT" for i in range(20))
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyzäöü한국", k=50)) for _ in range(1000)]
    marks = ", ".join("?" * 21)
    return _fill(path, [f"CREATE TABLE wide(id INTEGER PRIMARY KEY, {columns})"],
                 [(f"INSERT INTO wide VALUES ({marks})", ((i, *dice.choices(words, k=20)) for i in range(1, count + 1)))])


def blobs(path, seed, count):
    dice = random.Random(seed)
    return _fill(path, ["CREATE TABLE blobs(id INTEGER PRIMARY KEY, content BLOB)"],
                 [("INSERT INTO blobs VALUES (?, ?)", ((i, dice.randbytes(1 << 20)) for i in range(1, count + 1)))])


def composite(path, seed, count):
    dice = random.Random(seed)
    return _fill(path, ["CREATE TABLE composite(region TEXT NOT NULL, code TEXT NOT NULL, day TEXT NOT NULL, v REAL,"
                        " PRIMARY KEY (region, code, day)) WITHOUT ROWID"],
                 [("INSERT INTO composite VALUES (?, ?, ?, ?)",
                   ((f"region-{i % 17}", f"code-{i % 4999:05d}", f"day-{i:09d}", dice.random()) for i in range(count)))])


def many_tables(path, seed, count, rows=20):
    dice = random.Random(seed)
    return _fill(path, [f"CREATE TABLE t{t:03d}(id INTEGER PRIMARY KEY, name TEXT UNIQUE, v INTEGER)" for t in range(count)],
                 [(f"INSERT INTO t{t:03d} VALUES (?, ?, ?)", [(i, f"name {i}", dice.getrandbits(20)) for i in range(rows)])
                  for t in range(count)])


def least_triggers(path, tables):
    """What no trigger that logs a change can do with less: one integer into a table of its own."""
    with_sql(path, "CREATE TABLE _least(id INTEGER PRIMARY KEY, key INTEGER);"
             + "".join(f'CREATE TRIGGER _least_{table} AFTER UPDATE ON "{table}" BEGIN INSERT INTO _least(key) VALUES (NEW.id); END;' for table in tables))


def image_triggers(path, tables):
    """What tools do that log both images of each row as JSON: not lockstep's way; for comparison."""
    base = sqlite3.connect(path)
    script = ["CREATE TABLE _images(id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT, op TEXT, old TEXT, new TEXT,"
              " at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')));"]
    for table in tables:
        columns = [column for (_, column, *_) in base.execute(f'PRAGMA table_info("{table}")')]

        def image(row, names=tuple(columns)):
            return "json_object(" + ", ".join(f"'{name}', {row}.\"{name}\"" for name in names) + ")"

        for op, old, new in (("INSERT", "NULL", image("NEW")), ("UPDATE", image("OLD"), image("NEW")), ("DELETE", image("OLD"), "NULL")):
            script.append(f'CREATE TRIGGER _image_{table}_{op} AFTER {op} ON "{table}" BEGIN'
                          f" INSERT INTO _images(tbl, op, old, new) VALUES ('{table}', '{op}', {old}, {new}); END;")
    base.close()
    with_sql(path, "\n".join(script))

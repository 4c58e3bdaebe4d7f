"""errors.py FILE DSN: what Python's libraries say when a write is refused on either side. Behind it: one line of JSON."""
import json
import sqlite3
import sys

import psycopg2
import sqlalchemy

FILE, DSN = sys.argv[1:]
WRITE = "INSERT INTO notes VALUES ('refused', 'x')"


def seen(write):
    try:
        write()
    except Exception as error:
        kind = type(error)
        cause = getattr(error, "orig", error)
        return {
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "text": str(error),
            "cause": str(cause),
            "name": getattr(cause, "sqlite_errorname", None),
            "state": getattr(cause, "pgcode", None),
        }
    return None


def by_engine(url, creator=None):
    engine = sqlalchemy.create_engine(url, **({"creator": creator} if creator else {}))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(WRITE))


def in_transaction():
    database = sqlite3.connect(FILE, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    found = seen(lambda: database.execute(WRITE))
    return {"refused": found is not None, "open": database.in_transaction}


def by_psycopg2():
    with psycopg2.connect(DSN) as connection, connection.cursor() as cursor:
        cursor.execute(WRITE)


lite = sqlite3.connect(FILE, isolation_level=None)
print(json.dumps({
    "sqlite3": seen(lambda: lite.execute(WRITE)),
    "ignore": seen(lambda: lite.execute(WRITE.replace("INSERT", "INSERT OR IGNORE"))),
    "sqlite3_transaction": in_transaction(),
    "sqlalchemy_sqlite": seen(lambda: by_engine(f"sqlite:///{FILE}")),
    "psycopg2": seen(by_psycopg2),
    "sqlalchemy_postgres": seen(lambda: by_engine("postgresql+psycopg2://", lambda: psycopg2.connect(DSN))),
}))

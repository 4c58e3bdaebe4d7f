# Behind the Python of ops/SWITCHING.md: writer.py NAME FILE DSN writes orders through switching() until its input ends; one line of JSON.
import select, sqlite3, sys

import psycopg2

name, file, dsn = sys.argv[1:]
connections = {"sqlite": sqlite3.connect(file, timeout=5), "postgres": psycopg2.connect(dsn)}
marks = {"sqlite": "?", "postgres": "%s"}
acknowledged = {"sqlite": 0, "postgres": 0}
number = 0
while not select.select([sys.stdin], [], [], 0.003)[0]:
    def attempt(where):
        with connections[where] as database:
            database.cursor().execute(f"INSERT INTO orders(token, n) VALUES ({marks[where]}, 1)", (f"{name}-{number}",))
        return where
    acknowledged[switching(attempt)] += 1
    number += 1
print(json.dumps(acknowledged))

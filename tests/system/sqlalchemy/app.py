"""app.py WHAT [SIDE]: what the test does with the application, through the ORM alone. Prints JSON.

fill SIDE: rows with values that databases disagree about. write: keeps writing where the writers are until its input
ends. equal: reads every object of every model from both sides. use SIDE: creates, filters, orders, aggregates.
"""
import datetime as dt
import json
import os
import select
import sys
import uuid
import warnings
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import func
from sqlalchemy.orm import Session

warnings.simplefilter("ignore")  # Decimal goes into SQLite as a float
import models
from models import ALL, CLOCKS, SECOND, Person, Sample, Setting, State, Token, knows
from switching import engines, transact


# As applications do that keep UTC and let SQLite check what they reference.
@sa.event.listens_for(engines["sqlite"], "connect")
def foreign_keys(connection, _):
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 20000")


@sa.event.listens_for(engines["postgres"], "connect")
def utc(connection, _):
    with connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
    connection.commit()


UTC = dt.timezone.utc
HOSTILE = [
    dict(small=1, whole=2, big=3, price=Decimal("12.30"), rate=Decimal("1.5"), ratio=1.0, text="plain"),
    dict(small=-32768, whole=-2**31, big=-2**63, maybe=False, born=dt.date(1, 1, 1), at=dt.datetime(1, 1, 1),
         zoned=dt.datetime(1, 1, 1, tzinfo=UTC), opens=dt.time(0), took=dt.timedelta(0), price=Decimal("0.00"),
         rate=Decimal("-0.000001"), ratio=5e-324, data={}, blob=b"", pickled={}, state=State.draft, kind="old",
         token=uuid.UUID(int=0), text="", wide=""),
    dict(small=29999, whole=2**31 - 1, big=2**63 - 1, maybe=True, born=dt.date(9999, 12, 31),
         at=dt.datetime(9999, 12, 31, 23, 59, 59, 999999), zoned=dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
         opens=dt.time(23, 59, 59, 999999), took=dt.timedelta(days=20000, microseconds=1), price=Decimal("9999999999.99"),
         rate=Decimal("123456789.125"), ratio=1.7976931348623157e308, data=[2**53, 1e-7, -0.5, None, "é\u2028"],
         blob=bytes(range(256)), pickled=[1, {"a": (2, 3)}], state=State.sent, token=uuid.UUID(int=2**128 - 1),
         text="Zoë 😀 'quoted' \"\\ %s :x\n", wide="\u0001\t "),
    dict(born=dt.date(1900, 3, 1), at=dt.datetime(1969, 12, 31, 23, 59, 59, 999999), ratio=-0.1, data="a string",
         zoned=dt.datetime(2024, 2, 29, 12, tzinfo=UTC), took=dt.timedelta(microseconds=-1), opens=dt.time(9, 30, 0, 5)),
    dict(at=dt.datetime(2038, 1, 19, 3, 14, 8), took=dt.timedelta(days=-1000, hours=5), data=[0], maybe=None, kind=None),
    dict(data=None, took=dt.timedelta(hours=36), price=Decimal("0.10"), rate=Decimal("100"), ratio=3.0),
]


def mapped(values):
    return {name: value for name, value in values.items() if CLOCKS or name not in ("opens", "took")}


def sample(n, **more):
    return Sample(**mapped({**HOSTILE[n % len(HOSTILE)], **more}))


def fill(side):
    with Session(engines[side]) as session, session.begin():
        ada, bob = Person(name="ada"), Person(name="Bob", active=False)
        ada.known.append(bob)
        session.add_all([ada, bob])
        for n in range(len(HOSTILE)):
            session.add(sample(n, person=ada))
        session.add(sample(0, person=bob, token=uuid.uuid4()))
        session.add_all([Setting(scope="a", key=str(n), value=v) for n, v in enumerate([None, {"x": [1.5]}, True, "s"])])
        session.add_all([Token(id=uuid.uuid4(), note="n%d" % n) for n in range(3)])
    return {}


def step(session, n):
    person = Person(name="person %d %d" % (os.getpid(), n), active=n % 2 == 0)
    person.samples = [sample(n, token=uuid.uuid4()), sample(n + 1, token=None)]
    session.add(person)
    session.add(Token(id=uuid.uuid4(), note=None))
    session.flush()
    if CLOCKS:
        person.samples[1].took = dt.timedelta(microseconds=n)
    person.samples[1].state = State.sent
    if SECOND:
        person.nick = "n%d" % n
        person.samples[0].kind = "odd"
        session.add(models.Later(at=dt.datetime.utcnow(), done=n % 3 == 0))
    if n % 4 == 0:
        for gone in session.query(Person).filter(Person.name == "person %d %d" % (os.getpid(), n - 2)):
            session.delete(gone)  # and its samples, by the database
    session.merge(Setting(scope="n", key=str(n % 5), value={"n": n}))
    return "sqlite" if session.get_bind().dialect.name == "sqlite" else "postgres"


def write():
    wrote, n = {"sqlite": 0, "postgres": 0}, 1
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        wrote[transact(lambda session: step(session, n))] += 1
        n += 1
    return wrote


# SQLite has no zones: SQLAlchemy leaves them out there, and gives naive times back.
def plain(value):
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, dt.datetime) and value.tzinfo else value


def objects(model, side):
    with Session(engines[side]) as session:
        keys = [column.key for column in sa.inspect(model).column_attrs]
        return {str(sa.inspect(each).identity): {k: (type(getattr(each, k)).__name__, plain(getattr(each, k))) for k in keys}
                for each in session.query(model)}


def equal():
    counts, differences = {}, []
    for model in ALL:
        one, other = objects(model, "sqlite"), objects(model, "postgres")
        counts[model.__name__] = len(one)
        for key in one.keys() | other.keys():
            if key not in one or key not in other:
                differences.append("%s %s: only on one side" % (model.__name__, key))
                continue
            differences += ["%s %s %s: %s and %s" % (model.__name__, key, name, one[key][name], other[key][name])
                            for name in one[key] if one[key][name] != other[key][name]]
    pairs = []
    for side in ("sqlite", "postgres"):
        with engines[side].connect() as connection:
            pairs.append(sorted(tuple(row) for row in connection.execute(knows.select())))
    if pairs[0] != pairs[1]:
        differences.append("knows: %s and %s" % tuple(pairs))
    return {"objects": counts, "differences": differences}


def use(side):
    """What applications ask for, of each kind of column; every answer the same on every database."""
    with Session(engines[side]) as session, session.begin():
        person = Person(name="by us")
        new = Sample(**mapped(dict(person=person, small=5, whole=6, big=2**40, maybe=True, born=dt.date(2024, 5, 6),
                     at=dt.datetime(2024, 5, 6, 7, 8, 9, 10), zoned=dt.datetime(2024, 5, 6, 7, tzinfo=UTC),
                     opens=dt.time(7, 8, 9, 10), took=dt.timedelta(days=1, hours=2), price=Decimal("2.50"),
                     rate=Decimal("0.5"), ratio=0.25, data={"k": {"n": [1, 2]}}, blob=b"\0\xff", pickled=(1, 2),
                     state=State.sent, kind="old", token=uuid.UUID(int=7), text="used", wide="é")))
        session.add(new)
        session.flush()
        session.refresh(new)
        count = lambda *filters: session.query(Sample).filter(*filters).count()
        mine = Sample.id == new.id
        answers = {
            "small": count(Sample.small == 5, Sample.whole > 5, Sample.big == 2**40, mine),
            "maybe": count(Sample.maybe.is_(True), mine),
            "not": count(sa.not_(Sample.maybe), mine),
            "born": count(Sample.born == dt.date(2024, 5, 6)),
            "year": count(sa.extract("year", Sample.born) == 2024, mine),
            "at": count(Sample.at == new.at, Sample.at < dt.datetime(2025, 1, 1)),
            "hour": count(sa.extract("hour", Sample.at) == 7, mine),
            "price": count(Sample.price == Decimal("2.50"), Sample.price > 2),
            "rate": count(Sample.rate < 1, mine),
            "ratio": count(Sample.ratio == 0.25),
            "data": count(Sample.data["k"]["n"][1].as_integer() == 2),
            "blob": count(Sample.blob == b"\0\xff"),
            "state": count(Sample.state == State.sent, mine),
            "kind": count(Sample.kind == "old", mine),
            "token": count(Sample.token == uuid.UUID(int=7)),
            "text": count(Sample.text.like("us%"), sa.func.lower(Sample.text) == "used"),
            "joined": session.query(Sample).join(Person).filter(Person.name == "by us").count(),
            "sum": str(session.query(func.sum(Sample.price)).filter(mine).scalar()),
            "max": session.query(func.max(Sample.at)).filter(mine).scalar().isoformat(),
            "order": [s.text for s in session.query(Sample).join(Person).filter(Person.name == "ada", Sample.price != None)
                      .order_by(Sample.price.desc())],
            "back": [str(plain(getattr(new, k.key))) for k in sa.inspect(Sample).column_attrs
                     if k.key not in ("id", "person_id", "rate")] + [str(new.rate.normalize())],
            "since": abs((person.since - dt.datetime.utcnow()).total_seconds()) < 100,
        }
        if CLOCKS:
            answers["opens"] = count(Sample.opens == dt.time(7, 8, 9, 10), Sample.opens < dt.time(8), mine)
            answers["took"] = count(Sample.took == dt.timedelta(days=1, hours=2), Sample.took > dt.timedelta(hours=25))
        session.delete(person)
        session.flush()
        answers["gone"] = count(mine)
    return answers


what, *side = sys.argv[1:]
print(json.dumps({"fill": fill, "write": write, "equal": equal, "use": use}[what](*side), default=str))

"""tour.py WHAT [SIDE]: what the test does with the application, through the ORM alone. Prints JSON.

fill SIDE: rows with values that databases disagree about. write: keeps writing where the writers are until its input
ends. equal: reads every object of every model from both sides. use SIDE: creates, filters, orders, aggregates.
"""
import datetime as dt
import json
import math
import os
import select
import sys
import uuid
from decimal import Decimal

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
import django

django.setup()

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import models, transaction
from django.db.models import Avg, Count, F, Max, Sum
from django.db.models.functions import ExtractYear, Lower, TruncDay
from django.utils import timezone
from shop import models as shop
from shop.models import Author, Editor, Numbered, Profile, Tag, Work
from switching import chosen, transact

UTC = dt.timezone.utc
HOSTILE = [
    dict(title="plain", price=Decimal("12.30"), at=dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    dict(title="least", price=Decimal("0.00"), rate=Decimal("-0.000001"), ratio=5e-324, born=dt.date(1, 1, 1),
         at=dt.datetime(1, 1, 1, tzinfo=UTC), opens=dt.time(0, 0), took=dt.timedelta(microseconds=-1), data={}, blob=b"",
         ip="0.0.0.0", maybe=False, token=uuid.UUID(int=0)),
    dict(title="most", price=Decimal("9999999999.99"), rate=Decimal("999.999999"), ratio=1.7976931348623157e308,
         born=dt.date(9999, 12, 31), at=dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
         opens=dt.time(23, 59, 59, 999999), took=dt.timedelta(days=99999, microseconds=1), data=[2**53, 1e-7, -0.5],
         blob=bytes(range(256)), ip="ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", maybe=True, token=uuid.UUID(int=2**128 - 1)),
    dict(title="Zoë 😀 'quoted' \"\\ %s\n", text="\u0001\t ", price=1, rate=1, ratio=math.inf,
         at=dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), data=[None, "é\u2028", {"a": [True, 1.5]}],
         ip="::ffff:10.0.0.1", opens=dt.time(9, 30, 0, 500000), took=dt.timedelta(hours=36)),
    dict(title=" ", price=Decimal("0.10"), ratio=-0.1, at=dt.datetime(2024, 2, 29, tzinfo=UTC), ip="::1",
         took=dt.timedelta(0), data="a string"),
    dict(title="null", price=Decimal("100"), ratio=3.0, at=dt.datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), data=0,
         born=dt.date(1900, 3, 1), ip="2001:db8::ff00:42:8329"),
]


def fill(side):
    with transaction.atomic(using=side):
        ada, bob = (Author.objects.create(name=n, email=f"{n}@example.org") for n in ("ada", "Bob"))
        ada.knows.add(bob)
        Editor.objects.create(name="ed", since=dt.date(2020, 2, 29))
        Profile.objects.create(author=ada, site="https://example.org/é?a=1&b=2", settings={"b": 1, "a": [1.10]})
        Profile.objects.create(author=bob, site=None)
        tags = [Tag.objects.create(slug=s) for s in ("new", "old")]
        parent = None
        for n, values in enumerate(HOSTILE):
            parent = Work.objects.create(author=ada, editor=bob if n % 2 else None, parent=parent, done=n % 3 == 0,
                                                     **values)
            parent.tags.set(tags[: n % 3])
        Numbered.objects.create(code="least", small=-32768, whole=-2**31, big=-2**63)
        Numbered.objects.create(code="most", small=32767, positive=2**31 - 1, positive_small=32767,
                                            positive_big=2**63 - 1, whole=2**31 - 1, big=2**63 - 1)
        user = User.objects.create_user("root", "root@example.org", "secret", last_login=timezone.now())
        user.groups.add(Group.objects.create(name="staff"))
        user.user_permissions.set(Permission.objects.all()[:3])
    return {"works": Work.objects.count()}


def step(n):
    """One transaction of the application's; where it wrote."""
    author = Author.objects.create(name=f"author {os.getpid()} {n}")
    values = dict(HOSTILE[n % len(HOSTILE)], token=uuid.uuid4(), title=f"work {n}")
    work = Work.objects.create(author=author, **values)
    work.tags.add(*Tag.objects.order_by("?")[:1])
    Work.objects.bulk_create([Work(author=author, title=f"{n} {i}", price=i, at=timezone.now()) for i in range(3)])
    work.price = F("price") + 0
    work.took = dt.timedelta(microseconds=n)
    if shop.SECOND:
        author.note, author.joined = "n%d" % n, timezone.now()
        author.save()
        work.rate, work.price = Decimal("123456.654321"), Decimal("-5.00")
        shelf = shop.Shelf.objects.create(name=str(n), filled=timezone.now())
        shelf.works.add(work)
    work.save()
    if n % 3 == 0:
        Work.objects.filter(author=author, price=1).delete()
    if n % 5 == 0:
        Author.objects.filter(name=f"author {os.getpid()} {n - 2}").delete()  # and its works
    if n % 7 == 0:
        session = SessionStore()
        session["n"] = n
        session.save()
    return author._state.db


def write():
    wrote = {"sqlite": 0, "postgres": 0}
    n = 1
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        wrote[transact(lambda: step(n))] += 1
        n += 1
    return wrote


def plain(value):
    return bytes(value) if isinstance(value, memoryview) else value


def objects(model, side):
    """Every object by its key, every field as the application gets it, many-to-many ones as well."""
    found = {}
    chosen.set(side)
    for each in model._base_manager.all():
        values = {f.attname: plain(getattr(each, f.attname)) for f in model._meta.concrete_fields}
        for field in model._meta.local_many_to_many:
            values[field.name] = sorted(getattr(each, field.name).values_list("pk", flat=True))
        found[each.pk] = {name: (type(value).__name__, value) for name, value in values.items()}
    return found


def equal():
    counts, differences = {}, []
    for model in apps.get_models(include_auto_created=True):
        one, other = objects(model, "sqlite"), objects(model, "postgres")
        counts[model._meta.label] = len(one)
        for key in one.keys() | other.keys():
            if key not in one or key not in other:
                differences.append(f"{model._meta.label} {key}: only on one side")
                continue
            differences += [f"{model._meta.label} {key} {name}: {one[key][name]} and {other[key][name]}"
                            for name in one[key] if one[key][name] != other[key][name]]
    return {"objects": counts, "differences": differences}


def use(side):
    """What applications ask for, of each kind of field; every answer the same on every database."""
    works = Work.objects
    new = works.create(author=Author.objects.create(name="by " + side), title="used", price=Decimal("2.50"),
                       at=dt.datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC), born=dt.date(2024, 5, 6), opens=dt.time(7, 8, 9, 10),
                       took=dt.timedelta(days=1, hours=2), data={"k": {"n": [1, 2]}}, blob=b"\0\xff", ip="10.1.2.3",
                       token=uuid.UUID(int=7), ratio=0.25, maybe=True, rate=Decimal("0.5"))
    new.tags.add(Tag.objects.create(slug="by-" + side))
    again = works.get(pk=new.pk)
    answers = {
        "price": works.filter(price=Decimal("2.50"), price__gt=2).count(),
        "rate": works.filter(rate__lt=1, pk=new.pk).count(),
        "ratio": works.filter(ratio=0.25).count(),
        "born": works.filter(born=dt.date(2024, 5, 6), born__year=2024, born__week_day=2).count(),
        "at": works.filter(at=new.at, at__hour=7, at__gte=dt.datetime(2024, 5, 6, tzinfo=UTC)).count(),
        "opens": works.filter(opens=new.opens, opens__lt=dt.time(8)).count(),
        "took": works.filter(took=new.took, took__gt=dt.timedelta(hours=25)).count(),
        "data": works.filter(data__k__n__1=2).count(),
        "data has": works.filter(data__has_key="k").count(),
        "data is": works.filter(data={"k": {"n": [1, 2]}}).count(),
        "blob": works.filter(blob=b"\0\xff").count(),
        "ip": works.filter(ip="10.1.2.3").count(),
        "ip starts": works.filter(ip__startswith="10.1.").count(),
        "token": works.filter(token=uuid.UUID(int=7), pk=new.pk).count(),
        "maybe": works.filter(maybe=True, done=False, pk=new.pk).count(),
        "title": works.filter(title__iexact="USED", title__startswith="us").count(),
        "joined": works.filter(author__name="by " + side, tags__slug="by-" + side).count(),
        "F": works.filter(at__gt=F("at") - dt.timedelta(days=1), pk=new.pk).count(),
        "sum": str(works.filter(pk=new.pk).aggregate(s=Sum("price"))["s"].normalize()),
        "average": works.filter(pk=new.pk).aggregate(a=Avg("took"))["a"].total_seconds(),
        "years": list(works.filter(pk=new.pk).annotate(y=ExtractYear("born")).values_list("y", flat=True)),
        "days": [str(d) for d in works.filter(pk=new.pk).dates("born", "month")],
        "day": works.annotate(d=TruncDay("at")).filter(d=dt.datetime(2024, 5, 6, tzinfo=UTC), pk=new.pk).count(),
        "group": works.values("done").annotate(n=Count("pk")).count(),
        "lower": Author.objects.annotate(l=Lower("name")).filter(l="bob").count(),
        "order": [w.title for w in works.filter(price__gte=9, author__name="ada").order_by("-price", "took", "ip")],
        "max": works.filter(pk=new.pk).aggregate(m=Max("at"))["m"].isoformat(),
        "back": all(plain(getattr(again, f.attname)) == getattr(new, f.attname) for f in Work._meta.concrete_fields),
        "ids": Author.objects.filter(pk__gt=0).count() == Author.objects.count(),
    }
    new.author.delete()  # and the work with it
    answers["gone"] = works.filter(pk=new.pk).count()
    Tag.objects.filter(slug="by-" + side).delete()
    return answers


def count(side):
    return {"authors": Author.objects.count()}


what, *side = sys.argv[1:]
if side:
    chosen.set(side[0])  # whatever the route says
print(json.dumps({"fill": fill, "write": write, "equal": equal, "use": use, "count": count}[what](*side), default=str))

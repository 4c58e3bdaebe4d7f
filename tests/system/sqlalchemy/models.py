"""Every column type of SQLAlchemy that SQLite and PostgreSQL both have, as its documentation declares them."""
import enum
import os
import uuid

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import backref, declarative_base, relationship

# Times of a day and intervals are texts and instants where lockstep made the tables (ops/README.md).
CLOCKS = os.environ.get("SHOP_CLOCKS") == "1"
SECOND = os.environ.get("SHOP_RELEASE") == "2"  # the application's next release, with a migration

naming = {"ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_name)s",
          "ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s",
          "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"}
Base = declarative_base(metadata=sa.MetaData(naming_convention=naming))


class GUID(sa.types.TypeDecorator):
    """The recipe of SQLAlchemy's documentation: Uuid came with 2.0."""
    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else sa.CHAR(32))

    def process_bind_param(self, value, dialect):
        return None if value is None else str(value) if dialect.name == "postgresql" else value.hex

    def process_result_value(self, value, dialect):
        return None if value is None else uuid.UUID(value)


class State(enum.Enum):
    draft = 1
    sent = 2


knows = sa.Table("knows", Base.metadata,
                 sa.Column("one", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
                 sa.Column("other", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True))


class Person(Base):
    __tablename__ = "person"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, unique=True)
    active = sa.Column(sa.Boolean, nullable=False, default=True)
    since = sa.Column(sa.DateTime, server_default=sa.func.now())
    if SECOND:
        nick = sa.Column(sa.String(20), index=True)
    known = relationship("Person", secondary=knows, primaryjoin=id == knows.c.one, secondaryjoin=id == knows.c.other)


class Sample(Base):
    __tablename__ = "sample"
    id = sa.Column(sa.Integer, primary_key=True)
    person_id = sa.Column(sa.ForeignKey("person.id", ondelete="CASCADE"), nullable=False, index=True)
    small = sa.Column(sa.SmallInteger)
    whole = sa.Column(sa.Integer)
    big = sa.Column(sa.BigInteger)
    maybe = sa.Column(sa.Boolean)
    born = sa.Column(sa.Date, index=True)
    at = sa.Column(sa.DateTime)
    zoned = sa.Column(sa.DateTime(timezone=True))
    if CLOCKS:
        opens = sa.Column(sa.Time)
        took = sa.Column(sa.Interval)
    price = sa.Column(sa.Numeric(12, 2))
    rate = sa.Column(sa.Numeric)
    ratio = sa.Column(sa.Float)
    data = sa.Column(sa.JSON)
    blob = sa.Column(sa.LargeBinary)
    pickled = sa.Column(sa.PickleType)
    state = sa.Column(sa.Enum(State, name="state"))
    kind = sa.Column(sa.Enum(*(["new", "old", "odd"] if SECOND else ["new", "old"]), name="kind", native_enum=False,
                             create_constraint=True, length=8), server_default="new")
    token = sa.Column(GUID, unique=True)
    text = sa.Column(sa.Text if SECOND else sa.String(200))
    wide = sa.Column(sa.UnicodeText)
    person = relationship(Person, backref=backref("samples", cascade="all", passive_deletes=True))
    __table_args__ = (sa.CheckConstraint("small < 30000", name="small_enough"),)


class Setting(Base):
    __tablename__ = "setting"
    scope = sa.Column(sa.String(20), primary_key=True)
    key = sa.Column(sa.String(20), primary_key=True)
    value = sa.Column(sa.JSON(none_as_null=True))


class Token(Base):
    __tablename__ = "token"
    id = sa.Column(GUID, primary_key=True)
    note = sa.Column(sa.Text)


if SECOND:
    class Later(Base):
        __tablename__ = "later"
        id = sa.Column(sa.Integer, primary_key=True)
        at = sa.Column(sa.DateTime)
        done = sa.Column(sa.Boolean)

ALL = [Person, Sample, Setting, Token] + ([Later] if SECOND else [])

#include "link/postgres/dsn.hpp"

#include <catch2/catch.hpp>

#include "model/error.hpp"

using lockstep::Error;
using lockstep::ExitCode;
using lockstep::postgres::Dsn;
using lockstep::postgres::parse_dsn;
using lockstep::postgres::redacted;

namespace {

const std::string kCanary = "c4n4ryS3cret";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Everything of `dsn` that may be shown or stored.
std::string public_text(const Dsn& dsn) {
  std::string text = dsn.shown() + "\n" + dsn.without_secrets() + "\n" + dsn.schema;
  for (const std::string& note : dsn.notes) text += "\n" + note;
  return text;
}

std::string all_text(const Error& error) {
  const auto& facts = error.facts();
  return facts.code + facts.what + facts.why + facts.data + facts.todo + facts.foreign +
         error.what();
}

/// The code of the refusal; "accepted" if there was none.
std::string refusal(const std::string& text) {
  try {
    const Dsn dsn = parse_dsn(text);
    CHECK_FALSE(contains(public_text(dsn), kCanary));
    return "accepted";
  } catch (const Error& error) {
    CHECK(error.facts().exit == ExitCode::usage);
    CHECK_FALSE(contains(all_text(error), kCanary));
    CHECK_FALSE(error.facts().todo.empty());
    return error.code();
  }
}

}  // namespace

TEST_CASE("a URL becomes libpq's keywords, decoded") {
  const Dsn dsn =
      parse_dsn("postgresql://ow%40ner:p%40ss%2Fw@db.internal:5433/sh%20op?sslmode=require");
  CHECK(dsn.parameter("user") == "ow@ner");
  CHECK(dsn.parameter("password") == "p@ss/w");
  CHECK(dsn.parameter("host") == "db.internal");
  CHECK(dsn.parameter("port") == "5433");
  CHECK(dsn.parameter("dbname") == "sh op");
  CHECK(dsn.parameter("sslmode") == "require");
  CHECK(dsn.parameter("nothing").empty());
  CHECK(dsn.notes.empty());
  CHECK(dsn.shown() == "db.internal:5433/sh op as ow@ner");
}

TEST_CASE("hosts of a URL may be many, IPv6 or a socket directory") {
  const Dsn many = parse_dsn("postgres://one:5432,two,[::1]:5434/shop");
  CHECK(many.parameter("host") == "one,two,::1");
  CHECK(many.parameter("port") == "5432,,5434");
  CHECK(parse_dsn("postgres://[2001:db8::7]/shop").shown() == "[2001:db8::7]/shop");
  CHECK(parse_dsn("postgresql://%2Fvar%2Frun%2Fpostgresql/shop").parameter("host") ==
        "/var/run/postgresql");
  CHECK(parse_dsn("postgresql:///shop").shown() == "local socket/shop");
  CHECK(parse_dsn("postgresql:///shop?user=me@example.com").parameter("user") == "me@example.com");
}

TEST_CASE("the socket of Cloud SQL in ?host= is kept and replaces the host of the URL") {
  const Dsn dsn = parse_dsn("postgresql://u:p@localhost/shop?host=/cloudsql/proj:eu-west1:main");
  CHECK(dsn.parameter("host") == "/cloudsql/proj:eu-west1:main");
  CHECK(dsn.shown() == "/cloudsql/proj:eu-west1:main/shop as u");
}

TEST_CASE("a driver in the scheme is dropped with a note") {
  for (const std::string driver : {"psycopg2", "psycopg", "asyncpg", "pg8000", "psycopg2cffi"}) {
    const Dsn dsn = parse_dsn("postgresql+" + driver + "://u:p@h/shop");
    CHECK(dsn.parameter("host") == "h");
    CHECK(dsn.parameter("dbname") == "shop");
    REQUIRE(dsn.notes.size() == 1);
    CHECK(contains(dsn.notes[0], "+" + driver));
  }
  CHECK(parse_dsn("postgis://u@h/geo").parameter("dbname") == "geo");
  CHECK(parse_dsn("PostgreSQL://u@h/shop").parameter("dbname") == "shop");
  CHECK(parse_dsn("jdbc:postgresql://h/shop?user=u&password=x").parameter("user") == "u");
}

TEST_CASE("parameters of ORMs are dropped, each with a note") {
  const Dsn dsn = parse_dsn(
      "postgresql://u:p@h/shop?pool=5&pool_size=9&max_overflow=2&pool_pre_ping=true"
      "&connection_limit=1&statement_cache_size=0&prepared_statements=false&pgbouncer=true"
      "&socket_timeout=3&encoding=unicode&adapter=postgis&pool_timeout=10&currentSchema=x");
  CHECK(dsn.parameters.size() == 4);
  CHECK(dsn.notes.size() == 13);
  CHECK(dsn.notes[0] == "pool=5 belongs to your ORM; libpq does not know it");
  const Dsn pairs = parse_dsn("host=h pool=5 dbname=shop");
  CHECK(pairs.parameters.size() == 2);
  CHECK(pairs.notes.size() == 1);
}

TEST_CASE("Prisma's schema and sslaccept and everybody's ssl mean something") {
  const Dsn prisma =
      parse_dsn("postgresql://u:p@h/shop?schema=tenant&sslmode=require&sslaccept=strict");
  CHECK(prisma.schema == "tenant");
  CHECK(prisma.parameter("sslmode") == "verify-full");
  CHECK(prisma.notes.size() == 2);
  CHECK(
      parse_dsn("postgresql://h/shop?sslaccept=accept_invalid_certs").parameter("sslmode").empty());
  CHECK(parse_dsn("postgresql://h/shop?ssl=true").parameter("sslmode") == "require");
  CHECK(parse_dsn("postgresql://h/shop?ssl=verify-full").parameter("sslmode") == "verify-full");
  CHECK(parse_dsn("postgresql://h/shop?ssl=true&sslmode=verify-ca").parameter("sslmode") ==
        "verify-ca");
  CHECK(parse_dsn("postgresql://h/shop?ssl=false").parameter("sslmode").empty());
  CHECK(parse_dsn("postgresql://h/shop?sslmode=no-verify").parameter("sslmode") == "require");
}

TEST_CASE("key=value pairs are read as libpq reads them") {
  const Dsn dsn = parse_dsn(R"(  host = db  password='a \'b\\ c' user=it\ 's dbname='' )");
  CHECK(dsn.parameter("host") == "db");
  CHECK(dsn.parameter("password") == "a 'b\\ c");
  CHECK(dsn.parameter("user") == "it 's");
  CHECK(dsn.shown() == "db as it 's");
  CHECK(parse_dsn("service=shop").shown() == "service=shop");
}

TEST_CASE("what is stored has no secret and can be parsed again") {
  const Dsn dsn = parse_dsn(
      "host=db dbname='it\\'s' user='a\\\\b\\'c' options='-c x=1' sslpassword=" + kCanary +
      " password=" + kCanary + " port=5432");
  const std::string stored = dsn.without_secrets();
  CHECK_FALSE(contains(stored, kCanary));
  CHECK_FALSE(contains(stored, "password"));
  const Dsn again = parse_dsn(stored);
  for (const char* keyword : {"host", "dbname", "user", "options", "port"})
    CHECK(again.parameter(keyword) == dsn.parameter(keyword));
  CHECK(again.without_secrets() == stored);
  CHECK_FALSE(contains(dsn.shown(), "-c x"));
}

TEST_CASE("a password that was not encoded is refused and no part of it is told") {
  const std::string& c = kCanary;
  for (const std::string& text : {
           "postgresql://shop:p@" + c + "@127.0.0.1/appdb",
           "postgresql://shop:" + c + "@x@127.0.0.1/appdb",
           "postgresql://shop:p/" + c + "@127.0.0.1/appdb",
           "postgresql://shop:" + c + "/x@127.0.0.1/appdb",
           "postgresql://shop:1/" + c + "@127.0.0.1/appdb",
           "postgresql://shop:p@w/" + c + "@127.0.0.1/appdb",
           "postgresql://shop:1?" + c + "=x@127.0.0.1/appdb",
           "postgresql://shop:p@h?user=" + c + "@127.0.0.1/appdb",
           "postgresql://shop:1/x?" + c + "=2@127.0.0.1/appdb",
           "postgresql://shop:1/x?user=" + c + "@127.0.0.1/appdb",
           "postgresql://shop:1/" + c + "@127.0.0.1",
           "postgresql://shop:1?user=" + c + "@127.0.0.1",
           "postgresql://shop:p@h?user=" + c + "@127.0.0.1",
           "postgresql://shop:%x" + c + "@127.0.0.1/appdb",
           "postgresql://shop:" + c + "%zz@127.0.0.1/appdb",
           "postgresql://shop:" + c + "%@127.0.0.1/appdb",
           "postgresql://shop:" + c + "%00@127.0.0.1/appdb",
           "postgresql://shop:x " + c + "@127.0.0.1/appdb",
           "postgresql://shop:x\n" + c + "@127.0.0.1/appdb",
           "postgresql://shop:" + c,
           "postgresql://shop@h/appdb?password=x=" + c,
           "postgresql://shop@h/appdb?password=x&" + c,
           "host=h password=my " + c + " user=shop",
           "host=h password='" + c,
           "host=h;password=" + c + ";database=shop",
           "password=" + c + " host=a:b",
           c,
           c + "://shop@h/appdb",
           "'postgresql://shop:" + c + "@h/appdb'",
       }) {
    INFO(text);
    CHECK(refusal(text) == "LS-C101");
  }
}

TEST_CASE("the refusal of an unencoded password says that this is the trouble") {
  for (const char* text : {"postgresql://shop:a@b@h/appdb", "postgresql://shop:a/b@h/appdb",
                           "postgresql://shop:a?b=c@h/appdb"}) {
    try {
      (void)parse_dsn(text);
      FAIL(text);
    } catch (const Error& error) {
      CHECK(contains(error.facts().why, "not percent-encoded"));
      CHECK(contains(error.facts().todo, "%40"));
    }
  }
}

TEST_CASE("what psql accepts without a second reading is accepted") {
  for (const std::string password : {"a:b", "a#b", "a&b=c", "a[b", "a\\b", "%41%3F", "it's"}) {
    INFO(password);
    CHECK(refusal("postgresql://shop:" + kCanary + password + "@h:5432/appdb") == "accepted");
  }
  CHECK(parse_dsn("postgresql://shop:a:b@h/x").parameter("password") == "a:b");
}

TEST_CASE("an unknown parameter is named unless it could be a piece of a password") {
  try {
    (void)parse_dsn("postgresql://u:p@h/shop?frobnicate=1");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == "LS-C102");
    CHECK(contains(error.facts().what, "\"frobnicate\""));
  }
  CHECK(refusal("postgresql://h/shop?password=x&" + kCanary + "=1") == "LS-C102");
  CHECK(refusal("postgresql://h/shop?" + kCanary + "=1@x") == "LS-C102");
  CHECK(refusal("host=h password=a " + kCanary + "=b") == "LS-C102");
  CHECK(refusal("host=h pool='" + kCanary + " with blanks'") == "accepted");
  CHECK(refusal("postgresql://h/shop?password=x&pool=" + kCanary) == "accepted");
  CHECK(refusal("Host=h") == "LS-C102");
}

TEST_CASE("values that cannot be are refused at once") {
  for (const std::string text :
       {"", "  ", "host=h port=70000", "host=h port=5432x", "host=a,b port=1,2,3",
        "host=h sslmode=sometimes", "postgresql://h/a/b", "mysql://u@h/x", "postgresql://[::1/x",
        "postgresql://[::1]x/y", "host", "=x", "host=h:5432", "host='a b'",
        "postgresql://h/x?schema=a%00b"})
    CHECK(refusal(text) == "LS-C101");
  CHECK(refusal(std::string("host=h\0x", 8)) == "LS-C101");
}

TEST_CASE("a socket path of 107 bytes is accepted, one of 108 is not") {
  const std::string name = "/.s.PGSQL.5432";
  const std::string longest = "/" + std::string(107 - 1 - name.size(), 'd');
  CHECK(refusal("host=" + longest) == "accepted");
  CHECK(refusal("host=" + longest + "d") == "LS-C104");
  CHECK(refusal("host=" + longest + " port=15432") == "LS-C104");
  CHECK(refusal("host=db," + longest + "d") == "LS-C104");
}

TEST_CASE("foreign texts are shown without the password, however it is written") {
  Dsn dsn;
  dsn.parameters = {{"user", "shop"}, {"password", "c4n@ry'S"}, {"sslpassword", "k3y"}};
  CHECK(redacted("login c4n@ry'S failed", dsn) == "login **** failed");
  CHECK(redacted("c4n%40ry%27S c4n%40ry'S %63%34n@ry\\'S", dsn) == "**** **** ****");
  CHECK(redacted("key k3y, k3", dsn) == "key ****, k3");
  CHECK(redacted("nothing here", dsn) == "nothing here");
  // A password that looks encoded: fuzzing found that its "%25" was taken for "%".
  const Dsn encoded{{{"password", "a%25b\\\\c"}}, {}, {}};
  CHECK(redacted("x a%25b\\\\c y", encoded) == "x **** y");
  CHECK(redacted("x a%2525b%5C%5cc y", encoded) == "x **** y");
}

TEST_CASE("foreign texts are shown without anything that looks like a password") {
  const Dsn none;
  for (const std::string& text : {
           "host=h password=" + kCanary + " user=u",
           "host=h PASSWORD = '" + kCanary + " it\\'s " + kCanary + "' user=u",
           "PGPASSWORD=" + kCanary,
           "sslpassword=\"" + kCanary + "\"",
           R"({"password": ")" + kCanary + R"(", "x": 1})",
           "postgresql://u:" + kCanary + "@h/d?x=1",
           "/a JSON pointer/postgresql:~1~1u:" + kCanary + "@h~1d",
           "two: a://u:x@h and b://v:" + kCanary + "/@" + kCanary + "@h end",
           "?password=x&" + kCanary,
       }) {
    const std::string shown = redacted(text, none);
    INFO(shown);
    CHECK_FALSE(contains(shown, kCanary));
    CHECK(contains(shown, "****"));
  }
  CHECK(redacted("the password of postgresql://u@h:5432/d is wrong", none) ==
        "the password of postgresql://u@h:5432/d is wrong");
}

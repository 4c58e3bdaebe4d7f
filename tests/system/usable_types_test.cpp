// Tables as Django, Rails and SQLAlchemy make and fill them arrive with types that these can use.
#include <map>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

constexpr char kTables[] = R"(
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "last_login" datetime NULL,
  "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "date_joined" datetime NOT NULL);
CREATE TABLE "shop_item" ("id" char(32) NOT NULL PRIMARY KEY, "price" decimal NOT NULL, "born" date NOT NULL);
INSERT INTO auth_user VALUES (1, NULL, 1, 'ada', '2024-01-02 03:04:05.678901'),
  (2, '2024-06-07 08:09:10', 0, 'bob', '2024-01-02 03:04:05');
INSERT INTO shop_item VALUES ('6ba7b8109dad41d180b400c04fd430c8', 12.5, '2024-01-02');
CREATE TABLE "posts" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "title" varchar, "meta" json,
  "published" boolean DEFAULT 0, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE INDEX "index_posts_on_created_at" ON "posts" ("created_at");
CREATE TABLE "shop_later" ("id" char(32) NOT NULL PRIMARY KEY, "at" datetime NOT NULL, "on" bool, "due" date, "t" DATETIME, "at6" datetime(6));
INSERT INTO posts VALUES (1, 'hello', '{"tags":["a","b"]}', 1, '2024-01-02 03:04:05.000000', '2024-01-02 03:04:05.123456');
CREATE TABLE event (id CHAR(36) NOT NULL, at TIMESTAMP, day DATE, done BOOLEAN, amount NUMERIC(10, 2), payload JSON,
  due DATETIME, PRIMARY KEY (id), CHECK (done IN (0, 1)));
INSERT INTO event VALUES ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', '2024-01-02T03:04:05+00:00', '2024-02-29', 0, 12.34,
  '{"x": 1.10}', 'tomorrow');
)";

}  // namespace

TEST_CASE("the tables of three ORMs arrive with types that the ORMs can use", "[system]") {
  PostgresServer server{{"fsync=off"}};
  const TempDir folder;
  const std::string file = folder.file("app.db");
  sqlite(file, kTables);
  const std::string dsn = server.create_database("orms");
  const Outcome done = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(done, 0);
  CHECK_THAT(everything(done), Catch::Contains("due (DATETIME) promises"));
  CHECK_THAT(everything(done), Catch::Contains("tomorrow"));
  const auto types = [&](const std::string& table) {
    std::string text;
    for (const auto& row : server.query(
             "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND "
             "attrelid = '" +
                 table + "'::regclass ORDER BY attnum",
             "orms"))
      text += row[0].value() + ", ";
    return text;
  };
  CHECK(types("auth_user") ==
        "bigint, timestamp without time zone, boolean, text, timestamp without time zone, ");
  CHECK(types("shop_item") == "uuid, numeric, date, ");
  // Without rows: as the same declarations elsewhere; DATETIME is event.due, too.
  CHECK(types("shop_later") == "uuid, text, boolean, date, text, timestamp without time zone, ");
  CHECK(types("posts") ==
        "bigint, text, json, boolean, timestamp without time zone, timestamp without time zone, ");
  CHECK(types("event") == "uuid, timestamp with time zone, date, boolean, numeric, json, text, ");
  require_equal(file, dsn);
  require_code(lockstep({"verify", file, dsn}), 0);
  // The independent judge sees a difference of a microsecond.
  server.query("UPDATE posts SET updated_at = updated_at + interval '1 microsecond'", "orms");
  require_code(run({TOOL_COMPARE, file, dsn}), 4);
  require_code(lockstep({"verify", file, dsn}), 4);
}

namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

/// "name type, …" of a table, in order.
std::string columns_of(const std::string& dsn, const std::string& table) {
  return query(dsn,
               "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER "
               "BY attnum) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid = "
               "'" +
                   table + "'::regclass")
      .at(0)
      .at(0)
      .value_or("NULL");
}

/// Tables of one framework; more come while it writes.
struct Growing {
  std::string name, made, grows, writes;
  std::map<std::string, std::string> becomes;  ///< by table, as columns_of() says it
};

const std::vector<Growing>& growing() {
  static const std::vector<Growing> all{
      {"rails",
       R"(CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL);
CREATE TABLE "posts" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "title" varchar, "created_at" datetime(6) NOT NULL);
INSERT INTO posts(title, created_at) VALUES ('one', '2024-01-02 03:04:05.000001');)",
       R"(ALTER TABLE "posts" ADD "approved_at" datetime(6);
ALTER TABLE "posts" ADD "seen_at" datetime; ALTER TABLE "posts" ADD "meta" json;
ALTER TABLE "posts" ADD "featured" boolean; ALTER TABLE "posts" ADD "day" date; ALTER TABLE "posts" ADD "token" uuid;
CREATE TABLE "likes" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "at" datetime(6) NOT NULL, "on" boolean DEFAULT 0 NOT NULL);)",
       R"(INSERT INTO posts(title, created_at, approved_at, seen_at, meta, featured, day, token) VALUES ('two',
 '2024-01-02 03:04:05.000002', '2024-01-02 03:04:06.000000', '2024-01-02 03:04:07', '{"a": 1}', 1, '2024-02-29', '6ba7b810-9dad-41d1-80b4-00c04fd430c8');
UPDATE posts SET approved_at = '2024-01-03 03:04:06.500000', featured = 0 WHERE id = 1;
INSERT INTO likes(at, "on") VALUES ('2024-01-02 03:04:05.123456', 1);)",
       {{"posts",
         "id bigint, title text, created_at timestamp without time zone, approved_at timestamp "
         "without time zone, seen_at timestamp without time zone, meta json, featured boolean, "
         "day date, token uuid"},
        {"likes", "id bigint, at timestamp without time zone, on boolean"}}},
      {"django",
       R"(CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(255) NOT NULL);
CREATE TABLE "shop_item" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(9) NOT NULL);
INSERT INTO shop_item(name) VALUES ('a');)",
       R"(CREATE TABLE "new__shop_item" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(9) NOT NULL,
 "sold_at" datetime NULL, "hot" bool NULL, "due" date NULL, "ref" char(32) NULL, "extra" text NULL CHECK ((JSON_VALID("extra") OR "extra" IS NULL)));
INSERT INTO "new__shop_item"(id, name) SELECT id, name FROM shop_item; DROP TABLE shop_item; ALTER TABLE "new__shop_item" RENAME TO "shop_item";
CREATE TABLE "shop_order" ("id" char(32) NOT NULL PRIMARY KEY, "placed" datetime NOT NULL, "paid" bool NOT NULL);)",
       R"(INSERT INTO shop_item(name, sold_at, hot, due, ref, extra) VALUES ('b', '2024-01-02 03:04:05', 1, '2024-01-02', '6ba7b8109dad41d180b400c04fd430c8', '{"k": [1]}'),
 ('c', '2024-01-02 03:04:05.678901', 0, NULL, NULL, NULL);
INSERT INTO shop_order VALUES ('6ba7b8109dad41d180b400c04fd430c9', '2024-01-02 03:04:05.5', 1);)",
       {{"shop_item",
         "id bigint, name text, sold_at timestamp without time zone, hot boolean, due date, ref "
         "uuid, extra json"},
        {"shop_order", "id uuid, placed timestamp without time zone, paid boolean"}}},
      {"prisma",
       R"(CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "name" TEXT NOT NULL);
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "email" TEXT);
INSERT INTO "User" VALUES ('c1', 'a@b.c');)",
       R"(ALTER TABLE "User" ADD COLUMN "verified" DATETIME; ALTER TABLE "User" ADD COLUMN "admin" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "User" ADD COLUMN "prefs" JSONB;
CREATE TABLE "Booking" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "start" DATETIME NOT NULL, "madeAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP);)",
       R"(UPDATE "User" SET verified = 1709290000123, prefs = '{"n":1.0}';
INSERT INTO "Booking"("start", "madeAt") VALUES (1709300000000, 1709300000001);)",
       {{"\"User\"",
         "id text, email text, verified timestamp(3) without time zone, admin boolean, prefs "
         "json"},
        {"\"Booking\"",
         "id bigint, start timestamp(3) without time zone, madeAt timestamp(3) without time "
         "zone"}}},
      // Nobody knows who made it: by the declarations, and by what a DEFAULT gives.
      {"nobody",
       "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);",
       "ALTER TABLE t ADD COLUMN at DATETIME; ALTER TABLE t ADD COLUMN tz TIMESTAMPTZ;"
       "CREATE TABLE later(id INTEGER PRIMARY KEY, secs DATETIME DEFAULT (strftime('%s') + 0), "
       "digest CHAR(32));",
       "INSERT INTO t VALUES (2, '2024-01-02 03:04:05', '2024-01-02 03:04:05Z');"
       "INSERT INTO later(digest) VALUES ('no uuid');",
       {{"t", "id bigint, at timestamp without time zone, tz timestamp with time zone"},
        {"later", "id bigint, secs bigint, digest text"}}}};
  return all;
}

}  // namespace

TEST_CASE("columns and tables that come while following get what their framework needs",
          "[system]") {
  for (const Growing& app : growing()) DYNAMIC_SECTION(app.name) {
      const TempDir folder;
      const std::string file = folder.file("app.db");
      sqlite(file, "PRAGMA journal_mode = WAL");
      sqlite(file, app.made);
      const std::string dsn = server().create_database(app.name);
      const auto following = start_lockstep({"run", file, dsn, "--quiet"});
      require_caught_up(*following, file);
      sqlite(file, app.grows);
      require_caught_up(*following, file);
      sqlite(file, app.writes);  // right behind them
      require_caught_up(*following, file);
      for (const auto& [table, columns] : app.becomes) CHECK(columns_of(dsn, table) == columns);
      following->signal(SIGTERM);
      CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
      INFO(following->output() << following->error_output());
      require_equal(file, dsn);
      require_code(lockstep({"verify", file, dsn}), 0);
    }
}

TEST_CASE("JSON columns that hold numbers only arrive as numbers, at once and while following",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("numbers.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE a(id INTEGER PRIMARY KEY, j JSON);"
         "INSERT INTO a VALUES (1, '{}'); CREATE TABLE s(k TEXT PRIMARY KEY, v JSON);"
         "INSERT INTO s VALUES ('limit', 5), ('ratio', 0.5)");
  const std::string dsn = server().create_database("numbers");
  const Outcome page = lockstep({"assess", file, dsn});
  require_code(page, 0);
  CHECK_THAT(everything(page), Catch::Contains("s: the type that v (JSON) promises"));
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  CHECK(columns_of(dsn, "a") == "id bigint, j json");
  CHECK(columns_of(dsn, "s") == "k text, v numeric");
  sqlite(file,
         "BEGIN; CREATE TABLE n(id INTEGER PRIMARY KEY, j JSON); INSERT INTO n VALUES (1, 5);"
         "CREATE TABLE e(id INTEGER PRIMARY KEY, j JSON DEFAULT 5); COMMIT;"
         "ALTER TABLE a ADD COLUMN five JSON DEFAULT 5");
  REQUIRE(wait_until([&] { return query(dsn, "SELECT to_regclass('e') IS NOT NULL")[0][0] == "t"; },
                     30s, 50ms));
  require_caught_up(*following, file);
  CHECK(columns_of(dsn, "n") == "id bigint, j bigint");
  CHECK(columns_of(dsn, "a") == "id bigint, j json, five bigint");
  sqlite(file,
         "INSERT INTO n VALUES (2, 6); INSERT INTO e(id) VALUES (1); INSERT INTO a(id) VALUES (2);"
         "UPDATE s SET v = 1e300 WHERE k = 'ratio'");
  require_caught_up(*following, file);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  INFO(following->output() << following->error_output());
  require_equal(file, dsn);
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("what a foreign key joins has one type, and is joined on PostgreSQL", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("joined.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL;"
         "CREATE TABLE usr(id UUID PRIMARY KEY); CREATE TABLE post(id INTEGER PRIMARY KEY, u TEXT "
         "REFERENCES usr(id)); CREATE TABLE org(id CHAR(36) PRIMARY KEY);"
         "CREATE TABLE team(id INTEGER PRIMARY KEY, o CHAR(36) REFERENCES org(id));"
         "INSERT INTO usr VALUES ('6ba7b810-9dad-41d1-80b4-00c04fd430c8');"
         "INSERT INTO post VALUES (1, '6ba7b810-9dad-41d1-80b4-00c04fd430c8');"
         "INSERT INTO org VALUES ('system'), ('6ba7b810-9dad-41d1-80b4-00c04fd430c9');"
         "INSERT INTO team VALUES (1, '6ba7b810-9dad-41d1-80b4-00c04fd430c9')");
  const std::string dsn = server().create_database("joined");
  const auto following = start_lockstep({"run", file, dsn, "--quiet"});
  require_caught_up(*following, file);
  CHECK(query(dsn, "SELECT count(*) FROM post JOIN usr ON usr.id = u").at(0).at(0) == "1");
  CHECK(query(dsn, "SELECT count(*) FROM team JOIN org ON org.id = o").at(0).at(0) == "1");
  CHECK(query(dsn,
              "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = "
              "'public'::regnamespace")
            .at(0)
            .at(0) == "2");
  // A table that comes later takes what is there.
  sqlite(file,
         "CREATE TABLE badge(id INTEGER PRIMARY KEY, o CHAR(36) REFERENCES org(id), u UUID "
         "REFERENCES usr(id))");
  REQUIRE(wait_until(
      [&] { return query(dsn, "SELECT to_regclass('badge') IS NOT NULL").at(0).at(0) == "t"; }, 30s,
      50ms));
  require_caught_up(*following, file);
  CHECK(columns_of(dsn, "badge") == "id bigint, o text, u text");
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_equal(file, dsn);
}

}  // namespace lockstep::test

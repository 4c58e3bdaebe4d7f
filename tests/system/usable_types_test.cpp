// Tables as Django, Rails and SQLAlchemy make and fill them arrive with types that these can use.
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

}  // namespace lockstep::test

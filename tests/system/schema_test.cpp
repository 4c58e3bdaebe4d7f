// The schema on PostgreSQL: what is carried does what it did on SQLite, what is not is named.
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kShop[] =
    "CREATE TABLE customer(id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE NOT NULL, "
    "made TEXT DEFAULT CURRENT_TIMESTAMP, points INT NOT NULL DEFAULT 0 CHECK (points >= 0), "
    "CONSTRAINT mail CHECK (email LIKE '%@%'), CHECK (email GLOB '*@*'));"
    "CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INT REFERENCES customer ON DELETE CASCADE, "
    "state TEXT DEFAULT 'open' CHECK (state IN ('open', 'paid')), code TEXT);"
    "CREATE UNIQUE INDEX one_open ON sale(customer) WHERE state = 'open';"
    "CREATE UNIQUE INDEX by_code ON sale(lower(code));"
    "INSERT INTO customer(id, email) VALUES (1, 'Ann@x'), (2, 'bob@x');"
    "INSERT INTO sale VALUES (1, 1, 'open', 'A'), (2, 1, 'paid', 'b'), (3, 9, 'open', NULL);"
    "PRAGMA ignore_check_constraints = 1; UPDATE customer SET points = -1 WHERE id = 2;"
    "PRAGMA ignore_check_constraints = 0";

std::string refusal(const std::string& sql, const std::string& database) {
  try {
    server().query(sql, database);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

void check_rules(const std::string& database) {
  using Catch::Contains;
  CHECK_THAT(refusal("INSERT INTO customer(id, email) VALUES (10, 'ANN@X')", database),
             Contains("customer_email_folded_key"));
  CHECK_THAT(refusal("INSERT INTO customer(id, email) VALUES (10, 'none')", database),
             Contains("mail"));
  CHECK_THAT(refusal("INSERT INTO sale VALUES (10, 1, 'open', 'x')", database),
             Contains("one_open"));
  CHECK_THAT(refusal("INSERT INTO sale VALUES (10, 1, 'paid', 'B')", database),
             Contains("by_code"));
  CHECK_THAT(refusal("INSERT INTO sale VALUES (10, 1, 'lost', 'x')", database), Contains("check"));
  CHECK(refusal("INSERT INTO sale VALUES (10, 1, 'paid', 'x')", database).empty());
  CHECK(server()
            .value("INSERT INTO customer(id, email) VALUES (10, 'c@x') RETURNING points || made",
                   database)
            .size() == 20);
}

}  // namespace

TEST_CASE("keys, checks and defaults are carried, foreign keys wait, and the rest is named") {
  const TempDir folder;
  const std::string file = folder.file("shop.db");
  sqlite(file, kShop);
  const std::string dsn = server().create_database("carried");
  const Outcome outcome = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(outcome, 0);
  const std::string said = everything(outcome);
  CHECK_THAT(said, Catch::Contains("CHECK (email GLOB '*@*'): not translated: operator GLOB"));
  CHECK_THAT(said, Catch::Contains("1 foreign key(s)"));
  CHECK_THAT(said, Catch::Contains("LS-T231"));  // points >= 0 is broken by a row
  require_equal(file, dsn);
  // A unique value that moves between rows, and a key that changes its case.
  sqlite(file,
         "UPDATE customer SET email = 'x' || email; UPDATE customer SET email = 'BOB@x' WHERE id = "
         "1; UPDATE customer SET email = 'xANN@x' WHERE id = 2; DELETE FROM customer WHERE id = 1");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
  CHECK(server().value("SELECT count(*) FROM sale", "carried") == "3");
  CHECK(server().value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND "
                       "connamespace = 'public'::regnamespace",
                       "carried") == "0");
  CHECK_THAT(refusal("INSERT INTO customer(id, email) VALUES (10, 'XANN@X')", "carried"),
             Catch::Contains("customer_email_folded_key"));
}

TEST_CASE("schema generate prints what psql can run, foreign keys and all") {
  const TempDir folder;
  const std::string file = folder.file("shop.db");
  sqlite(file, kShop);
  const Outcome outcome = lockstep({"schema", "generate", file});
  require_code(outcome, 0);
  CHECK(sqlite_schema(file).size() == 5);  // nothing of ours
  CHECK_THAT(outcome.output, Catch::Contains("-- CHECK (email GLOB"));
  server().create_database("generated");
  server().query(outcome.output, "generated");
  server().query(
      "INSERT INTO customer(id, email) VALUES (1, 'Ann@x'), (2, 'bob@x');"
      "INSERT INTO sale VALUES (1, 1, 'open', 'A'), (2, 1, 'paid', 'b')",
      "generated");
  check_rules("generated");
  CHECK_THAT(refusal("INSERT INTO sale VALUES (11, 99, 'paid', 'y')", "generated"),
             Catch::Contains("sale_customer_fkey"));
  server().query("DELETE FROM customer WHERE id = 1", "generated");
  CHECK(server().value("SELECT count(*) FROM sale", "generated") == "0");
  require_code(lockstep({"schema"}), 2);
  require_code(lockstep({"schema", "generate"}), 2);
}

}  // namespace lockstep::test

// The application alters its schema while lockstep follows: what takes something away stops by
// name, and the application goes on.

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

std::string target_value(const Followed& source, const std::string& sql) {
  return query(source.dsn(), sql).at(0).at(0).value_or("NULL");
}

}  // namespace

TEST_CASE("what takes something away stops by name, and the application goes on", "[system]") {
  struct Away {
    std::string name, sql, word;
    bool mended;
  };
  const Away away = GENERATE(
      Away{"dropcol", "ALTER TABLE a DROP COLUMN n", "column n was dropped or renamed", true},
      Away{"renamecol", "ALTER TABLE a RENAME COLUMN n TO m", "column n was dropped", true},
      Away{"renametab", "ALTER TABLE a RENAME TO c", "table a was dropped or renamed", true},
      Away{"droptab", "DROP TABLE a", "table a was dropped or renamed", true});
  INFO(away.sql);
  Followed source(away.name, server().create_database(away.name));
  source.start_and_catch_up();
  const std::string before = sqlite(source.file(), "SELECT max(seq) FROM _lockstep_changes").at(0);
  source.write(away.sql);
  source.halts(7, "LS-S306", {away.word, "lockstep ddl accept"});
  source.write("INSERT INTO b VALUES ('after', 1)");
  if (away.name == "dropcol" || away.name == "renamecol")
    source.write("INSERT INTO a(u) VALUES ('after'); UPDATE a SET u = 'x' WHERE id = 1");
  CHECK(sqlite(source.file(), "SELECT max(seq) FROM _lockstep_changes").at(0) != before);

  const Outcome status = lockstep({"ddl", "status", source.file()});
  CHECK_THAT(everything(status), Catch::Contains(away.word));
  require_code(status, 3);
  require_code(lockstep({"ddl", "accept", source.file()}), 0);
  require_code(lockstep({"ddl", "status", source.file()}), 0);
  source.start();
  require_caught_up(source.process(), source.file());
  require_equal(source.file(), source.dsn());
  source.write("INSERT INTO b VALUES ('later', 2)");
  source.caught_up();
  source.stop();
}

TEST_CASE("another key or another affinity by a rebuild stops by name, and nothing is lost",
          "[system]") {
  struct Other {
    std::string name, columns, rows, word;
  };
  const Other other = GENERATE(Other{"otherkey", "id INT, u TEXT UNIQUE, n INT, PRIMARY KEY(id, u)",
                                     "id, u, n", "its key was (id), it is (id, u) now"},
                               Other{"affinity", "id INTEGER PRIMARY KEY, u TEXT UNIQUE, n TEXT",
                                     "id, u, n", "column n was INT, it is TEXT now"});
  INFO(other.name);
  const auto rebuilt = [](const std::string& columns, const std::string& rows) {
    return "BEGIN IMMEDIATE; CREATE TABLE new__a(" + columns + "); INSERT INTO new__a SELECT " +
           rows + " FROM a; DROP TABLE a; ALTER TABLE new__a RENAME TO a; COMMIT";
  };
  Followed source(other.name, server().create_database(other.name));
  source.start_and_catch_up();
  const std::string before =
      target_value(source, "SELECT string_agg(a::text, ';' ORDER BY id) FROM a");
  source.write(rebuilt(other.columns, other.rows));
  source.write("UPDATE a SET n = 'n' || id, u = u || '!'; INSERT INTO b VALUES ('after', 1)");
  source.halts(7, "LS-S306", {other.word, "lockstep remove"});
  CHECK(target_value(source, "SELECT string_agg(a::text, ';' ORDER BY id) FROM a") == before);
  if (other.name == "otherkey") {
    // Accepting does not make it something that can be followed; being what it was does.
    require_code(lockstep({"ddl", "accept", source.file()}), 7);
    source.write("DELETE FROM a WHERE u = 'b!'");
    source.write(rebuilt("id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT", "id + 10, u, id"));
  } else {
    require_code(lockstep({"remove", source.file(), source.dsn()}), 0);
    query(source.dsn(), "DROP TABLE a, b");
  }
  source.start_and_catch_up();
  source.write("INSERT INTO b VALUES ('later', 2); UPDATE a SET u = u || '?'");
  source.caught_up();
  source.stop();
}

}  // namespace lockstep::test

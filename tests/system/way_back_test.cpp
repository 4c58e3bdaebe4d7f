// After a cutover: what cannot go back, what a rollback asks for, and the file that is kept
// current.
#include <fmt/format.h>

#include "link/postgres/connection.hpp"
#include "tests/system/moved_shop.hpp"

namespace lockstep::test {

using Catch::Contains;
using Json = nlohmann::json;

TEST_CASE("what cannot go back is counted at once, by status and by the gates", "[system]") {
  Moved moved("stuck", R"({"continuous": false})", "WAL", kShop);
  const auto awaits = [&](const std::string& code) {
    return wait_until(
        [&] {
          const Json now = moved.status();
          return now["awaited"].is_object() && now["awaited"]["code"] == code;
        },
        15s, 20ms);
  };
  // In one statement, so that no round sees half of it.
  moved.write("BEGIN; UPDATE w SET at = 'infinity'; UPDATE a SET n = 5 WHERE id = 1; COMMIT");
  REQUIRE(awaits("LS-X606"));
  REQUIRE(wait_until([&] { return moved.status()["backlog_changes"] == 4; }, 15s, 20ms));
  Json status = moved.status();
  CHECK_THAT(status["awaited"]["what"].get<std::string>(),
             Contains("3 rows cannot go back (w.at: 3); the first: ") && Contains("column at"));
  const auto of_column = [&](const std::string& column) {
    const Json now = moved.status();
    for (const Json& each : now["cannot_go_back"])
      if (each["column"] == column) return each;
    return Json();
  };
  CHECK(of_column("at")["rows"] == 3);
  CHECK(of_column("at")["keys"] == Json::array({"1", "2", "3"}));
  CHECK(of_column("at")["blocks"] == true);
  CHECK_THAT(
      lockstep({"status", moved.file()}).output,
      Contains("no return  w.at: 3 rows, key (1), (2), (3): ") && Contains("backlog    4 changes"));
  CHECK(gate_in(dry(moved), "rows")["open"] == false);
  CHECK_THAT(gate_in(dry(moved), "rows")["found"].get<std::string>(), Contains("w.at: 3 rows"));

  // Without a run it is still the way back that stands there.
  stop(moved);
  CHECK_THAT(moved.run().output(), Contains("lockstep complete") && !Contains("lockstep remove"));
  status = moved.status();
  CHECK(status["phase"] == "reverse");
  CHECK(status["writers"] == "postgres");
  CHECK(status["backlog_changes"] == 4);
  CHECK_THAT(lockstep({"status", moved.file()}).output,
             Contains("reverse") && Contains("writers    postgres") &&
                 Contains("backlog    4 changes") && !Contains("streaming"));
  CHECK(Json::parse(lockstep({"status", moved.dsn(), "--json"}).output)["writers"] == "postgres");
  moved.follow();
  moved.write("UPDATE w SET at = NULL");
  require_code(moved.wait("caught-up"), 0);
  CHECK(wait_until([&] { return moved.status()["backlog_changes"] == 0; }, 15s, 20ms));
  CHECK(of_column("at").is_null());
  CHECK(gate_in(dry(moved), "rows")["open"] == true);

  // A column that only PostgreSQL has, before any row of its table changes.
  moved.write("ALTER TABLE a ADD COLUMN extra text");
  CHECK_THAT(gate_in(dry(moved), "columns")["found"].get<std::string>(),
             Contains("1 cannot go back") && Contains("a.extra"));
  REQUIRE(wait_until([&] { return of_column("extra")["blocks"] == true; }, 15s, 20ms));
  CHECK(of_column("extra")["rows"].is_null());
  REQUIRE(awaits("LS-X613"));
  stop(moved);
  CHECK(of_column("extra")["blocks"] == true);
  moved.follow();
  moved.write("ALTER TABLE a DROP COLUMN extra");
  REQUIRE(wait_until([&] { return of_column("extra").is_null(); }, 15s, 20ms));
  REQUIRE(wait_until([&] { return moved.status()["awaited"].is_null(); }, 15s, 20ms));
  // What only SQLite computes goes one way, and blocks nothing.
  REQUIRE(wait_until([&] { return of_column("code")["blocks"] == false; }, 15s, 20ms));
  CHECK_THAT(gate_in(dry(moved), "columns")["found"].get<std::string>(),
             Contains("1 column(s) go one way only: g.code"));
  CHECK(gate_in(dry(moved), "columns")["open"] == true);
}

TEST_CASE("who has SQLite open after a cutover is told, and what is over is said to be",
          "[system]") {
  Moved moved("held_open", R"({"continuous": false})", "WAL", kShop);
  const Application reader(moved.file());
  CHECK(wait_until([&] { return !moved.status()["open_in"].empty(); }, 30s, 50ms));
  CHECK(run_says(moved, "LS-X665"));
  CHECK_THAT(lockstep({"status", moved.file()}).output, Contains("open in    uid "));
  const Outcome early = lockstep({"complete", moved.file(), "--confirm", "moved"});
  require_code(early, 8);
  CHECK_THAT(everything(early), Contains("the way back goes on") && !Contains("removed"));
  stop(moved);
  CHECK_THAT(lockstep({"status", moved.file()}).output, Contains("open in    uid "));
  require_code(lockstep({"complete", moved.file(), "--confirm", "moved"}), 0);
  const Outcome after = lockstep({"status", moved.file()});
  require_code(after, 3);
  CHECK_THAT(everything(after), Contains("LS-X626") && !Contains("starts one"));
}

TEST_CASE("a rollback asks for the same proof as a cutover, and each counts for the next",
          "[system]") {
  Moved moved("proof", R"({"continuous": false})", "WAL", kShop,
              [](const Moved& before) { require_code(before.verify(), 0); });
  const auto compared = [&](const std::string& direction,
                            const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{direction, moved.file(), "--dry-run", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return gate_in(lockstep(words), "compared");
  };
  const auto settled = [&](const std::string& phase) {
    return wait_until([&] { return moved.status()["phase"] == phase; }, 30s, 20ms);
  };
  CHECK(gate_in(lockstep({"rollback", moved.file(), "--dry-run", "--json"}),
                "quick_check")["found"] == "ok");
  // Nobody has written since: it is what was proven before.
  CHECK(compared("rollback")["open"] == true);
  // An older lockstep led the cutover: nobody knows what was written.
  moved.write("ALTER TABLE lockstep.ledger_tables DROP COLUMN reverse_touched");
  CHECK(compared("rollback")["found"] == "not compared since the cutover");
  moved.write("UPDATE lockstep.ledger_tables SET reverse_touched = false");
  CHECK(compared("rollback")["open"] == true);
  moved.write("UPDATE a SET n = 5 WHERE id = 1");
  CHECK(compared("rollback")["found"] == "not compared since the cutover: a");
  require_code(moved.wait("caught-up"), 0);
  CHECK(compared("rollback")["open"] == false);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved"}), 3);
  require_code(moved.verify({"--table", "a"}), 0);
  CHECK(compared("rollback")["open"] == true);
  CHECK(compared("rollback", {"--verify-max-age", "1ms"})["open"] == false);
  require_code(moved.verify(), 0);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--max-pause", "5s"}), 0);
  REQUIRE(settled("streaming"));

  // The second cutover believes what was proven on the way back, but not of a table with a column
  // that PostgreSQL only holds.
  CHECK(compared("cutover")["open"] == false);
  CHECK(compared("cutover")["found"] == "not compared since the rollback: g");
  require_code(moved.verify({"--table", "g"}), 0);
  CHECK(compared("cutover")["open"] == true);
  CHECK(compared("cutover", {"--verify-max-age", "1ms"})["open"] == false);
  require_code(lockstep({"cutover", moved.file(), "--confirm", "moved", "--max-pause", "5s",
                         "--when-ready"}),
               0);
  REQUIRE(settled("reverse"));
  // And what was touched in the first window is not remembered in the second one.
  CHECK(compared("rollback")["found"] != "not compared since the cutover: a");

  // In an emergency, with a difference that is known: what is given up is said.
  require_code(moved.wait("caught-up"), 0);
  moved.tamper("UPDATE w SET at = '1999-01-01 00:00:00' WHERE id = 2");
  require_code(moved.verify(), 4);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved"}), 3);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--verify-max-age", "0"}),
               3);
  CHECK(compared("rollback", {"--unproven"})["open"] == false);
  CHECK(compared("rollback", {"--unproven"})["waived"] == true);
  const Outcome back =
      lockstep({"rollback", moved.file(), "--confirm", "moved", "--max-pause", "5s", "--unproven"});
  require_code(back, 0);
  CHECK_THAT(everything(back), Contains("LS-X666") && Contains("different: w (1 rows)") &&
                                   Contains("WAIVED compared"));
  REQUIRE(settled("streaming"));
  CHECK_THAT(compared("cutover")["found"].get<std::string>(), Contains("different: w (1 rows)"));
}

TEST_CASE("a table is known as written to wherever lockstep is killed", "[system]") {
  Moved moved("touched", R"({"continuous": false})", "WAL", kShop,
              [](const Moved& before) { require_code(before.verify(), 0); });
  const auto found = [&] {
    const Outcome dry = lockstep({"rollback", moved.file(), "--dry-run", "--json"});
    return gate_in(dry, "compared")["found"].get<std::string>();
  };
  const std::string written = "not compared since the cutover: a";
  CHECK_THAT(found(), Contains("equal"));
  stop(moved);
  moved.write("UPDATE a SET n = 5 WHERE id = 1");
  CHECK(found() == written);  // no round has brought it
  moved.follow({.environment = {"LOCKSTEP_FAILPOINTS=rev.committed=kill"}});
  CHECK(moved.run().wait_or_throw(30s) == ExitStatus{.signal = SIGKILL});
  CHECK(sqlite(moved.file(), "SELECT n FROM a WHERE id = 1").at(0) == "5");
  CHECK(found() == written);  // it is in SQLite, and PostgreSQL was not told
  moved.follow();
  REQUIRE(wait_until([&] { return moved.value("SELECT count(*) FROM lockstep.changes") == "0"; },
                     30s, 20ms));
  CHECK(found() == written);
}

TEST_CASE("columns that only SQLite computes keep nobody from going back", "[system]") {
  Json computed;
  Moved moved("computed", R"({"continuous": false})", "WAL", kShop, [&](const Moved& before) {
    computed = gate_in(
        lockstep({"cutover", before.file(), "--dry-run", "--json", "--verify-max-age", "0"}),
        "computed");
  });
  CHECK_THAT(computed["found"].get<std::string>(), Contains("g.code"));
  moved.write("INSERT INTO g(id, n, z) VALUES (5, 7, 2); UPDATE g SET n = 3 WHERE id = 1");
  REQUIRE(wait_until(
      [&] {
        return sqlite(moved.file(), "SELECT group_concat(code) FROM g").at(0) == "00003,00007";
      },
      15s, 20ms));
  CHECK(moved.value("SELECT string_agg(coalesce(code, '-'), ',' ORDER BY id) FROM g") == "00001,-");
  require_code(moved.verify(), 0);
  // What is beside them is compared as ever.
  moved.tamper("UPDATE g SET z = 9 WHERE id = 5");
  require_code(moved.verify(), 4);
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  stop(moved);
  require_code(moved.verify(), 0);
  moved.tamper("UPDATE g SET z = 9 WHERE id = 5");
  require_code(moved.verify(), 4);
  moved.follow();
  require_code(moved.wait("caught-up"), 0);
  require_code(moved.verify({"--repair", "--yes"}), 0);
  require_code(moved.verify(), 0);
  require_code(lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                         "--max-pause", "5s", "--verify-max-age", "1h"}),
               0);
  REQUIRE(wait_until([&] { return moved.status()["phase"] == "streaming"; }, 30s, 20ms));
  // They still have what they had on PostgreSQL, where the application would read them next.
  const auto compared = [&] {
    return gate_in(lockstep({"cutover", moved.file(), "--dry-run", "--json"}), "compared");
  };
  CHECK(compared()["found"] == "not compared since the rollback: g");
  require_code(moved.verify(), 4);
  CHECK_THAT(compared()["found"].get<std::string>(), Contains("different: g (2 rows)"));
  require_code(moved.verify({"--repair", "--yes"}), 0);
  CHECK(compared()["open"] == true);
  CHECK(moved.value("SELECT string_agg(code, ',' ORDER BY id) FROM g") == "00003,00007");
}

TEST_CASE("what PostgreSQL wrote over a row in quarantine waits no more behind a rollback",
          "[system]") {
  const bool killed = GENERATE(false, true);
  INFO(killed);
  Moved moved(killed ? "held_killed" : "held",
              R"({"continuous": false}, "on_bad_value": "quarantine")", "WAL",
              "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1), (2, 2);",
              [](const Moved& before) {
                sqlite(before.file(), "INSERT INTO t VALUES (4, 'four'), (5, 'five'), (6, 'six')");
                require_code(before.wait("caught-up"), 0);
                require_code(lockstep({"quarantine", "skip", before.file(), "--all"}), 0);
              });
  moved.write("INSERT INTO t VALUES (4, 44), (6, 66)");
  moved.write("DELETE FROM t WHERE id = 6");
  REQUIRE(wait_until(
      [&] { return sqlite(moved.file(), "SELECT group_concat(n) FROM t").at(0) == "1,2,44,five"; },
      15s, 20ms));
  ProcessOptions options;
  if (killed) options.environment = {"LOCKSTEP_FAILPOINTS=rb.fenced=kill"};
  const Outcome back = lockstep({"rollback", moved.file(), "--confirm", "moved", "--when-ready",
                                 "--max-pause", "5s", "--verify-max-age", "0"},
                                options);
  // Whoever comes next finishes it.
  CHECK(back.status == (killed ? ExitStatus{.signal = SIGKILL} : ExitStatus{.code = 0}));
  REQUIRE(wait_until([&] { return moved.status()["phase"] == "streaming"; }, 30s, 20ms));
  require_code(moved.wait("caught-up"), 0);
  CHECK(moved.value("SELECT string_agg(state || ' ' || value, ', ') FROM lockstep.quarantine") ==
        R"(skipped ["text","five"])");
  require_code(moved.verify(), 9);
  CHECK(gate_in(lockstep({"cutover", moved.file(), "--dry-run", "--json"}), "compared")["open"] ==
        true);
  stop(moved);
  require_code(moved.verify(), 9);
}

TEST_CASE("a file that is replaced or gone after a cutover stops the way back, and loses nothing",
          "[system]") {
  const bool replaced = GENERATE(true, false);
  Moved moved(replaced ? "replaced" : "emptied", R"({"continuous": false})", "WAL", kShop);
  const std::string away = moved.file() + ".away", older = moved.file() + ".older";
  sqlite(moved.file(), "VACUUM INTO '" + older + "'");
  moved.write("INSERT INTO w VALUES (8, NULL)");
  require_code(moved.wait("caught-up"), 0);
  std::filesystem::rename(moved.file(), away);
  if (replaced) std::filesystem::copy_file(older, moved.file());
  moved.write("INSERT INTO w VALUES (9, NULL)");
  CHECK(moved.run().wait_or_throw(15s) == ExitStatus{.code = 7});
  CHECK_THAT(moved.run().error_output(), Contains("LS-S312") && Contains("is the only copy"));
  moved.write("INSERT INTO w VALUES (10, NULL)");
  std::filesystem::remove(moved.file());
  std::filesystem::rename(away, moved.file());
  moved.follow();
  require_code(moved.wait("caught-up"), 0);
  CHECK(sqlite(moved.file(), "SELECT group_concat(id) FROM w WHERE id > 7").at(0) == "8,9,10");
}

}  // namespace lockstep::test

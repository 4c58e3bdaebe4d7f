// Another file, an older one, or another target in the place of the one that is followed: what goes
// by the migration's name alone must not destroy the migration of somebody else.
#include <fmt/format.h>

#include <filesystem>

#include "tests/system/existing_world.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

constexpr char kTable[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x'); CREATE TABLE "
    "old_log(line TEXT)";

/// A migration app of a file app.db; `before` is that file as it was before lockstep, `followed`
/// as it was before the cutover.
struct Mistaken {
  explicit Mistaken(const std::string& name)
      : database(fmt::format("{}_{}", name, ++worlds)),
        dsn(server().create_database(database)),
        file(folder.file("app.db")),
        before(folder.file("before")),
        followed(folder.file("followed")) {
    sqlite(file, kTable);
    std::filesystem::copy_file(file, before);
    run = start_lockstep({"run", file, dsn, "--quiet", "--exclude", "old_*"});
    require_caught_up(*run, file);
    std::filesystem::copy_file(file, followed);
    std::filesystem::create_directory(folder.file("other"));
    other = folder.file("other/app.db");
    sqlite(other, "CREATE TABLE mine(id INTEGER PRIMARY KEY)");
  }
  void cut_over() {
    move_writers("cutover", file);
    REQUIRE(wait_until(
        [&] { return sqlite(file, "SELECT role FROM _lockstep_switch").at(0) == "replica"; }, 30s,
        20ms));
    stop();
    server().query("INSERT INTO t VALUES (2, 'written on PostgreSQL')", database);
  }
  void stop() {
    run->signal(SIGTERM);
    CHECK(run->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  void put_back(const std::string& copy) const {
    for (const char* const more : {"", "-wal", "-shm", "-journal"})
      std::filesystem::remove(file + more);
    std::filesystem::copy_file(copy, file);
  }
  void refused(const std::vector<std::string>& words, int exit, const std::string& code,
               const std::string& says) const {
    const Outcome outcome = lockstep(words);
    require_code(outcome, exit);
    CHECK_THAT(everything(outcome), Contains(code) && Contains(says));
    CHECK(value("SELECT count(*) FROM lockstep.ledger", database) == "1");
  }
  static inline int worlds = 0;
  TempDir folder;
  std::string database, dsn, file, before, followed, other;
  std::unique_ptr<Process> run;
};

}  // namespace

TEST_CASE("a file of the same name takes no other migration out", "[system]") {
  Mistaken world("same_name");
  world.refused({"remove", world.other, world.dsn}, 8, "LS-R730",
                "its ledger follows " + world.file);
  world.stop();
  world.refused({"remove", world.other, world.dsn, "--confirm", "app"}, 8, "LS-R730",
                "has its triggers");
  world.refused({"run", world.other, world.dsn}, 8, "LS-R711", "two files of one name");
  world.run = start_lockstep({"run", world.file, world.dsn, "--quiet"});
  require_caught_up(*world.run, world.file);
  world.cut_over();
  world.refused({"remove", world.other, world.dsn}, 8, "LS-R730", "has its triggers");
  world.refused({"run", world.other, world.dsn}, 8, "LS-R711", "keep them");
  // What the way back has not brought yet is still there.
  CHECK(value("SELECT count(*) FROM lockstep.changes", world.database) == "1");
  // The file that was followed is gone: whoever says so may.
  std::filesystem::remove(world.file);
  world.refused({"remove", world.other, world.dsn}, 8, "LS-R730", "no triggers that say otherwise");
  require_code(lockstep({"remove", world.other, world.dsn, "--confirm", "app"}), 0);
  CHECK(value("SELECT count(*) FROM t", world.database) == "2");
}

TEST_CASE("an older file that is put back after a cutover takes nothing out unasked", "[system]") {
  Mistaken world("older_file");
  world.cut_over();
  world.put_back(GENERATE(true, false) ? world.before : world.followed);
  world.refused({"run", world.file, world.dsn}, 7, "LS-X617", "both sides take writes");
  world.refused({"remove", world.file, world.dsn}, 3, "LS-R731", "--confirm app");
  require_code(lockstep({"remove", world.file, world.dsn, "--confirm", "app"}), 0);
  CHECK(value("SELECT to_regclass('lockstep.ledger') IS NULL", world.database) == "t");
  CHECK(value("SELECT count(*) FROM t", world.database) == "2");
}

TEST_CASE("where both sides are open each command says so, and the way out that it names works",
          "[system]") {
  Mistaken world("both_open");
  world.cut_over();
  world.put_back(world.followed);
  const std::string way_out = "lockstep remove " + world.file + " TARGET --confirm app";
  for (const char* const command : {"verify", "complete", "run"}) {
    CAPTURE(command);
    world.refused({command, world.file, world.dsn}, 7, "LS-X617", way_out);
    CHECK(everything(lockstep({command, world.file, world.dsn})).find("lockstep complete") ==
          std::string::npos);
  }
  require_code(lockstep({"remove", world.file, world.dsn, "--confirm", "app"}), 0);
  CHECK(value("SELECT count(*) FROM t", world.database) == "2");
  // SQLite was right, says its owner.
  server().query("DROP TABLE t", world.database);
  require_code(lockstep({"run", world.file, world.dsn, "--quiet", "--until", "caught-up"}), 0);
  CHECK(value("SELECT count(*) FROM t", world.database) == "1");
}

TEST_CASE("where nobody may write complete gives PostgreSQL the writers", "[system]") {
  Mistaken world("none_open");
  world.cut_over();
  server().query(
      "UPDATE lockstep.switchover SET role = 'replica', decision = 'none', attempt = 0, fence = 0",
      world.database);
  const std::string way_out = "lockstep complete " + world.file + " TARGET --confirm app";
  for (const char* const command : {"verify", "run"})
    world.refused({command, world.file, world.dsn}, 7, "LS-X617", way_out);
  require_code(lockstep({"complete", world.file, world.dsn, "--confirm", "app"}), 0);
  query(world.dsn, "INSERT INTO t VALUES (3, 'the application')", Guard::met);
  CHECK_THROWS_WITH(sqlite(world.file, "INSERT INTO t VALUES (3, 'stale')"), Contains("lockstep"));
}

TEST_CASE("after a cutover run names the target that the application writes to", "[system]") {
  Mistaken world("elsewhere");
  world.cut_over();
  const std::string name = world.database + "_other", other = server().create_database(name);
  world.refused({"run", world.file, other}, 8, "LS-X673",
                "dbname='" + world.database + "' (schema public)");
  CHECK(value("SELECT to_regnamespace('lockstep') IS NULL", name) == "t");
  // There somebody else has a migration of this name.
  require_code(lockstep({"run", world.other, other, "--quiet", "--until", "caught-up"}), 0);
  world.refused({"run", world.file, other}, 8, "LS-R708", world.other);
  CHECK(value("SELECT count(*) FROM lockstep.switchover", name) == "0");
  // With the right one it goes on.
  world.run = start_lockstep({"run", world.file, world.dsn, "--quiet"});
  move_writers("rollback", world.file);
  world.stop();
  CHECK(sqlite(world.file, "SELECT count(*) FROM t").at(0) == "2");
  const std::string third = server().create_database(name + "_third");
  world.refused({"run", world.file, third}, 8, "LS-R707", "its triggers belong to");
}

TEST_CASE("a ledger that was dropped after the cutover leaves complete as the way out",
          "[system]") {
  Mistaken world("dropped");
  world.cut_over();
  server().query("DROP SCHEMA lockstep CASCADE", world.database);
  const Outcome run = lockstep({"run", world.file, world.dsn});
  require_code(run, 8);
  CHECK_THAT(everything(run), Contains("LS-X673") && Contains("lockstep complete " + world.file +
                                                              " TARGET --confirm app"));
  require_code(lockstep({"complete", world.file, world.dsn, "--confirm", "app"}), 0);
  CHECK(value("SELECT count(*) FROM t", world.database) == "2");
}

TEST_CASE("a choice of tables after a cutover is not passed over in silence", "[system]") {
  Mistaken world("choices");
  world.cut_over();
  world.refused({"run", world.file, world.dsn, "--exclude", "t"}, 3, "LS-R702",
                "table t is followed");
  world.refused({"run", world.file, world.dsn, "--schema", "other"}, 3, "LS-R702",
                "--schema other (it is public)");
  const auto goes_on = [&](const std::string& exclude) {
    const Outcome outcome =
        lockstep({"run", world.file, world.dsn, "--until", "caught-up", "--exclude", exclude});
    require_code(outcome, 0);
    return everything(outcome);
  };
  CHECK_THAT(goes_on("made_*"), Contains("LS-X674") && Contains("--exclude made_*"));
  CHECK_THAT(goes_on("old_*"), !Contains("LS-X674"));  // as it was started
  CHECK(sqlite(world.file, "SELECT count(*) FROM t").at(0) == "2");
}

TEST_CASE("complete without a cutover says so also where the target is away", "[system]") {
  Mistaken world("no_cutover");
  world.stop();
  world.refused({"complete", world.file, world.dsn}, 3, "LS-X625", "no cutover to complete");
  world.refused({"complete", world.file, "host=/nowhere dbname=app"}, 3, "LS-X625",
                "no cutover to complete");
}

TEST_CASE("before a cutover a migration is taken out as ever", "[system]") {
  Mistaken world("taken_out");
  world.stop();
  const bool source_first = GENERATE(true, false);
  if (source_first) require_code(lockstep({"remove", world.file}), 0);
  require_code(lockstep({"remove", world.file, world.dsn}), 0);
  CHECK(value("SELECT to_regclass('lockstep.ledger') IS NULL", world.database) == "t");
}

}  // namespace lockstep::test

// The way back is tried before a cutover: it works or is refused by name, and nothing of it stays.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "switchover/reverse_log.hpp"
#include "switchover/reverse_probe.hpp"
#include "tests/support/followed_target.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kTables[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT NOT NULL UNIQUE, at DATETIME, yes "
    "BOOLEAN, d DECIMAL(9,2));"
    "CREATE TABLE b(id bigint NOT NULL PRIMARY KEY, n INT);"  // no rowid, whatever its affinity
    "CREATE TABLE p(n INT, k TEXT COLLATE NOCASE, v BLOB, PRIMARY KEY(k DESC, n)) WITHOUT ROWID;"
    "CREATE TABLE r(x TEXT, y REAL);"
    "CREATE TABLE g(id INTEGER PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) STORED);"
    "CREATE TABLE e(id TEXT PRIMARY KEY);"
    "INSERT INTO a VALUES (1, 'a', '2026-01-02 03:04:05', 1, 1.5), (2, 'b', NULL, 0, 7),"
    " (3, 'c', '2026-01-02 03:04:06', NULL, NULL), (4, 'd', NULL, NULL, 0);"
    "INSERT INTO b VALUES (7, 1);"
    "INSERT INTO p VALUES (1, 'x', x'00ff'), (2, 'X', NULL);"
    "INSERT INTO r VALUES ('one', 1.5), ('two', NULL), ('two', NULL);"
    "INSERT INTO g(id, n) VALUES (1, 1)";

struct Probed {
  explicit Probed(const std::string& journal = "WAL")
      : source(kTables, journal), installed(install(source)), target(server(), source) {
    target.copy_and_index();
  }
  static bool install(CapturedSource& source) {
    source.install();
    return true;
  }
  switchover::ReverseProbe probe() {
    sqlite::Database writing =
        sqlite::Database::open(source.path(), sqlite::OpenMode::read_write, Milliseconds{200});
    return switchover::probe_reverse_path(target.connection(), writing, kMigration, "public",
                                          source.plans());
  }
  void sql(const std::string& text) const { static_cast<void>(test::query(target.dsn(), text)); }
  CapturedSource source;
  bool installed;
  FollowedTarget target;
};

std::string bytes_of(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// Everything that PostgreSQL's catalog and lockstep's own tables say.
std::string traces(const Probed& probed) {
  std::string all;
  for (const auto& row : test::query(
           probed.target.dsn(),
           "SELECT oid::regclass::text || xmin::text FROM pg_class WHERE oid >= 16384 UNION ALL "
           "SELECT oid::regprocedure::text || xmin::text FROM pg_proc WHERE oid >= 16384 UNION ALL "
           "SELECT tgname || xmin::text FROM pg_trigger ORDER BY 1"))
    all += row[0].value_or("?") + "\n";
  return all;
}

}  // namespace

TEST_CASE("rows of every table go back into SQLite, and leave no trace on either side") {
  const std::string journal = GENERATE(values<std::string>({"WAL", "DELETE"}));
  Probed probed(journal);
  const std::string before = traces(probed), file = bytes_of(probed.source.path()),
                    wal = bytes_of(probed.source.path() + "-wal");
  // Writers of both sides are at work meanwhile.
  postgres::Connection writer = connect(probed.target.dsn());
  writer.exec("BEGIN; UPDATE public.a SET u = u; DELETE FROM public.p");
  const switchover::ReverseProbe probe = probed.probe();
  CHECK(probe.problems == std::vector<std::string>{});
  CHECK(probe.tables == 5);
  CHECK(probe.rows == 3 + 1 + 2 + 3 + 1);
  writer.exec("ROLLBACK");
  CHECK(traces(probed) == before);
  CHECK(bytes_of(probed.source.path()) == file);
  CHECK(bytes_of(probed.source.path() + "-wal") == wal);
  // With the log of an earlier cutover there, and rows in it.
  switchover::install_reverse_log(probed.target.connection(), kMigration, "public",
                                  probed.source.plans());
  CHECK(probed.probe().problems == std::vector<std::string>{});
}

TEST_CASE("what could not go back is named before anybody has moved") {
  Probed probed;
  const auto named = [&](const std::string& part) {
    const switchover::ReverseProbe probe = probed.probe();
    std::string all;
    for (const std::string& problem : probe.problems) all += problem + "\n";
    INFO(all);
    CHECK(all.find(part) != std::string::npos);
  };
  probed.sql("DELETE FROM public.a WHERE id = 4; UPDATE public.a SET at = 'infinity' WHERE id = 1");
  named("a: ");
  probed.sql("UPDATE public.a SET at = '2026-01-02 03:04:05' WHERE id = 1");
  CHECK(probed.probe().problems == std::vector<std::string>{});
  probed.sql("ALTER TABLE public.r ADD COLUMN more text");
  named("r.more: only PostgreSQL has it");
  probed.sql("ALTER TABLE public.r DROP COLUMN more; ALTER TABLE public.g ALTER n TYPE numeric");
  named("g.n: is numeric now");
  probed.sql("ALTER TABLE public.g ALTER n TYPE bigint");
  CHECK(probed.probe().problems == std::vector<std::string>{});
  // Somebody else's lock, and the lock of SQLite's writers.
  postgres::Connection holder = connect(probed.target.dsn());
  holder.exec("BEGIN; LOCK TABLE public.g IN ACCESS EXCLUSIVE MODE");
  named("g: ");
  holder.exec("ROLLBACK");
  probed.source.app().exec("BEGIN IMMEDIATE");
  CHECK_THROWS_AS(probed.probe(), Error);
  probed.source.app().exec("ROLLBACK");
  // A role that may read and write the tables, but owns none of them.
  probed.sql(
      "CREATE ROLE guest LOGIN; GRANT ALL ON SCHEMA lockstep, public TO guest; GRANT ALL ON ALL "
      "TABLES IN SCHEMA lockstep, public TO guest; REVOKE SELECT ON public.r FROM guest");
  std::string dsn = probed.target.dsn();
  postgres::Connection guest = connect(dsn.replace(dsn.find("postgres@"), 8, "guest"));
  sqlite::Database writing =
      sqlite::Database::open(probed.source.path(), sqlite::OpenMode::read_write);
  std::vector<TablePlan> r;
  for (const TablePlan& plan : probed.source.plans())
    if (plan.name() == "r") r.push_back(plan);
  const auto refused = switchover::probe_reverse_path(guest, writing, kMigration, "public", r);
  for (const std::string& problem : refused.problems) UNSCOPED_INFO(problem);
  REQUIRE(refused.problems.size() == 2);
  CHECK(refused.problems[0].find("neither its owner (postgres)") != std::string::npos);
  CHECK(refused.problems[1].find("permission denied") != std::string::npos);
}

}  // namespace lockstep::test

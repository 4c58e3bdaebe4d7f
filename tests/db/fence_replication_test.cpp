// The fence of PostgreSQL holds back what a subscription brings, and lets it by while PostgreSQL
// is the side that is written to.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "switchover/postgres_side.hpp"
#include "tests/support/reversed_pair.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off", "wal_level=logical",
                                 "wal_retrieve_retry_interval=100ms", "max_worker_processes=16"}};
  return running;
}

/// Another database, whose table t comes into that of a pair by a subscription.
class Publisher {
 public:
  explicit Publisher(const ReversedPair& pair, std::string name)
      : pair_(pair), name_(std::move(name)), dsn_(server().create_database(name_)) {
    query(dsn_, "CREATE TABLE t(id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t");
    // Of the same server, which would wait for itself.
    query(dsn_, "SELECT pg_create_logical_replication_slot('" + name_ + "', 'pgoutput')");
    pair_.sql(
        fmt::format("CREATE SUBSCRIPTION {0} CONNECTION '{1}' PUBLICATION p WITH (copy_data "
                    "= false, create_slot = false, slot_name = '{0}')",
                    name_, dsn_));
  }
  ~Publisher() {
    pair_.sql("ALTER SUBSCRIPTION " + name_ + " DISABLE");
    pair_.sql("ALTER SUBSCRIPTION " + name_ + " SET (slot_name = NONE)");
    pair_.sql("DROP SUBSCRIPTION " + name_);
  }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void write(const std::string& sql) const { query(dsn_, sql); }

 private:
  const ReversedPair& pair_;
  std::string name_, dsn_;
};

constexpr char kTable[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');";

std::int64_t attempt_number = 1;

}  // namespace

TEST_CASE("what a subscription brings meets the fence") {
  const bool partitioned = GENERATE(false, true);
  ReversedPair pair(server(), kTable);
  postgres::Connection& owner = pair.target().connection();
  if (partitioned)
    pair.sql(
        "DROP TABLE t; CREATE TABLE t(id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id); "
        "CREATE TABLE t_1 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'a')");
  switchover::install_reverse_log(owner, kMigration, "public", pair.source().plans());
  switchover::install_fence(owner, kMigration, "public");
  CHECK(switchover::unfenced(owner, kMigration, "public").empty());
  pair.sql("UPDATE lockstep.switchover SET role = 'primary'");
  // Ordinary sessions do not call it.
  CHECK(pair.pg("SELECT string_agg(DISTINCT tgenabled::text, '') FROM pg_trigger WHERE tgname = "
                "'_lockstep_fence_row'") == "R");
  const auto has = [&](int id) {
    return pair.pg(fmt::format("SELECT count(*) FROM t WHERE id = {}", id)) == "1";
  };
  const auto feed = pair.feed();
  feed->round();  // the partitioned one, whose rows it reads
  const Publisher publisher(pair, partitioned ? "sub_parts" : "sub_table");

  publisher.write("INSERT INTO t VALUES (2, 'b')");
  REQUIRE(wait_until([&] { return has(2); }, 30s, 20ms));
  feed->round();
  CHECK(pair.lite("SELECT v FROM t WHERE id = 2") == "b");

  // While a rollback holds the writers: it waits as they do.
  postgres::Connection leading = connect(pair.target().dsn());
  {
    switchover::WritersHeld held(leading, kMigration, Milliseconds{5'000});
    publisher.write("INSERT INTO t VALUES (3, 'c')");
    REQUIRE(wait_until(
        [&] {
          return has(3) || pair.pg(
                               "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a "
                               "USING (pid) WHERE l.locktype = 'advisory' AND NOT l.granted "
                               "AND a.backend_type LIKE 'logical replication%'") == "1";
        },
        4s, 20ms));
    CHECK_FALSE(has(3));
    REQUIRE(held.fence(++attempt_number));
  }
  // Behind the fence it is refused; nothing of it stays.
  REQUIRE(wait_until(
      [&] {
        return has(3) || pair.pg(
                             "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats "
                             "WHERE subid IN (SELECT oid FROM pg_subscription WHERE subdbid = "
                             "(SELECT oid FROM pg_database WHERE datname = "
                             "current_database()))") == "t";
      },
      30s, 20ms));
  CHECK_FALSE(has(3));
  CHECK(pair.pg("SELECT count(*) FROM lockstep.changes") == "0");
  // Nothing else stood in its way.
  REQUIRE(switchover::unfence_postgres(leading, kMigration, attempt_number));
  REQUIRE(wait_until([&] { return has(3); }, 30s, 20ms));
  feed->round();
  CHECK(pair.lite("SELECT v FROM t WHERE id = 3") == "c");
}

TEST_CASE("a table without the trigger for rows has no fence, and gets it") {
  const char* change =
      GENERATE("DROP TRIGGER _lockstep_fence_row ON t", "ALTER TABLE t DISABLE TRIGGER ALL",
               "ALTER TABLE t ENABLE TRIGGER _lockstep_fence_row");
  ReversedPair pair(server(), kTable);
  postgres::Connection& owner = pair.target().connection();
  switchover::install_fence(owner, kMigration, "public");
  CHECK(switchover::unfenced(owner, kMigration, "public").empty());
  pair.sql(change);
  CHECK(switchover::unfenced(owner, kMigration, "public") == std::vector<std::string>{"public.t"});
  switchover::install_fence(owner, kMigration, "public");
  CHECK(switchover::unfenced(owner, kMigration, "public").empty());
  switchover::remove_fence(owner, "public");
  CHECK(pair.pg("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '\\_lockstep\\_fence%'") == "0");
}

}  // namespace lockstep::test

// A SQLite file and a PostgreSQL database after a cutover: PostgreSQL is written to, SQLite
// follows.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "switchover/fence_sql.hpp"
#include "switchover/reverse_feed.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/rowids.hpp"
#include "tests/support/followed_target.hpp"

namespace lockstep::test {

/// One table of each kind, with rows.
inline constexpr char kReversedTables[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT UNIQUE, n INT);"
    "CREATE TABLE child(id INTEGER PRIMARY KEY, a INT REFERENCES a(id) ON DELETE CASCADE, n INT);"
    "CREATE TABLE p(n INT, k TEXT, v TEXT, PRIMARY KEY(k DESC, n)) WITHOUT ROWID;"
    "CREATE TABLE k(k TEXT COLLATE NOCASE PRIMARY KEY, u INT UNIQUE);"
    "CREATE TABLE r(x TEXT, y REAL);"
    "CREATE TABLE g(id INTEGER PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) STORED);"
    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL), (4, 'd', 4);"
    "INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, 2, 3);"
    "INSERT INTO p VALUES (1, 'x', ''), (2, 'x', 'y');"
    "INSERT INTO k(rowid, k, u) VALUES (5, 'a', 1), (17, 'b', 2), (9, 'c', 3);"
    "INSERT INTO r VALUES ('one', 1.5), ('two', NULL), ('two', NULL);"
    "INSERT INTO g(id, n) VALUES (1, 1);";

class ReversedPair {
 public:
  ReversedPair(PostgresServer& server, const std::string& schema, const RuleSet& rules = {},
               const std::string& journal_mode = "WAL")
      : source_(schema, journal_mode),
        installed_(install(source_, rules)),
        target_(server, source_) {
    target_.copy_and_index();
    for (const TablePlan& plan : source_.plans())
      if (const std::string sequence = apply::sequence_sql("public", plan); !sequence.empty())
        target_.connection().exec(sequence);
    switchover::install_reverse_log(target_.connection(), kMigration, "public", source_.plans());
    hand_over("11111111-1111-4111-8111-111111111111", 7);
    fence();
    sqlite::Database fenced = sqlite::Database::open(source_.path(), sqlite::OpenMode::read_write);
    switchover::record_rowids(fenced);
    forward_changes_ = source_.app().value("SELECT count(*) FROM _lockstep_changes");
  }

  /// As the coordinator does it, in two transactions.
  void hand_over(const std::string& era, std::int64_t identity) {
    sql(
        fmt::format("UPDATE lockstep.ledger SET role = 'primary', reverse_era = '{}', "
                    "reverse_number = 0, reverse_identity = {}",
                    era, identity));
    for (const std::string& text : switchover::sqlite_switch_sql()) source_.app().exec(text);
    source_.app().exec(fmt::format(
        "INSERT OR REPLACE INTO _lockstep_switch VALUES (1, 'replica', 1, 1, 'none', '{}', 0, {}, "
        "NULL, NULL)",
        era, identity));
  }

  /// Nobody but lockstep can write to SQLite's tables.
  void fence() {
    int number = 0;
    for (const TablePlan& plan : source_.plans())
      for (const char* const event : {"INSERT", "UPDATE", "DELETE"})
        source_.app().exec(fmt::format(
            "CREATE TRIGGER fence_{} BEFORE {} ON {} BEGIN SELECT RAISE(ABORT, 'fenced'); END",
            ++number, event, sqlite::quoted(plan.name())));
  }

  /// A feed of its own, with connections of its own.
  struct Feed {
    postgres::Connection reading;
    sqlite::Database writing;
    switchover::ReverseFeed feed;
    Feed(const std::string& dsn, const std::string& path, const std::vector<TablePlan>& plans)
        : reading(connect(dsn)),
          writing(sqlite::Database::open(path, sqlite::OpenMode::read_write)),
          feed(reading, writing, kMigration, "public", plans) {}
    switchover::ReverseRound round() { return feed.round(); }
  };
  [[nodiscard]] std::unique_ptr<Feed> feed() const { return feed(source_.plans()); }
  [[nodiscard]] std::unique_ptr<Feed> feed(const std::vector<TablePlan>& plans) const {
    return std::make_unique<Feed>(target_.dsn(), source_.path(), plans);
  }

  /// The application's statements on PostgreSQL, in a session of its own.
  Rows sql(const std::string& text) const { return test::query(target_.dsn(), text); }
  [[nodiscard]] std::string pg(const std::string& text) const {
    const Rows rows = sql(text);
    return rows.empty() ? std::string() : rows[0][0].value_or("");
  }
  /// What SQLite has.
  std::string lite(const std::string& text) { return source_.app().value(text); }

  /// A session of the application, for transactions that take their time.
  [[nodiscard]] postgres::Connection session() const {
    postgres::Connection connection = connect(target_.dsn());
    connection.exec(
        "RESET lockstep.applier; SET search_path = public, pg_catalog; SET lock_timeout = 5");
    return connection;
  }
  /// Every cell of a table of SQLite's with its class and its bytes.
  std::string cells(const std::string& table) {
    std::string columns;
    for (const TablePlan& plan : source_.plans())
      if (plan.name() == table)
        for (const Column& column : plan.shape.columns)
          columns +=
              fmt::format("{0} || typeof({1}) || quote({1})", columns.empty() ? "''" : "|| ','",
                          column.is_rowid ? "rowid" : sqlite::quoted(column.name));
    std::string all;
    for (const auto& row :
         source_.app().query(fmt::format("SELECT {} FROM {} ORDER BY 1", columns, table)))
      all += row[0].value_or("?") + "\n";
    return all;
  }

  [[nodiscard]] std::string difference() const { return target_.difference(); }
  /// Both logs are as they were: nothing that went back was taken for a change.
  [[nodiscard]] bool is_quiet() {
    return lite("SELECT count(*) FROM _lockstep_changes") == forward_changes_ &&
           pg("SELECT count(*) FROM lockstep.changes") == "0";
  }

  CapturedSource& source() { return source_; }
  FollowedTarget& target() { return target_; }
  [[nodiscard]] const FollowedTarget& target() const { return target_; }

 private:
  static bool install(CapturedSource& source, const RuleSet& rules) {
    source.install(rules);
    return true;
  }

  CapturedSource source_;
  bool installed_;
  FollowedTarget target_;
  std::string forward_changes_;
};

}  // namespace lockstep::test

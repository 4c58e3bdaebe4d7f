// An application after its cutover: PostgreSQL is written, SQLite follows and is compared.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "tests/support/application.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

inline PostgresServer& server() {
  static PostgresServer running{{"max_prepared_transactions=4"}};
  return running;
}

// Keys in every order, and types that keep a meaning only.
inline constexpr char kSchema[] =
    "CREATE TABLE plain(id INTEGER PRIMARY KEY, i INT, r REAL, s TEXT UNIQUE, b BLOB, n NUMERIC);"
    "CREATE TABLE composite(k TEXT COLLATE NOCASE, d REAL, b BLOB, v TEXT, PRIMARY KEY(k, d, b)) "
    "WITHOUT ROWID;"
    "CREATE TABLE uuids(id CHAR(32) PRIMARY KEY, at DATETIME, flag BOOLEAN, day DATE, doc JSON);"
    "CREATE TABLE instants(at DATETIME PRIMARY KEY, n INT);"
    "CREATE TABLE literals(id PRIMARY KEY, n INT);"
    "CREATE TABLE emptied(id INTEGER PRIMARY KEY, n INT);"
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 3000) INSERT INTO "
    "plain SELECT i, i * 7, i / 7.0, 's' || i, randomblob(9), i / 4.0 FROM k;"
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 600) INSERT INTO "
    "composite SELECT 'k' || (i % 50), i / 3.0, randomblob(3), 'v' FROM k;"
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 400) INSERT INTO "
    "uuids SELECT lower(hex(randomblob(16))), datetime(1700000000 + i, 'unixepoch'), i % 2, "
    "date(1700000000 + i * 86400, 'unixepoch'), json_object('n', i) FROM k;"
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 300) INSERT INTO "
    "instants SELECT datetime(1700000000 + i * 60, 'unixepoch'), i FROM k;"
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 200) INSERT INTO "
    "literals SELECT CASE i % 2 WHEN 0 THEN i ELSE 'l' || i END, i FROM k;"
    "INSERT INTO emptied VALUES (1, 1), (2, 2);";

/// An application that is after its cutover, with this "verify" in its configuration; `on_target`
/// was there before lockstep.
class Moved {
 public:
  Moved(std::string name, const std::string& verify, const std::string& journal = "WAL",
        const std::string& schema = kSchema,
        const std::function<void(const Moved&)>& before_the_cutover = {},
        const std::string& on_target = {})
      : name_(std::move(name)),
        file_(folder_.file("moved.db")),
        dsn_(server().create_database(name_)),
        config_(folder_.file("lockstep.json")) {
    sqlite(file_, "PRAGMA journal_mode = " + journal);
    sqlite(file_, schema);
    if (!on_target.empty()) write(on_target);
    const std::string rules =
        schema == kSchema ? R"("literals.id": {"type": "literal"}, "plain.s": {"pii": true})" : "";
    std::ofstream(config_) << fmt::format(R"({{"version": 1, "verify": {}, "columns": {{ {} }}}})",
                                          verify, rules);
    std::filesystem::permissions(
        config_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    follow();
    require_caught_up(*run_, file_);
    if (before_the_cutover) before_the_cutover(*this);
    require_code(lockstep({"cutover", file_, "--confirm", "moved", "--when-ready",
                           "--verify-max-age", "0", "--max-pause", "5s"}),
                 0);
    REQUIRE(wait_until([&] { return status()["phase"] == "reverse"; }, 30s, 20ms));
    require_code(wait("caught-up"), 0);
  }
  void follow(ProcessOptions options = {}) {
    run_ = start_lockstep({"run", file_, dsn_, "--quiet", "--config", config_}, std::move(options));
  }
  Process& run() { return *run_; }

  [[nodiscard]] nlohmann::json status() const {
    const nlohmann::json status =
        nlohmann::json::parse(lockstep({"status", file_, "--json"}).output, nullptr, false);
    return status.is_object() ? status : nlohmann::json::object();
  }
  [[nodiscard]] std::string state_of(const std::string& table) const {
    const nlohmann::json now = status();
    for (const nlohmann::json& each : now["tables"])
      if (each["name"] == table) return each["verified"]["state"];
    return "no such table";
  }
  [[nodiscard]] Outcome wait(const std::string& what, const std::string& patience = "30s") const {
    return lockstep({"wait", file_, "--for", what, "--timeout", patience, "--json"});
  }
  [[nodiscard]] Outcome verify(const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> words{"verify", file_, dsn_, "--json"};
    words.insert(words.end(), flags.begin(), flags.end());
    return lockstep(words);
  }
  [[nodiscard]] std::string value(const std::string& sql) const {
    return server().value(sql, name_);
  }
  void write(const std::string& sql) const { server().query(sql, name_); }
  /// As somebody who goes round fence and lockstep.
  void tamper(const std::string& sql) const {
    Application application(file_);
    sqlite3_db_config(application.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    application.exec(sql);
  }
  /// By the judge that shares no code.
  void equal() const { require_equal(file_, dsn_, {"--config", config_}); }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }

 private:
  TempDir folder_;
  std::string name_, file_, dsn_, config_;
  std::unique_ptr<Process> run_;
};

inline nlohmann::json object_of(const Outcome& outcome, const std::string& type,
                                const std::string& table = {}) {
  nlohmann::json found;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);)
    if (const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
        object.is_object() && object.value("type", "") == type &&
        (table.empty() || object.value("table", "") == table))
      found = object;  // the last one
  return found;
}

/// One transaction of a hostile application on PostgreSQL.
inline std::string transaction(std::mt19937_64& random) {
  static constexpr std::array kStatements{
      "UPDATE plain SET i = i + 1, r = random(), b = decode(md5(random()::text), 'hex') WHERE id "
      "% 97 = 10 + (random() * 86)::int;",  // tests plant their faults before these
      "INSERT INTO plain(i, r, s, n) SELECT 1, random(), md5(random()::text), trim_scale((random() "
      "* 1000)::int / 8.0) FROM generate_series(1, 3);",
      "DELETE FROM plain WHERE id = (SELECT id FROM plain ORDER BY random() LIMIT 1);",
      // Two rows exchange a unique value.
      "UPDATE plain SET s = CASE WHEN s IN ('one', 's1') THEN 'x' ELSE 'y' END WHERE id IN (1, 2); "
      "UPDATE plain SET s = CASE s WHEN 'x' THEN 'two' ELSE 'one' END WHERE id IN (1, 2);",
      // A key moves.
      "UPDATE plain SET id = id + 1000000 WHERE id = (SELECT min(id) FROM plain WHERE id > 10 AND "
      "id < 900000);",
      "UPDATE composite SET v = md5(random()::text) WHERE d > random() * 200;",
      "INSERT INTO composite SELECT 'K' || (random() * 9)::int, random(), '\\x00ff', 'new';",
      "DELETE FROM composite WHERE d < random() * 3;",
      "UPDATE uuids SET flag = NOT flag, doc = json_build_object('n', random()), at = at + "
      "interval '1 second' WHERE random() < 0.1;",
      "INSERT INTO uuids(id, at, flag) VALUES (gen_random_uuid(), now(), true);",
      "INSERT INTO instants SELECT date_trunc('second', timestamp '2001-01-01' + random() * "
      "interval '300 days'), 1 ON CONFLICT DO NOTHING;",
      "DELETE FROM instants WHERE n = (random() * 300)::int;",
      "UPDATE literals SET n = n + 1 WHERE random() < 0.2;",
      "INSERT INTO literals VALUES ('''new' || (random() * 1e9)::bigint || '''', 0) ON CONFLICT DO "
      "NOTHING;",
      "SAVEPOINT undone; DELETE FROM plain; ROLLBACK TO undone;",
      "INSERT INTO emptied SELECT i, i FROM generate_series(1, 50) AS g(i) ON CONFLICT DO NOTHING;",
      "TRUNCATE emptied;"};
  std::string sql = "SET search_path = public; BEGIN;";
  for (auto left = 1 + random() % 4; left > 0; --left)
    sql += kStatements[random() % kStatements.size()];
  return sql + "COMMIT";
}

/// Writes transactions on a thread of its own until it is stopped.
class HostileWriter {
 public:
  HostileWriter(const Moved& moved, std::uint64_t seed)
      : thread_([this, &moved, seed](const std::stop_token& stop) {
          std::mt19937_64 random(seed);
          while (!stop.stop_requested()) {
            try {
              moved.write(transaction(random));
              ++written_;
            } catch (const std::exception& error) {
              const std::lock_guard lock(mutex_);
              failed_ = error.what();
            }
          }
        }) {}
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  [[nodiscard]] int written() const { return written_; }
  [[nodiscard]] std::string failed() {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

 private:
  std::atomic<int> written_{0};
  std::mutex mutex_;
  std::string failed_;
  std::jthread thread_;
};

}  // namespace lockstep::test

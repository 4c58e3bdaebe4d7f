// A small source that is followed by the real program, for the tests of what can happen to it.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>
#include <thread>

#include "tests/support/application.hpp"
#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

/// Copies `from` over the content of the database `to`, as `.restore` does: the file stays, every
/// connection sees the older state.
inline void restore(const std::string& to, const std::string& from) {
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
  };
  const auto open = [](const std::string& path) {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &raw) == SQLITE_OK);
    sqlite3_busy_timeout(raw, 10'000);
    return std::unique_ptr<sqlite3, Close>(raw);
  };
  const auto source = open(from), target = open(to);
  sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  REQUIRE(backup != nullptr);
  REQUIRE(wait_until([&] { return sqlite3_backup_step(backup, -1) == SQLITE_DONE; }, 10s));
  REQUIRE(sqlite3_backup_finish(backup) == SQLITE_OK);
}

class Followed {
 public:
  /// Three tables a, b and c (id, v) with ten rows each.
  Followed(PostgresServer& server, const std::string& name, const std::string& journal = "WAL")
      : name_(name),
        file_(folder_.file(name + ".db")),
        dsn_(server.create_database(fmt::format("{}_{}", name, ++number()))) {
    std::string sql = "PRAGMA journal_mode=" + journal + ";";
    for (const char* table : {"a", "b", "c"})
      sql += fmt::format(
          "CREATE TABLE {0}(id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS (SELECT 1 "
          "UNION ALL SELECT i + 1 FROM n WHERE i < 10) INSERT INTO {0} SELECT i, 'v' || i FROM n;",
          table);
    sqlite(file_, sql);
  }

  /// `environment` is added to lockstep's alone.
  void start(std::vector<std::string> environment = {}) {
    run_ = start_lockstep({"run", file_, dsn_}, {.environment = std::move(environment)});
  }
  void caught_up() { require_caught_up(*run_, file_); }
  void equal() {
    caught_up();
    require_equal(file_, dsn_);
  }
  void write(const std::string& sql) const { sqlite(file_, sql); }
  [[nodiscard]] std::string at_target(const std::string& sql) const {
    const Rows rows = query(dsn_, sql);
    return rows.empty() ? "" : rows[0][0].value_or("");
  }
  /// How the run that must end by itself ended.
  void require_halt(const std::string& code, int exit, std::chrono::milliseconds patience = 20s) {
    const ExitStatus status = run_->wait_or_throw(patience);
    INFO(run_->output() + run_->error_output());
    REQUIRE(status == ExitStatus{.code = exit});
    REQUIRE_THAT(run_->error_output(), Catch::Contains(code));
  }
  void stop() {
    run_->signal(SIGTERM);
    REQUIRE(run_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  /// What it waits for, as status says; empty: nothing.
  [[nodiscard]] std::string awaited() const {
    const Outcome outcome = lockstep({"status", file_, "--json"});
    require_code(outcome, 0);
    const auto status = nlohmann::json::parse(outcome.output);
    return status["awaited"].is_null() ? "" : status["awaited"]["code"].get<std::string>();
  }

  Process& run() { return *run_; }
  [[nodiscard]] const TempDir& folder() const { return folder_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  /// Sections of a test come here again, on the same server.
  static int& number() {
    static int made = 0;
    return made;
  }

  TempDir folder_;
  std::string name_, file_, dsn_;
  std::unique_ptr<Process> run_;
};

}  // namespace lockstep::test

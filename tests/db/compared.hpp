// Both sides of a comparison, made by hand, and the judge's answer.
#pragma once

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/postgres_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {

inline PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};

/// One SQLite file and one database, filled by the test.
class Sides {
 public:
  explicit Sides(const std::string& database_options = "") {
    static int number = 0;
    name_ = "sides_" + std::to_string(++number);
    dsn_ = server().create_database(name_, database_options);
  }
  void source(const std::string& sql) {
    sqlite3* handle = nullptr;
    REQUIRE(sqlite3_open(folder_.file("source").c_str(), &handle) == SQLITE_OK);
    const std::unique_ptr<sqlite3, Close> database{handle};
    const int code = sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
    INFO(sqlite3_errmsg(handle));
    REQUIRE(code == SQLITE_OK);
  }
  void target(const std::string& sql) { server().query(sql, name_); }
  [[nodiscard]] Outcome compare(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{TOOL_COMPARE, folder_.file("source"), dsn_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

 private:
  TempDir folder_;
  std::string name_;
  std::string dsn_;
};

inline void check_equal(const Outcome& outcome, const std::string& line) {
  CHECK(outcome.output == line + "\n");
  CHECK(outcome.error_output.empty());
  CHECK(outcome.status == ExitStatus{.code = 0});
}

inline void check_different(const Outcome& outcome, const std::string& first_line) {
  CHECK(outcome.output.substr(0, outcome.output.find('\n')) == first_line);
  CHECK(outcome.error_output.empty());
  CHECK(outcome.status == ExitStatus{.code = 4});
}

}  // namespace lockstep::test

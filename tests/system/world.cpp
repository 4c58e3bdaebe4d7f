#include "tests/system/world.hpp"

#include <sqlite3.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace lockstep::test {

ProcessOptions clean(ProcessOptions options) {
  for (const char* name : {"LOCKSTEP_SOURCE", "LOCKSTEP_TARGET", "PGHOST", "PGPORT", "PGUSER",
                           "PGDATABASE", "PGSERVICE", "PGOPTIONS", "LOCKSTEP_PROGRESS_FPS"})
    options.environment.emplace_back(name);
  return options;
}

Outcome lockstep(std::vector<std::string> arguments, ProcessOptions options) {
  arguments.insert(arguments.begin(), LOCKSTEP_BINARY);
  return run(std::move(arguments), clean(std::move(options)));
}

std::unique_ptr<Process> start_lockstep(std::vector<std::string> arguments,
                                        ProcessOptions options) {
  arguments.insert(arguments.begin(), LOCKSTEP_BINARY);
  return std::make_unique<Process>(std::move(arguments), clean(std::move(options)));
}

std::string everything(const Outcome& outcome) {
  return outcome.output + outcome.error_output;
}

void require_code(const Outcome& outcome, int code) {
  INFO(everything(outcome));
  REQUIRE(outcome.status == ExitStatus{.code = code});
}

std::string contents(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<std::string> sqlite(const std::string& file, const std::string& sql) {
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
  };
  sqlite3* handle = nullptr;
  const int opened =
      sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  const std::unique_ptr<sqlite3, Close> database{handle};
  if (opened != SQLITE_OK) throw std::runtime_error("cannot open " + file);
  sqlite3_busy_timeout(handle, 30'000);
  std::vector<std::string> column;
  const auto keep = [](void* rows, int, char** values, char**) {
    static_cast<std::vector<std::string>*>(rows)->emplace_back(values[0] == nullptr ? ""
                                                                                    : values[0]);
    return 0;
  };
  if (sqlite3_exec(handle, sql.c_str(), keep, &column, nullptr) != SQLITE_OK)
    throw std::runtime_error(std::string(sqlite3_errmsg(handle)) + ": " + sql);
  return column;
}

std::vector<std::string> sqlite_schema(const std::string& file) {
  return sqlite(file,
                "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || ifnull(sql, '') FROM "
                "sqlite_master ORDER BY rowid");
}

std::string make_prices(const TempDir& folder, const std::string& name, const std::string& tickers,
                        const std::string& rows, std::uint64_t seed) {
  const std::string file = folder.file(name);
  require_code(run({TOOL_PRICES, file, "--tickers", tickers, "--rows", rows, "--seed",
                    std::to_string(seed)}),
               0);
  return file;
}

void require_equal(const std::string& file, const std::string& dsn,
                   const std::vector<std::string>& more) {
  std::vector<std::string> arguments{TOOL_COMPARE, file, dsn};
  arguments.insert(arguments.end(), more.begin(), more.end());
  require_code(run(std::move(arguments)), 0);
}

void wait_caught_up(const std::string& side) {
  require_code(lockstep({"wait", side, "--for", "caught-up", "--timeout", "50s"}), 0);
}

void require_caught_up(Process& following, const std::string& file,
                       std::chrono::milliseconds patience) {
  bool caught_up = false;
  static_cast<void>(wait_until(
      [&] {
        caught_up =
            lockstep({"wait", file, "--for", "caught-up", "--timeout", "2s"}).status.code == 0;
        return caught_up || !following.running();
      },
      patience));
  INFO("lockstep says: " << following.output() << following.error_output());
  REQUIRE(following.running());
  REQUIRE(caught_up);
}

Tool::Tool(std::vector<std::string> arguments)
    : process_(std::move(arguments), clean({.own_stdin = true})) {}

nlohmann::json Tool::finish() {
  process_.close_stdin();
  const ExitStatus status = process_.wait_or_throw(30s);
  INFO(process_.output() + process_.error_output());
  REQUIRE(status == ExitStatus{.code = 0});
  return nlohmann::json::parse(process_.output());
}

}  // namespace lockstep::test

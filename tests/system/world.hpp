// What system tests share: the product and its judges as processes, and SQLite files seen from
// outside.
#pragma once

#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/postgres_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
using namespace std::chrono_literals;

/// Whatever the developer's shell says about databases is not ours.
ProcessOptions clean(ProcessOptions options = {});

/// Runs the product to its end.
Outcome lockstep(std::vector<std::string> arguments, ProcessOptions options = {});

std::unique_ptr<Process> start_lockstep(std::vector<std::string> arguments,
                                        ProcessOptions options = {});

std::string everything(const Outcome& outcome);

void require_code(const Outcome& outcome, int code);

std::string contents(const std::string& path);

/// Runs statements on a connection of its own; returns the first column of every row as text.
std::vector<std::string> sqlite(const std::string& file, const std::string& sql);

/// What `.schema` shows, in its order.
std::vector<std::string> sqlite_schema(const std::string& file);

std::string make_prices(const TempDir& folder, const std::string& name, const std::string& tickers,
                        const std::string& rows, std::uint64_t seed = 1);

void require_equal(const std::string& file, const std::string& dsn,
                   const std::vector<std::string>& more = {});

void wait_caught_up(const std::string& side);

/// Asks as long as lockstep runs: if it ends by itself, its own words are what the failure shows.
void require_caught_up(Process& following, const std::string& file,
                       std::chrono::milliseconds patience = 60s);

/// A tool that runs until its input is closed and then prints one line of JSON.
class Tool {
 public:
  explicit Tool(std::vector<std::string> arguments);
  /// Its line. The end must be clean: a tool that found something wrong says so by its exit code.
  nlohmann::json finish();
  [[nodiscard]] bool running() { return process_.running(); }

 private:
  Process process_;
};

}  // namespace lockstep::test

// A small source that lockstep follows into a server that is about to be mistreated.
#pragma once

#include <fmt/format.h>

#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

class Followed {
 public:
  /// Tables a(id, u unique, n) and b(k, n), with some rows. Not started yet.
  Followed(const std::string& name, std::string dsn)
      : file_(folder_.file(name + ".db")), dsn_(std::move(dsn)) {
    sqlite(file_,
           "PRAGMA journal_mode = WAL;"
           "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);"
           "CREATE TABLE b(k TEXT PRIMARY KEY, n INT);"
           "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);"
           "INSERT INTO b VALUES ('a', 1), ('b', 2)");
  }

  void start(const std::vector<std::string>& more = {}, ProcessOptions options = {}) {
    std::vector<std::string> arguments{"run", file_, dsn_, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    process_ = start_lockstep(arguments, std::move(options));
  }
  void start_and_catch_up() {
    start();
    caught_up();
  }
  void stop() {
    process_->signal(SIGTERM);
    CHECK(process_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  void write(const std::string& sql) const { sqlite(file_, sql); }
  void write_some() const {
    write(
        "UPDATE a SET n = n + 1; INSERT INTO a(u, n) VALUES (hex(randomblob(9)), 0);"
        "INSERT INTO b(k, n) VALUES (hex(randomblob(9)), 7)");
  }
  /// Everything written so far is on the target, and the judge that shares no code agrees.
  void caught_up() {
    require_caught_up(*process_, file_);
    require_equal(file_, dsn_);
  }
  [[nodiscard]] nlohmann::json status(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"status", file_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = lockstep(arguments);
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  }
  /// Waits until the status says that `code` is awaited; what it says then.
  [[nodiscard]] nlohmann::json awaits(const std::string& code) {
    nlohmann::json seen;
    const bool found = wait_until(
        [&] {
          if (!process_->running()) return true;
          seen = status()["awaited"];
          return seen.is_object() && seen["code"] == code;
        },
        30s, 20ms);
    INFO("awaited: " << seen.dump() << "\n" << process_->output() << process_->error_output());
    REQUIRE(process_->running());
    REQUIRE(found);
    REQUIRE(seen["since"].get<std::string>().size() == 20);
    return seen;
  }
  /// It ends by itself, naming `code` and each of `words`.
  void halts(int exit_code, const std::string& code, const std::vector<std::string>& words) {
    const ExitStatus status = process_->wait_or_throw(30s);
    const std::string said = process_->error_output();
    INFO(said);
    REQUIRE(status == ExitStatus{.code = exit_code});
    REQUIRE(said.find("error[" + code + "]") != std::string::npos);
    for (const std::string& word : words) {
      INFO(word);
      REQUIRE(said.find(word) != std::string::npos);
    }
  }

  Process& process() { return *process_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }

 private:
  TempDir folder_;
  std::string file_, dsn_;
  std::unique_ptr<Process> process_;
};

/// Lines of JSON of one type.
inline std::vector<nlohmann::json> objects(const Outcome& outcome, const std::string& type) {
  std::vector<nlohmann::json> found;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json object = nlohmann::json::parse(line);
    if (object["type"] == type) found.push_back(std::move(object));
  }
  return found;
}

}  // namespace lockstep::test

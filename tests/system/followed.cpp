#include "tests/system/followed.hpp"

#include <sstream>
#include <utility>

namespace lockstep::test {

Followed::Followed(const std::string& name, std::string dsn)
    : file_(folder_.file(name + ".db")), dsn_(std::move(dsn)) {
  sqlite(file_,
         "PRAGMA journal_mode = WAL;"
         "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);"
         "CREATE TABLE b(k TEXT PRIMARY KEY, n INT);"
         "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);"
         "INSERT INTO b VALUES ('a', 1), ('b', 2)");
}

void Followed::start(const std::vector<std::string>& more, ProcessOptions options) {
  std::vector<std::string> arguments{"run", file_, dsn_, "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  process_ = start_lockstep(arguments, std::move(options));
}

void Followed::start_and_catch_up() {
  start();
  caught_up();
}

void Followed::stop() {
  process_->signal(SIGTERM);
  CHECK(process_->wait_or_throw(20s) == ExitStatus{.code = 143});
}

void Followed::write_some() const {
  write(
      "UPDATE a SET n = n + 1; INSERT INTO a(u, n) VALUES (hex(randomblob(9)), 0);"
      "INSERT INTO b(k, n) VALUES (hex(randomblob(9)), 7)");
}

void Followed::caught_up() {
  require_caught_up(*process_, file_);
  require_equal(file_, dsn_);
}

nlohmann::json Followed::status(const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"status", file_, "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome outcome = lockstep(arguments);
  require_code(outcome, 0);
  return nlohmann::json::parse(outcome.output);
}

nlohmann::json Followed::awaits(const std::string& code) {
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

void Followed::halts(int exit_code, const std::string& code,
                     const std::vector<std::string>& words) {
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

std::vector<nlohmann::json> objects(const Outcome& outcome, const std::string& type) {
  std::vector<nlohmann::json> found;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json object = nlohmann::json::parse(line);
    if (object["type"] == type) found.push_back(std::move(object));
  }
  return found;
}

}  // namespace lockstep::test

#include "tests/system/shop.hpp"

#include <filesystem>
#include <set>
#include <sstream>
#include <utility>

namespace lockstep::test {

Shop::Shop(OnServer place, const std::string& journal)
    : file_(folder_.file("shop.db")), dsn_(std::move(place.dsn)) {
  sqlite(file_, "PRAGMA journal_mode=" + journal +
                    "; CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT "
                    "NULL UNIQUE, n INTEGER, at DATETIME DEFAULT CURRENT_TIMESTAMP);"
                    "CREATE TABLE notes(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
                    "INSERT INTO orders(token, n) VALUES ('first', 1);"
                    "INSERT INTO notes VALUES ('a', 'x')");
  follow();
  require_caught_up(*run_, file_);
}

void Shop::follow(ProcessOptions options, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"run", file_, dsn_, "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  run_ = start_lockstep(std::move(arguments), std::move(options));
}

void Shop::stop_following() {
  run_->signal(SIGTERM);
  CHECK(run_->wait_or_throw(20s) == ExitStatus{.code = 143});
}

Outcome Shop::move(const std::string& direction, const std::vector<std::string>& more,
                   ProcessOptions options) {
  std::vector<std::string> arguments{direction, file_, "--confirm", "shop", "--json"};
  if (more.empty() || more[0] != "--max-pause") {
    arguments.emplace_back("--max-pause");
    arguments.emplace_back("5s");
  }
  arguments.insert(arguments.end(), {"--verify-max-age", "0"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return lockstep(arguments, std::move(options));
}

double Shop::moved(const std::string& direction) {
  const Outcome outcome = move(direction, {"--when-ready"});
  require_code(outcome, 0);
  for (const std::string& line : lines(outcome.output)) {
    const auto object = nlohmann::json::parse(line);
    if (object["type"] == "switched")
      return object["pause_ms"].is_number() ? object["pause_ms"].get<double>() : 0;
  }
  FAIL(outcome.output);
  return 0;
}

std::vector<std::string> Shop::lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) found.push_back(line);
  return found;
}

std::string Shop::sqlite_role() const {
  const std::string role = in_switch("role");
  return role.empty() ? "primary" : role;
}

std::string Shop::decision(bool forward) const {
  return forward ? postgres_value(dsn_, "SELECT decision FROM lockstep.switchover")
                 : sqlite_decision();
}

std::string Shop::postgres_role() const {
  const std::string role =
      postgres_value(dsn_, "SELECT coalesce((SELECT role FROM lockstep.switchover), 'replica')");
  return role;
}

bool Shop::settled() const {
  const std::set<std::string> roles{sqlite_role(), postgres_role()};
  return roles == std::set<std::string>{"primary", "replica"};
}

std::string Shop::route() const {
  const std::string file = file_ + "-lockstep-route";
  if (!std::filesystem::exists(file)) return "sqlite";
  return nlohmann::json::parse(contents(file)).at("writers");
}

void Shop::judge(const MovingWriter::Seen& seen) {
  std::multiset<std::string> there;
  if (sqlite_role() == "primary") {
    for (const std::string& token : sqlite(file_, "SELECT token FROM orders WHERE token LIKE 'w%'"))
      there.insert(token);
  } else {
    for (const auto& row : query(dsn_, "SELECT token FROM orders WHERE token LIKE 'w%'"))
      there.insert(row[0].value());
  }
  std::vector<std::string> lost;
  for (const std::string& token : seen.acknowledged) {
    const auto found = there.find(token);
    if (found == there.end())
      lost.push_back(token);
    else
      there.erase(found);
  }
  for (const std::string& token : seen.in_doubt)
    if (const auto found = there.find(token); found != there.end()) there.erase(found);
  INFO("acknowledged " << seen.acknowledged.size());
  CHECK(lost == std::vector<std::string>{});
  CHECK(there.empty());
  CHECK(seen.unexpected == std::vector<std::string>{});
}

void Shop::equal() {
  REQUIRE(wait_until(
      [&] {
        return postgres_value(dsn_, "SELECT count(*) || ' ' || coalesce(max(id), 0) FROM orders") ==
               sqlite(file_, "SELECT count(*) || ' ' || coalesce(max(id), 0) FROM orders").at(0);
      },
      30s, 20ms));
  require_equal(file_, dsn_);
}

std::string Shop::in_switch(const std::string& column) const {
  try {
    return sqlite(file_, "SELECT " + column + " FROM _lockstep_switch").at(0);
  } catch (const std::exception&) {
    return {};
  }
}

PostgresServer& server() {
  static PostgresServer one;
  return one;
}

std::string postgres_value(const std::string& dsn, const std::string& sql) {
  const Rows rows = query(dsn, sql);
  return rows.empty() ? std::string() : rows[0][0].value_or("");
}

bool is_stopped(const Process& process) {
  return contents("/proc/" + std::to_string(process.pid()) + "/stat").find(") T ") !=
         std::string::npos;
}

}  // namespace lockstep::test

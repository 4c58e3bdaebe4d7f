// Real libraries at a real fence: what they say is what ops/SWITCHING.md says, and its recipes for
// Python and Node, as they stand there, follow a cutover and the way back without losing a write.
#include <fmt/format.h>

#include <fstream>

#include "tests/system/node_library.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

constexpr char kData[] = LOCKSTEP_SOURCE_DIR "/tests/data/switching/";
constexpr char kRouteOfThePage[] = "/srv/shop/db.sqlite3-lockstep-route";

std::string page() {
  return contents(LOCKSTEP_SOURCE_DIR "/ops/SWITCHING.md");
}

/// The first block of code under a heading of the page, with the route file of `shop`.
std::string recipe(const std::string& heading, const std::string& language, const Shop& shop) {
  const std::string text = page(), fence = "```" + language + "\n";
  const std::size_t from = text.find(fence, text.find("### " + heading)) + fence.size();
  std::string code = text.substr(from, text.find("```", from) - from);
  const std::size_t route = code.find(kRouteOfThePage);
  REQUIRE(route != std::string::npos);
  return code.replace(route, sizeof kRouteOfThePage - 1, shop.file() + "-lockstep-route");
}

nlohmann::json output_of(std::vector<std::string> command) {
  const Outcome outcome =
      run(std::move(command),
          {.environment = {"NODE_PATH=" + (kWriterFolder / "node_modules").string()}});
  require_code(outcome, 0);
  return nlohmann::json::parse(outcome.output);
}

/// An application that writes until its input ends.
class Writer {
 public:
  Writer(const std::string& name, std::vector<std::string> command, const Shop& shop)
      : process_(arguments(std::move(command), name, shop),
                 clean({.environment = {"NODE_PATH=" + (kWriterFolder / "node_modules").string()},
                        .own_stdin = true})),
        name_(name) {}
  /// Its writes are on the side that is open now, once each, and nothing else of it is.
  void finish(const Shop& shop) {
    process_.close_stdin();
    const ExitStatus status = process_.wait_or_throw(30s);
    INFO(name_ << ": " << process_.output() << process_.error_output());
    REQUIRE(status == ExitStatus{.code = 0});
    const auto acknowledged = nlohmann::json::parse(process_.output());
    CHECK(acknowledged["sqlite"].get<int>() > 0);
    CHECK(acknowledged["postgres"].get<int>() > 0);
    const int all = acknowledged["sqlite"].get<int>() + acknowledged["postgres"].get<int>();
    CHECK(
        query(shop.dsn(), "SELECT count(*), count(DISTINCT token) FROM orders WHERE token LIKE '" +
                              name_ + "-%'") == Rows{{std::to_string(all), std::to_string(all)}});
  }
  Process& process() { return process_; }

 private:
  static std::vector<std::string> arguments(std::vector<std::string> command,
                                            const std::string& name, const Shop& shop) {
    command.insert(command.end(), {name, shop.file(), shop.dsn()});
    return command;
  }
  Process process_;
  std::string name_;
};

/// What a library says, and that the page names that class.
void refused(const nlohmann::json& seen, const std::string& type, const std::string& begins) {
  INFO(seen.dump());
  REQUIRE(seen.is_object());
  CHECK(seen["class"] == type);
  CHECK_THAT(seen.value("cause", seen["text"].get<std::string>()), Catch::StartsWith(begins));
  const std::string said = seen["class"];
  CHECK_THAT(page(), Catch::Contains(said.substr(said.rfind('.') + 1)));
}

constexpr char kFenced[] = "LOCKSTEP-FENCED: ";

}  // namespace

TEST_CASE("each library says of the fence what the page says", "[system]") {
  install_writer();
  Shop shop("drivers");
  const auto python = [&] {
    return output_of(
        {"/usr/bin/python3", std::string(kData) + "errors.py", shop.file(), shop.dsn()});
  };
  CHECK(python()["psycopg2"]["state"] == "25006");  // before the cutover: the guard
  sqlite(shop.file(), "DELETE FROM notes WHERE k = 'refused'");
  shop.moved("cutover");
  auto said = python();
  refused(said["sqlite3"], "sqlite3.IntegrityError", kFenced);
  CHECK(said["sqlite3"]["name"] == "SQLITE_CONSTRAINT_TRIGGER");
  refused(said["ignore"], "sqlite3.IntegrityError", kFenced);
  CHECK(said["sqlite3_transaction"] == nlohmann::json{{"refused", true}, {"open", true}});
  refused(said["sqlalchemy_sqlite"], "sqlalchemy.exc.IntegrityError", kFenced);
  CHECK_THAT(said["sqlalchemy_sqlite"]["text"].get<std::string>(),
             Catch::StartsWith("(sqlite3.IntegrityError) LOCKSTEP-FENCED:"));
  const auto node = output_of({"node", std::string(kData) + "errors.js", shop.file()});
  for (const char* how : {"plain", "transaction"}) {
    refused(node[how], "SqliteError", kFenced);
    CHECK(node[how]["code"] == "SQLITE_CONSTRAINT_TRIGGER");
  }
  CHECK(node["open"] == false);
  static_cast<void>(query(shop.dsn(), "DELETE FROM notes WHERE k = 'refused'", Guard::met));
  shop.moved("rollback");
  said = python();
  refused(said["psycopg2"], "psycopg2.errors.ReadOnlySqlTransaction", kFenced);
  CHECK(said["psycopg2"]["state"] == "25006");
  refused(said["sqlalchemy_postgres"], "sqlalchemy.exc.InternalError", kFenced);
}

TEST_CASE("the recipes of the page follow the writers there and back", "[system]") {
  install_writer();
  Shop shop("recipes");
  const TempDir folder;
  const auto program = [&](const std::string& name, const std::string& head,
                           const std::string& heading, const std::string& language) {
    const std::string file = folder.file(name);
    std::ofstream(file) << head << recipe(heading, language, shop) << contents(kData + name);
    return file;
  };
  const std::string python = program("writer.py", "", "Python", "python");
  const std::string node = program("writer.js", "const fs = require('fs');\n", "Node", "js");
  Writer first("py", {"/usr/bin/python3", python}, shop);
  Writer second("js", {"node", node}, shop);
  // Each of them has written on the side where the writers are.
  const auto both_write = [&](const std::string& at) {
    const std::string many =
        "SELECT min(n) FROM (SELECT count(*) AS n FROM orders WHERE token LIKE 'py-%' UNION ALL "
        "SELECT count(*) FROM orders WHERE token LIKE 'js-%') AS each";
    const auto count = [&] {
      return std::stoi(at == "sqlite" ? sqlite(shop.file(), many).at(0)
                                      : postgres_value(shop.dsn(), many));
    };
    const int before = count();
    const bool wrote = wait_until(
        [&] {
          return count() > before + 10 || !first.process().running() || !second.process().running();
        },
        30s, 10ms);
    INFO(first.process().error_output() << second.process().error_output());
    REQUIRE(wrote);
  };
  both_write("sqlite");
  for (int trip = 0; trip < 3; ++trip) {
    shop.moved("cutover");
    both_write("postgres");
    shop.moved("rollback");
    both_write("sqlite");
  }
  shop.moved("cutover");
  both_write("postgres");
  first.finish(shop);
  second.finish(shop);
  shop.equal();
}

}  // namespace lockstep::test

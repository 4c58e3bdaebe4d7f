// Readers on PostgreSQL that must see what was just written: lockstep.wait_for() in SQL, and
// `lockstep wait` for what a script waits for, before a cutover and after it.
#include <sstream>

#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

// As GUIDE.md and ops/SWITCHING.md have it.
constexpr char kPosition[] =
    "SELECT (SELECT value FROM _lockstep_meta WHERE name = 'era') || '/' || seq || '/' || identity "
    "FROM _lockstep_changes ORDER BY seq DESC LIMIT 1";

std::string as(const std::string& role, std::string dsn) {
  return dsn.replace(dsn.find("postgres@"), 8, role);
}

// The server's words, or what it returned.
std::string said(const std::string& dsn, const std::string& sql) {
  try {
    return postgres_value(dsn, sql);
  } catch (const std::exception& refused) {
    return refused.what();
  }
}

std::string wait_for(const std::string& position, const std::string& patience = "10 s") {
  return "SELECT lockstep.wait_for('" + position + "', '" + patience + "')";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// One transaction of the application, and its position, read before it commits.
std::string written(const std::string& file, const std::string& token) {
  return sqlite(file, "BEGIN IMMEDIATE; INSERT INTO orders(token) VALUES ('" + token + "'); " +
                          kPosition + "; COMMIT")
      .at(0);
}

std::string with(const std::string& position, int part, const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(position);
  for (std::string each; std::getline(in, each, '/');) parts.push_back(each);
  parts.at(static_cast<std::size_t>(part)) = text;
  return parts[0] + "/" + parts[1] + "/" + parts[2];
}

nlohmann::json waited(const Outcome& outcome) {
  require_code(outcome, 0);
  return nlohmann::json::parse(outcome.output);
}

}  // namespace

TEST_CASE("a reader on PostgreSQL waits for a commit of SQLite, and then sees it", "[system]") {
  Shop shop("readers");
  // Late enough that who does not wait sees nothing.
  shop.stop_following();
  shop.follow({.environment = {"LOCKSTEP_FAILPOINTS=apply.begun=delay:30@0"}});
  server().query(
      "CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA lockstep TO app; GRANT SELECT ON orders TO app",
      "readers");
  const std::string app = as("app", shop.dsn());
  CHECK(holds(said(app, "SELECT era FROM lockstep.ledger"), "permission denied"));

  int late = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string token = "t" + std::to_string(i);
    const std::string seen = "SELECT count(*) FROM orders WHERE token = '" + token + "'";
    const std::string position = written(shop.file(), token);
    if (said(app, seen) == "0") ++late;
    REQUIRE(said(app, i % 2 == 0 ? wait_for(position) : "BEGIN READ ONLY; " + wait_for(position)) ==
            "t");
    REQUIRE(said(app, seen) == "1");
  }
  CHECK(late > 0);
  // The next statement of the same READ ONLY transaction sees it, too.
  const std::string position = written(shop.file(), "same");
  CHECK(said(app, "BEGIN READ ONLY; " + wait_for(position) +
                      "; SELECT count(*) FROM orders WHERE token = 'same'") == "1");

  CHECK(
      holds(said(app, "BEGIN ISOLATION LEVEL REPEATABLE READ; " + wait_for(position)), "LS-X642"));
  CHECK(holds(said(app, "BEGIN ISOLATION LEVEL SERIALIZABLE; " + wait_for(position)), "LS-X642"));
  CHECK(said(app, "BEGIN ISOLATION LEVEL REPEATABLE READ; " + wait_for(position, "0 s")) == "t");
  for (const std::string& nonsense : std::vector<std::string>{"", "now", "1/2/3", "x" + position})
    CHECK(holds(said(app, wait_for(nonsense)), "LS-X640"));
  CHECK(holds(said(app, "SELECT lockstep.wait_for(NULL)"), "LS-X640"));
  CHECK(holds(said(app, "SELECT lockstep.wait_for('" + position + "', NULL)"), "LS-X640"));
  CHECK(holds(said(app, wait_for(with(position, 0, "00000000-0000-4000-8000-000000000000"))),
              "LS-X641"));
  CHECK(holds(said(app, wait_for(with(position, 2, "1"))), "LS-X641"));
  CHECK(said(app, wait_for(with(position, 1, "9999999999999999999"), "0.05 s")) == "f");
  CHECK(said(app, wait_for(with(position, 1, "0"))) == "t");

  // Nothing comes while nobody follows; the next start makes the function if it is not there.
  shop.stop_following();
  const std::string waits = written(shop.file(), "waits");
  CHECK(said(app, wait_for(waits, "0.1 s")) == "f");
  server().query("DROP FUNCTION lockstep.wait_for", "readers");
  shop.follow();
  require_caught_up(shop.run(), shop.file());
  CHECK(said(app, wait_for(waits)) == "t");

  // After a cutover whatever SQLite had is there; after a rollback its old positions are nobody's.
  static_cast<void>(shop.moved("cutover"));
  CHECK(said(app, wait_for(waits)) == "t");
  CHECK(holds(said(app, wait_for(with(waits, 1, "1000000"))), "LS-X641"));
  static_cast<void>(shop.moved("rollback"));
  REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));
  CHECK(holds(said(app, wait_for(waits)), "LS-X641"));
  CHECK(said(app, wait_for(written(shop.file(), "again"))) == "t");

  shop.stop_following();
  require_code(lockstep({"remove", shop.file(), shop.dsn()}), 0);
  CHECK(server().value("SELECT to_regnamespace('lockstep')", "readers").empty());
}

TEST_CASE("wait knows what verified means, and which way changes go", "[system]") {
  Shop shop("waits");
  const auto wait = [&](const std::string& what, const std::string& patience = "20s") {
    return lockstep({"wait", shop.file(), "--for", what, "--timeout", patience, "--json"});
  };
  require_code(wait("verified", "200ms"), 6);
  require_code(lockstep({"verify", shop.file(), shop.dsn(), "--table", "orders"}), 0);
  require_code(wait("verified", "200ms"), 6);  // of one table
  require_code(lockstep({"verify", shop.file(), shop.dsn()}), 0);
  CHECK(waited(wait("verified"))["condition"] == "verified");
  // Written since: what was compared is older. Waited for before the comparison begins.
  const std::string position = written(shop.file(), "newer");
  require_code(wait("verified", "200ms"), 6);
  auto waiting =
      start_lockstep({"wait", shop.file(), "--for", "verified", "--timeout", "30s", "--json"});
  require_code(lockstep({"verify", shop.file(), shop.dsn()}), 0);
  CHECK(waiting->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK(waited(wait("applied=" + position))["applied"].is_string());
  // The newest word counts.
  server().query("UPDATE orders SET n = 7 WHERE token = 'newer'", "waits");
  require_code(lockstep({"verify", shop.file(), shop.dsn()}), 4);
  require_code(wait("verified", "200ms"), 6);
  require_code(lockstep({"verify", shop.file(), shop.dsn(), "--repair", "--yes"}), 0);

  static_cast<void>(shop.moved("cutover"));
  REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));
  for (int i = 0; i < 5; ++i) {
    const std::string token = "p" + std::to_string(i);
    server().query("INSERT INTO orders(token) VALUES ('" + token + "')", "waits");
    CHECK(waited(wait("caught-up"))["direction"] == "reverse");
    CHECK(sqlite(shop.file(), "SELECT token FROM orders WHERE token = '" + token + "'").size() ==
          1);
  }
  CHECK(waited(wait("applied=" + position))["condition"] == "applied");
  require_code(wait("verified", "200ms"), 6);
  require_code(lockstep({"verify", shop.file(), shop.dsn()}), 0);
  CHECK(waited(wait("verified"))["direction"] == "reverse");
  // Nobody brings it back: then it is not there.
  shop.stop_following();
  server().query("INSERT INTO orders(token) VALUES ('alone')", "waits");
  require_code(wait("caught-up", "200ms"), 6);
  shop.follow();
  CHECK(waited(wait("caught-up"))["direction"] == "reverse");
  CHECK(sqlite(shop.file(), "SELECT token FROM orders WHERE token = 'alone'").size() == 1);
  static_cast<void>(shop.moved("rollback"));
  CHECK(waited(wait("caught-up"))["applied"].is_string());
}

}  // namespace lockstep::test

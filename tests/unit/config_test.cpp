// The configuration file: what it says, and every mistake with its path and line.
#include "config/load.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "config/line_index.hpp"
#include "model/error.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {
namespace {

using config::Loaded;

std::optional<std::string> variable(const std::string& name) {
  if (name == "SHOP_URL") return "postgresql://owner@db/shop";
  if (name == "DOLLAR") return "${env:SHOP_URL}";
  return std::nullopt;
}

Loaded load(const std::string& text) {
  return config::load_text(text, variable);
}

std::string only_problem(const std::string& text) {
  const Loaded loaded = load(text);
  if (loaded.problems.size() != 1) return std::to_string(loaded.problems.size()) + " problems";
  const config::Problem& problem = loaded.problems.front();
  return std::to_string(problem.line) + " " + problem.path + ": " + problem.what +
         (problem.todo.empty() ? "" : " | " + problem.todo);
}

void write(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

std::string code_of(const std::string& path) {
  try {
    static_cast<void>(config::load_file(path));
  } catch (const Error& error) {
    return error.code();
  }
  return "none";
}

}  // namespace

TEST_CASE("a configuration file says source, target and tables, with comments", "[unit]") {
  const Loaded loaded = load(R"({
    // the shop
    "version": 1, "source": { "sqlite": "db.sqlite3" },
    "target": { "dsn": "service=shop", "schema": "shop" }, /* both
    lines */
    "tables": { "include": ["*"], "exclude": ["a,b", "*_fts*"],
                "expect": ["orders", {"table": "users", "rows_min": 1, "rows_max": 9}] },
    "snapshot": { "on_existing_row": "update" } })");
  REQUIRE(loaded.problems.empty());
  CHECK(loaded.settings.on_existing_row == "update");
  CHECK(loaded.settings.source == "db.sqlite3");
  CHECK(loaded.settings.target == "service=shop");
  CHECK(loaded.settings.schema == "shop");
  CHECK(loaded.settings.include == std::vector<std::string>{"*"});
  CHECK(loaded.settings.exclude == std::vector<std::string>{"a,b", "*_fts*"});
  REQUIRE(loaded.settings.expect.size() == 2);
  CHECK(loaded.settings.expect[0].table == "orders");
  CHECK_FALSE(loaded.settings.expect[0].rows_min);
  CHECK(loaded.settings.expect[1].rows_min == 1);
  CHECK(loaded.settings.expect[1].rows_max == 9);
  CHECK(loaded.target_written_out);
  CHECK(loaded.lines.at("/tables/expect/1/rows_max") == 7);
}

TEST_CASE("a configuration file names tables that are written on both sides", "[unit]") {
  const Loaded loaded = load(
      R"({ "version": 1, "tables": { "dual_write": { "orders": "source", "a \"b": "skip" } } })");
  REQUIRE(loaded.problems.empty());
  REQUIRE(loaded.settings.dual_write.size() == 2);
  CHECK(loaded.settings.dual_write[0].table == "a \"b");
  CHECK(loaded.settings.dual_write[0].policy == "skip");
  CHECK(loaded.settings.dual_write[1].policy == "source");
  CHECK(only_problem("{\"version\": 1, \"tables\": {\"dual_write\": {\n\"orders\": \"ask\"}}}")
            .substr(0, 41) == "2 /tables/dual_write/orders: this is none");
}

TEST_CASE("a configuration file says what becomes of bad values, for all columns and for one",
          "[unit]") {
  const Loaded loaded = load(R"({ "version": 1, "on_bad_value": "stop",
    "columns": { "orders.total": { "on_bad_value": "quarantine" }, "a b.c.d": {} } })");
  REQUIRE(loaded.problems.empty());
  CHECK(loaded.settings.on_bad_value == "stop");
  REQUIRE(loaded.settings.columns.size() == 2);
  CHECK(loaded.settings.columns[0].column == "a b.c.d");
  CHECK(loaded.settings.columns[0].on_bad_value.empty());
  CHECK(loaded.settings.columns[1].column == "orders.total");
  CHECK(loaded.settings.columns[1].on_bad_value == "quarantine");
  CHECK(only_problem("{\"version\": 1, \"on_bad_value\":\n\"skip\"}").substr(0, 41) ==
        "1 /on_bad_value: this is none of what it ");
  CHECK(only_problem("{\"version\": 1, \"columns\": {\"a.b\":\n{\"on_bad\": 1}}}") ==
        "2 /columns/a.b/on_bad: there is no such key | known here: default_if_null, nul, "
        "on_bad_value, pii, rename, type");
  CHECK(
      only_problem("{\"version\": 1, \"columns\": {\"a.b\":\n{\"on_bad_value\": \"\"}}}") ==
      "2 /columns/a.b/on_bad_value: this is none of what it may be | stop, quarantine or text, for "
      "this column");
}

TEST_CASE("validators, waivers and personal data are read, and mistakes in them named", "[unit]") {
  const Loaded loaded = load(R"({ "version": 1, "columns": { "people.mail": { "pii": true } },
    "verify": { "validators": [
      { "name": "a", "source": "SELECT 1", "target": "SELECT 2", "expect": "<=" },
      { "name": "b", "source": "SELECT 1", "target": "SELECT 2", "expect": { "within_percent": 0.5 } },
      { "name": "c", "source": "SELECT 1", "target": "SELECT 2" } ] },
    "waivers": [ { "check": "LS-V501", "table": "etf_*", "max_rows": 3, "reason": "r", "by": "kim",
      "until": "2028-02-29" } ] })");
  REQUIRE(loaded.problems.empty());
  CHECK(loaded.settings.columns[0].pii);
  REQUIRE(loaded.settings.validators.size() == 3);
  CHECK(loaded.settings.validators[0].expect == "<=");
  CHECK(loaded.settings.validators[1].expect == "within 0.5%");
  CHECK(loaded.settings.validators[2].expect == "equal");
  REQUIRE(loaded.settings.waivers.size() == 1);
  CHECK(loaded.settings.waivers[0].rows_max == 3);
  CHECK(loaded.settings.waivers[0].until == "2028-02-29");

  const auto waiver = [](const std::string& members) {
    return only_problem("{\"version\": 1, \"waivers\": [\n{" + members + "}]}");
  };
  const std::string some = R"("check": "LS-V501", "table": "t", )";
  CHECK(waiver(some + R"("by": "k", "until": "2026-01-01")") ==
        "2 /waivers/0: \"reason\" is missing");
  CHECK(waiver(some + R"("reason": "r", "until": "2026-01-01")") ==
        "2 /waivers/0: \"by\" is missing");
  CHECK(waiver(some + R"("reason": "r", "by": "k")") == "2 /waivers/0: \"until\" is missing");
  CHECK(waiver(some + R"("reason": "", "by": "k", "until": "2026-01-01")").substr(0, 37) ==
        "2 /waivers/0/reason: this is empty | ");
  CHECK(waiver(some + R"("reason": "r", "by": "k", "until": "2026-02-29")") ==
        "2 /waivers/0/until: there is no such day");
  CHECK(waiver(some + R"("reason": "r", "by": "k", "until": "soon")").substr(0, 54) ==
        "2 /waivers/0/until: this is none of what it may be | t");
  const auto validator = [](const std::string& members) {
    return only_problem("{\"version\": 1, \"verify\": {\"validators\": [\n{\"name\": \"n\", " +
                        members + "}]}}");
  };
  CHECK(validator(R"("source": "SELECT 1")") == "2 /verify/validators/0: \"target\" is missing");
  CHECK(validator(R"("source": "SELECT 1", "target": "SELECT 1", "expect": ">=")").substr(0, 61) ==
        "2 /verify/validators/0/expect: this is none of what it may be");
  CHECK(validator(R"("source": "s", "target": "t"}, {"name": "n", "source": "s", "target": "t")") ==
        "2 /verify/validators/1/name: another validator has this name");
}

TEST_CASE("limits and gates of a switch are read, and mistakes in them named", "[unit]") {
  const Loaded loaded = load(R"({ "version": 1,
    "cutover": { "max_pause": "2s", "max_lag": "1s", "verify_max_age": "0ms", "gates": [
      { "name": "a", "command": "true" }, { "name": "b", "command": ["test", "-e", "x y"] },
      { "name": "c", "source_sql": "SELECT 1", "expect": "no-rows" } ] },
    "rollback": { "max_pause": "3s", "gates": [{ "name": "d", "target_sql": "SELECT true" }] },
    "hooks_dir": "h" })");
  REQUIRE(loaded.problems.empty());
  const config::SwitchSetting& there = loaded.settings.cutover;
  CHECK(there.max_pause + there.max_lag + there.verify_max_age == "2s1s0ms");
  REQUIRE(there.gates.size() == 3);
  CHECK(there.gates[0].command == std::vector<std::string>{"/bin/sh", "-c", "true"});
  CHECK(there.gates[1].command == std::vector<std::string>{"test", "-e", "x y"});
  CHECK(there.gates[2].source_sql + there.gates[2].expect == "SELECT 1no-rows");
  CHECK(loaded.settings.rollback.max_pause == "3s");
  CHECK(loaded.settings.rollback.gates.at(0).target_sql == "SELECT true");
  CHECK(loaded.settings.rollback.gates.at(0).expect == "true");
  CHECK(loaded.settings.hooks_dir == "h");
  CHECK(only_problem(R"({"version": 1, "cutover": {"gates": [{"name": "a"}]}})") ==
        "1 /cutover/gates/0: a gate has one of command, source_sql and target_sql");
  CHECK(only_problem(R"({"version": 1, "cutover": {"gates": [
    {"name": "a", "command": "x", "source_sql": "y"}]}})") ==
        "2 /cutover/gates/0: a gate has one of command, source_sql and target_sql");
  CHECK(only_problem(R"({"version": 1, "cutover": {"gates": [
    {"name": "a", "command": "x", "expect": "true"}]}})") ==
        "2 /cutover/gates/0/expect: a command is expected to exit with 0");
  CHECK(only_problem(R"({"version": 1, "cutover": {"max_pause": "long"}})")
            .starts_with("1 /cutover/max_pause"));
  CHECK(load(R"({"version": 1, "rollback": {"verify_max_age": "1d"}})")
            .settings.rollback.verify_max_age == "1d");
  CHECK(only_problem(R"({"version": 1, "rollback": {"verify_max_age": "soon"}})")
            .starts_with("1 /rollback/verify_max_age"));
}

TEST_CASE("the example in the tree is a good file and has every key", "[unit]") {
  std::ifstream file(LOCKSTEP_SOURCE_DIR "/config/example.json");
  const Loaded loaded = load(std::string{std::istreambuf_iterator<char>{file}, {}});
  CHECK(loaded.problems.empty());
  const auto schema = nlohmann::json::parse(config::schema_text());
  for (const auto& [name, part] : schema["properties"].items()) {
    CHECK(loaded.lines.count("/" + name) == 1);
    const nlohmann::json keys = part.value("properties", nlohmann::json::object());
    for (const auto& [key, rest] : keys.items())
      CHECK(loaded.lines.count("/" + name + "/" + key) == 1);
  }
}

TEST_CASE("each mistake of a configuration file is named with its path and line", "[unit]") {
  CHECK(only_problem("{\n \"version\": 1,\n \"sourc\": {}\n}") ==
        "3 /sourc: there is no such key | did you mean: source");
  CHECK(only_problem("{\"version\": 1,\n\"target\": {\n\"password\": \"x\"}}") ==
        "3 /target/password: there is no such key | known here: dsn, guard, schema");
  CHECK(only_problem("{\n}") == "1 : \"version\" is missing");
  CHECK(only_problem("{\n\"version\": 2}") ==
        "2 /version: this has to be 1 | the version of this format");
  CHECK(only_problem("{\"version\": 1,\n\n\"source\": \"db\"}") ==
        "3 /source: this has to be of type object, not string");
  CHECK(only_problem("{\"version\": 1, \"tables\": {\"exclude\":\n[\"a\",\n7]}}") ==
        "3 /tables/exclude/1: this has to be of type string, not number | a table's name or a "
        "glob");
  CHECK(only_problem("{\"version\": 1, \"source\": {\n\"sqlite\": \"\"}}").substr(0, 33) ==
        "2 /source/sqlite: this is empty |");
  CHECK(only_problem("{\"version\": 1, \"tables\": {\"expect\": [\n\n{\"table\": \"t\", "
                     "\"rows_min\": -1}]}}")
            .substr(0, 18) == "3 /tables/expect/0");
  CHECK(only_problem("{\"version\": 1,\n\"version\": 1}") ==
        "2 /version: this key is there twice | keep one");
  CHECK(only_problem("{\"version\": 1,\n\"target\": {\"dsn\": \"${env:NOT_SET}\"}}") ==
        "2 /target/dsn: the environment has no NOT_SET");
  CHECK(only_problem("{\"version\": 1,\n\"target\": {\"dsn\": \"${home}\"}}") ==
        "2 /target/dsn: ${home} is neither ${env:NAME} nor ${file:/path}");
  CHECK(only_problem("{\"version\": 1,\n\"target\": {\"dsn\": \"${env:A\"}}") ==
        "2 /target/dsn: ${ is never closed");
  CHECK(only_problem("{\"version\": 1,\n\"source\": {},\n}").substr(0, 30) ==
        "3 : this is no JSON: syntax er");
  CHECK(only_problem("{\"version\": 1,\n\"gates\": [\n1e999]}") ==
        "3 : number overflow parsing '1e999' | a number has to fit into a double");
  CHECK(only_problem("[]").substr(0, 32) == "1 : this has to be of type objec");
  CHECK(only_problem("").substr(0, 20) == "1 : this is no JSON:");
}

TEST_CASE("all mistakes come at once, in the order of the file", "[unit]") {
  const Loaded loaded = load(
      "{ \"version\": 1,\n\"tabels\": {},\n\"source\": { \"sqlite\": 5 },\n\"target\": { \"dns\": "
      "\"x\",\n\"schema\": false } }");
  std::vector<std::string> places;
  for (const config::Problem& problem : loaded.problems)
    places.push_back(std::to_string(problem.line) + problem.path);
  CHECK(places ==
        std::vector<std::string>{"2/tabels", "3/source/sqlite", "4/target/dns", "5/target/schema"});
  try {
    config::throw_problems("shop.json", loaded.problems);
  } catch (const Error& error) {
    CHECK(error.code() == "LS-C130");
    CHECK(error.facts().exit == ExitCode::usage);
    CHECK(error.facts().why.find("shop.json:4: /target/dns: there is no such key (did you mean: "
                                 "dsn)") != std::string::npos);
  }
}

TEST_CASE("strings take values from the environment and from files, once", "[unit]") {
  const TempDir folder;
  write(folder.file("secret"), "s3\nrest\n", 0600);
  const Loaded loaded =
      load(R"({"version": 1, "target": {"dsn": "${env:SHOP_URL}"},
    "source": {"sqlite": "a$$b${env:NONE:-c}/)" +
           std::string("${file:") + folder.file("secret") + R"(}${env:DOLLAR}"}})");
  REQUIRE(loaded.problems.empty());
  CHECK(loaded.settings.target == "postgresql://owner@db/shop");
  CHECK(loaded.settings.source == "a$bc/s3${env:SHOP_URL}");
  CHECK_FALSE(loaded.target_written_out);
}

TEST_CASE("a hostile file does no harm", "[unit]") {
  CHECK(load(std::string(100'000, '[')).problems.size() == 1);
  CHECK_FALSE(load("{\"version\": 1, \"\xff\": 1}").problems.empty());
  CHECK_FALSE(load(std::string("{\"version\": 1, \"a\0b\": 1}", 24)).problems.empty());
  CHECK(only_problem("{\"version\": 1, // \"}\n/* { */ \"a/b~c\": 1}").substr(0, 34) ==
        "2 /a~1b~0c: there is no such key |");
}

TEST_CASE("a configuration file that others could have written is refused", "[unit]") {
  const TempDir folder;
  const std::string path = folder.file("lockstep.json");
  write(path, "{\"version\": 1}", 0640);
  CHECK(code_of(path) == "none");
  CHECK(config::load_file(path).others_can_read);
  REQUIRE(::chmod(path.c_str(), 0660) == 0);
  CHECK(code_of(path) == "LS-C131");
  REQUIRE(::chmod(path.c_str(), 0602) == 0);
  CHECK(code_of(path) == "LS-C131");
  CHECK(code_of(folder.file("none.json")) == "LS-C130");
  CHECK(code_of(folder.path().string()) == "LS-C130");
}

}  // namespace lockstep::test

// The configuration decides what lockstep alone would refuse: from the lines that assess prints to
// two equal sides, and as a quant platform's migration needs it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

std::string write(const TempDir& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.file(name);
  std::ofstream(path) << text;
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path;
}

std::string rows_of(const std::string& sql, const std::string& database) {
  std::string text;
  for (const auto& row : server().query(sql, database)) {
    for (const auto& cell : row) text += cell.value_or("NULL") + "|";
    text += " ";
  }
  return text;
}

/// The decide_config of every blocker as one object: lists grow, objects meet.
void merge(Json& all, const Json& one) {
  for (const auto& [name, value] : one.items()) {
    if (!all.contains(name))
      all[name] = value;
    else if (value.is_object())
      merge(all[name], value);
    else if (value.is_array())
      for (const Json& element : value) all[name].push_back(element);
  }
}

Json decided(const std::string& file) {
  const Outcome assessed = lockstep({"assess", file, "--json"});
  require_code(assessed, 3);
  Json config{{"version", 1}};
  const Json report = Json::parse(assessed.output);
  for (const Json& finding : report.at("findings"))
    if (finding["severity"] == "blocker")
      merge(config, Json::parse("{" + finding["decide_config"].get<std::string>() + "}"));
  return config;
}

/// SQLite itself reads the literals of the target back: the same values of the same classes.
void require_same_literals(const std::string& file, const std::string& database,
                           const std::string& table, const std::string& column) {
  std::string back = "SELECT NULL AS c WHERE 0";
  for (const auto& row : server().query(
           fmt::format("SELECT coalesce(\"{}\", 'NULL') FROM \"{}\"", column, table), database))
    back += " UNION ALL SELECT " + row[0].value();
  const std::string ours = fmt::format(
      "SELECT typeof(\"{0}\") || '/' || CASE typeof(\"{0}\") WHEN 'real' THEN printf('%!.17g', "
      "\"{0}\") ELSE hex(\"{0}\") END AS c FROM \"{1}\"",
      column, table);
  const std::string theirs = fmt::format(
      "SELECT typeof(c) || '/' || CASE typeof(c) WHEN 'real' THEN printf('%!.17g', c) ELSE hex(c) "
      "END AS c FROM ({})",
      back);
  INFO(table << "." << column);
  const auto source = sqlite(file, ours + " ORDER BY 1");
  CHECK(!source.empty());
  CHECK(sqlite(file, theirs + " ORDER BY 1") == source);
}

constexpr char kPlatform[] =
    "CREATE TABLE etf_holdings(id INTEGER PRIMARY KEY, ticker TEXT NOT NULL, rank INT, active);"
    "CREATE TABLE ohlcv_data(ticker TEXT, region TEXT, date TEXT, close REAL, PRIMARY KEY(ticker, "
    "date)) WITHOUT ROWID;"
    "INSERT INTO etf_holdings VALUES (1, 'SPY', 1, 'yes'), (2, 'QQQ', 2, 0), (3, 'IWM', 3, NULL);"
    "INSERT INTO ohlcv_data VALUES ('SPY', NULL, '2024-01-02', 470.25), ('DAX', 'DE', "
    "'2024-01-02', 16500.5);";
constexpr char kPlatformConfig[] = R"({ "version": 1,
  "tables": { "add": { "etf_holdings": { "loaded_by": "lockstep" } } },
  "columns": { // as the completion report lists them
    "etf_holdings.rank": { "rename": "rank_in_etf" },
    "etf_holdings.active": { "type": "boolean" },
    "ohlcv_data.region": { "default_if_null": "US" } } })";

}  // namespace

TEST_CASE("a rename, a default and a boolean are carried through copy, following and verify",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("quant.db"), dsn = server().create_database("quant");
  sqlite(file, kPlatform);
  const std::string config = write(folder, "quant.json", kPlatformConfig);
  const Outcome refused = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(refused, 3);
  CHECK_THAT(everything(refused), Contains(R"("columns": { "etf_holdings.active": { "type")"));
  CHECK(sqlite(file, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%lockstep%'").front() ==
        "0");

  const Outcome first = lockstep({"run", file, dsn, "--config", config, "--until", "caught-up"});
  require_code(first, 0);
  // Whatever changes values is said before it is done.
  CHECK_THAT(everything(first), Contains(R"(active goes by its rule {"type": "boolean"})"));
  CHECK_THAT(everything(first), Contains(R"(region goes by its rule {"default_if_null": 'US'})"));
  sqlite(file,
         "UPDATE etf_holdings SET active = 'no', rank = 7 WHERE id = 1; INSERT INTO ohlcv_data "
         "VALUES ('IWM', NULL, '2024-01-03', 1.5); DELETE FROM etf_holdings WHERE id = 2");
  // Without a configuration the rules of the start stay.
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  CHECK(rows_of("SELECT id, rank_in_etf, active, loaded_by FROM etf_holdings ORDER BY id",
                "quant") == "1|7|f|lockstep| 3|3|NULL|lockstep| ");
  CHECK(rows_of("SELECT ticker, region FROM ohlcv_data ORDER BY 1", "quant") ==
        "DAX|DE| IWM|US| SPY|US| ");
  require_code(lockstep({"verify", file, dsn}), 0);
  require_equal(file, dsn, {"--config", config});
  server().query("UPDATE ohlcv_data SET region = 'DE' WHERE ticker = 'IWM'", "quant");
  require_code(lockstep({"verify", file, dsn}), 4);
}

TEST_CASE("a rule that is changed after the copy is refused by its column", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("quant.db"), dsn = server().create_database("changed");
  sqlite(file, kPlatform);
  const std::string config = write(folder, "quant.json", kPlatformConfig);
  require_code(lockstep({"run", file, dsn, "--config", config, "--until", "caught-up"}), 0);
  const std::string before = fmt::format("{}", fmt::join(sqlite_schema(file), "\n"));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = kPlatformConfig;
    text.replace(text.find(from), from.size(), to);
    const Outcome outcome = lockstep(
        {"run", file, dsn, "--config", write(folder, "other.json", text), "--until", "caught-up"});
    require_code(outcome, 3);
    CHECK_THAT(everything(outcome), Contains("LS-R702"));
    return everything(outcome);
  };
  CHECK_THAT(changed("\"US\"", "\"EU\""), Contains("ohlcv_data.region") && Contains("'EU'"));
  CHECK_THAT(changed("rank_in_etf", "rank_of_etf"), Contains("etf_holdings.rank"));
  CHECK_THAT(changed("{ \"type\": \"boolean\" }", "{}"), Contains("etf_holdings.active"));
  CHECK_THAT(changed("\"lockstep\"", "\"x\""), Contains("added to etf_holdings"));
  CHECK(fmt::format("{}", fmt::join(sqlite_schema(file), "\n")) == before);
  require_code(lockstep({"run", file, dsn, "--config", config, "--until", "caught-up"}), 0);
  // A rule about nothing is a mistake before anything is done.
  std::string typo = kPlatformConfig;
  typo.replace(typo.find("data.region"), 11, "data.regoin");
  const Outcome outcome = lockstep({"assess", file, "--config", write(folder, "typo.json", typo)});
  require_code(outcome, 3);
  CHECK_THAT(everything(outcome), Contains("LS-A107") && Contains("ohlcv_data.regoin"));
}

// Else two tables of SQLite would be one on PostgreSQL, each over the rows of the other.
TEST_CASE("a table that is made under a name that a rule gave away is not followed", "[system]") {
  const std::string rows = GENERATE("", "INSERT INTO t VALUES (1, 'one'), (2, 'two');");
  const TempDir folder;
  const std::string name = rows.empty() ? "taken_empty" : "taken";
  const std::string file = folder.file("app.db"), dsn = server().create_database(name);
  sqlite(file, "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);" + rows);
  const std::string config =
      write(folder, "taken.json", R"({"version": 1, "tables": {"rename": {"t": "u"}}})");
  const auto follow = [&] { return start_lockstep({"run", file, dsn, "--config", config}); };
  const auto stop = [](Process& following) {
    following.signal(SIGTERM);
    CHECK(following.wait_or_throw(20s) == ExitStatus{.code = 143});
  };
  const auto named = [](const Process& following) {
    return wait_until(
        [&] {
          return following.error_output().find(
                     "LS-S315 u is a new table and is not followed: on PostgreSQL u is the name of "
                     "table t") != std::string::npos;
        },
        20s);
  };
  auto following = follow();
  require_caught_up(*following, file);
  sqlite(file,
         "CREATE TABLE u(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO u VALUES (1, 'uuu'), (7, "
         "'seven'); INSERT INTO t VALUES (3, 'three')");
  REQUIRE(named(*following));
  require_caught_up(*following, file);
  stop(*following);
  require_code(lockstep({"ddl", "status", file}), 3);
  following = follow();  // which finds it, too
  REQUIRE(named(*following));
  require_caught_up(*following, file);
  const auto all = "SELECT coalesce(string_agg(id || v, ' ' ORDER BY id), '') FROM u";
  CHECK(server().value(all, name) == (rows.empty() ? "3three" : "1one 2two 3three"));
  stop(*following);
  require_code(lockstep({"verify", file, dsn, "--table", "t"}), 0);
  sqlite(file, "ALTER TABLE u RENAME TO w; INSERT INTO w VALUES (8, 'eight')");
  following = follow();
  require_caught_up(*following, file);
  REQUIRE(wait_until([&] { return server().value("SELECT to_regclass('w')", name) == "w"; }, 20s));
  require_caught_up(*following, file);
  CHECK(server().value("SELECT count(*) FROM w", name) == "3");
  CHECK(server().value(all, name) == (rows.empty() ? "3three" : "1one 2two 3three"));
  stop(*following);
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("capture alone applies the rules, apply needs none", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("quant.db"), dsn = server().create_database("apart");
  sqlite(file, kPlatform);
  const std::string config = write(folder, "quant.json", kPlatformConfig);
  const std::string endpoint = "ipc://" + folder.file("s");
  const auto capture = start_lockstep({"capture", file, "--listen", endpoint, "--config", config});
  require_code(lockstep({"apply", "--connect", endpoint, dsn, "--until", "caught-up"}), 0);
  CHECK(rows_of("SELECT id, rank_in_etf, active, loaded_by FROM etf_holdings ORDER BY id",
                "apart") == "1|1|t|lockstep| 2|2|f|lockstep| 3|3|NULL|lockstep| ");
  capture->signal(SIGTERM);
  CHECK(capture->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"verify", file, dsn}), 0);
}

TEST_CASE("hooks run once each, and one that fails is tried again", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("app.db"), dsn = server().create_database("hooks");
  sqlite(file, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')");
  std::ofstream(folder.file("after.sql"))
      << "INSERT INTO log SELECT 'snapshot ' || count(*) FROM t;\n"
         "INSERT INTO log SELECT 'key ' || count(*) FROM pg_index WHERE indrelid = 't'::regclass";
  const auto config = [&](const std::string& second) {
    std::string text = R"x({"version": 1, "hooks": {"after_schema": [
      "CREATE TABLE log(what text)", "INSERT INTO log SELECT 'schema ' || count(*) FROM t",
      "SECOND"], "after_snapshot": [{"file": "after.sql"}]}})x";
    text.replace(text.find("SECOND"), 6, second);
    return write(folder, "hooks.json", text);
  };
  const Outcome failed =
      lockstep({"run", file, dsn, "--config", config("INSERT INTO nowhere VALUES (1)"), "--until",
                "caught-up"});
  require_code(failed, 7);
  CHECK_THAT(everything(failed),
             Contains("LS-T233") && Contains("after_schema: entry 3") && Contains("nowhere"));
  CHECK(rows_of("TABLE log", "hooks") == "schema 0| ");
  const std::string good = config("SET LOCAL search_path TO public");
  for (int again = 0; again < 2; ++again) {
    require_code(lockstep({"run", file, dsn, "--config", good, "--until", "caught-up"}), 0);
    CHECK(rows_of("TABLE log", "hooks") == "schema 0| snapshot 1| key 1| ");
  }
  require_equal(file, dsn);
  require_code(lockstep({"remove", file, dsn}), 0);
  CHECK(rows_of("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'", "hooks") == "0| ");
}

TEST_CASE("with on_bad_value text a column of several classes becomes text and stays so",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("odd.db"), dsn = server().create_database("odd");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v, n INT, r REAL);"
         "INSERT INTO t VALUES (1, 1, 1, 0.5), (2, 'x', 2, 1.5), (3, 2.5, 3, NULL)");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 3);
  const std::string config = write(folder, "odd.json", R"({"version": 1, "on_bad_value": "text"})");
  const Outcome first = lockstep({"run", file, dsn, "--config", config, "--until", "caught-up"});
  require_code(first, 0);
  CHECK_THAT(everything(first),
             Contains("LS-A109") && Contains("column v holds values of several"));
  const auto equal = [&] { require_equal(file, dsn, {"--config", config}); };
  equal();
  CHECK(rows_of("SELECT id, v, n FROM t ORDER BY id", "odd") == "1|1|1| 2|x|2| 3|2.5|3| ");
  // The next start finds a column of one class, another choice and a changed schema: it stays text.
  sqlite(file,
         "UPDATE t SET v = 7; ALTER TABLE t ADD COLUMN w; INSERT INTO t VALUES (4, 8.0, 4, 1, 2)");
  require_code(lockstep({"run", file, dsn, "--config", config, "--until", "caught-up"}), 0);
  equal();
  require_code(lockstep({"run", file, dsn, "--on-bad-value", "stop", "--until", "caught-up"}), 0);
  sqlite(file, "UPDATE t SET v = 'again ' || id WHERE id > 2");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  equal();
  require_code(lockstep({"verify", file, dsn}), 0);
  // A column that was fit for its type stops later without the choice, and follows with it.
  sqlite(file, "UPDATE t SET n = 'odd' WHERE id = 1");
  const Outcome odd = lockstep({"run", file, dsn, "--until", "caught-up"});
  require_code(odd, 7);
  CHECK_THAT(everything(odd), Contains("LS-D401") && Contains("t.n"));
  require_code(lockstep({"run", file, dsn, "--config", config, "--until", "caught-up"}), 0);
  equal();
}

TEST_CASE("the hostile database runs with the lines that assess prints, and nothing is lost",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("torture.db"), dsn = server().create_database("torture");
  sqlite(file, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
  const Json config = decided(file);
  const std::string path = write(folder, "torture.json", config.dump());
  // Only what no table of PostgreSQL can be is left out.
  CHECK(config["tables"]["exclude"] == Json({"pk_null", "wide_cols"}));
  // The page says the same in one piece.
  const std::string page = lockstep({"assess", file}).output;
  const std::size_t begin = page.find("\n{\n"), end = page.find("\n}\n", begin);
  REQUIRE(end != std::string::npos);
  CHECK(Json::parse(page.substr(begin, end + 2 - begin)) == config);
  require_code(lockstep({"run", file, dsn, "--config", path, "--until", "caught-up"}), 0);
  require_code(lockstep({"verify", file, dsn}), 0);

  // The independent comparer reads the same configuration and finds each value of each table.
  const auto compare = [&] { return run({TOOL_COMPARE, file, dsn, "--config", path}); };
  const Outcome equal = compare();
  require_code(equal, 0);
  CHECK(std::count(equal.output.begin(), equal.output.end(), '\n') > 60);
  for (const auto& [place, rule] : config["columns"].items()) {
    const std::string table = place.substr(0, place.find('.'));
    const std::string column = place.substr(place.find('.') + 1);
    if (rule.value("type", "") == "literal") require_same_literals(file, "torture", table, column);
  }
}

TEST_CASE("the hostile database runs with odd rows in quarantine, and every other value is equal",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("torture.db"), dsn = server().create_database("aside");
  sqlite(file, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
  Json config = decided(file);
  // What differs in class within a column waits aside; keys and names are decided.
  Json columns = Json::object();
  for (const auto& [place, rule] : config["columns"].items())
    if (rule.contains("rename") || place.find(".k") != std::string::npos) columns[place] = rule;
  config["columns"] = columns;
  config["on_bad_value"] = "quarantine";
  const std::string path = write(folder, "torture.json", config.dump());
  const Outcome outcome = lockstep({"run", file, dsn, "--config", path, "--until", "caught-up"});
  INFO(everything(outcome));
  require_code(outcome, 9);
  CHECK(rows_of("SELECT count(*) > 10 FROM lockstep.quarantine", "aside") == "t| ");
  require_equal(file, dsn, {"--config", path, "--quarantine"});
  require_code(run({TOOL_COMPARE, file, dsn, "--config", path}), 4);
}

}  // namespace lockstep::test

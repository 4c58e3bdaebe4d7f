// Values that PostgreSQL cannot hold, and an owner who chose that their rows wait aside: run,
// status, verify and the quarantine's own commands, through kill -9 and as two processes.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/seed.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

using nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// Orders of which two have no number for a total, and one a note that is no text.
class Shop {
 public:
  explicit Shop(const std::string& name)
      : database(name), file(folder.file(name + ".db")), dsn(server().create_database(name)) {
    sqlite(
        file,
        "PRAGMA journal_mode = WAL;"
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, total INTEGER, note TEXT);"
        "INSERT INTO orders WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT "
        "500) SELECT i, i * 10, 'n' || i FROM i;");
  }
  void write(const std::string& sql) const { sqlite(file, sql); }
  [[nodiscard]] Outcome run(std::vector<std::string> more = {}, ProcessOptions options = {}) const {
    std::vector<std::string> arguments{"run", file, dsn, "--until", "caught-up"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return lockstep(std::move(arguments), std::move(options));
  }
  [[nodiscard]] json status(const std::string& side) const {
    const Outcome outcome = lockstep({"status", side, "--json"});
    require_code(outcome, 0);
    return json::parse(outcome.output);
  }
  [[nodiscard]] std::vector<json> list(const std::string& side) const {
    const Outcome outcome = lockstep({"quarantine", "list", side, "--json"});
    require_code(outcome, 0);
    std::vector<json> rows;
    std::istringstream lines{outcome.output};
    for (std::string line; std::getline(lines, line);)
      if (json object = json::parse(line); object["type"] == "quarantined")
        rows.push_back(std::move(object));
    return rows;
  }
  /// The judge knows no quarantine: it compares with a source that never had these rows.
  void require_equal_without(const std::string& where) const {
    const std::string copy = folder.file("judge.db");
    std::filesystem::remove(copy);
    write("VACUUM INTO '" + copy + "'");
    sqlite(copy, "DELETE FROM orders WHERE " + where);
    require_equal(copy, dsn);
  }
  void require_verified(int code) const { require_code(lockstep({"verify", file, dsn}), code); }

  TempDir folder;
  std::string database, file, dsn;
};

constexpr char kOdd[] =
    "UPDATE orders SET total = 'free' WHERE id = 7; UPDATE orders SET total = 0.5 WHERE id = 8;"
    "UPDATE orders SET note = 'a' || char(0) WHERE id = 9;";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A value of the quarantine as SQLite spells it.
std::string literal(const json& value) {
  const std::string kind = value[0];
  if (kind == "integer") return value[1].dump();
  if (kind == "real") {
    const std::string bits = value[1];
    const auto number =
        std::bit_cast<double>(static_cast<std::uint64_t>(std::stoull(bits, nullptr, 16)));
    if (std::isinf(number)) return number > 0 ? "9e999" : "-9e999";
    return fmt::format("{:.17e}", number);
  }
  if (kind == "blob") return "x'" + value[1].get<std::string>() + "'";
  if (value[1].is_object()) return "CAST(x'" + value[1]["hex"].get<std::string>() + "' AS TEXT)";
  std::string text = value[1];
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '\'');
  return "'" + text + "'";
}

/// Deletes each listed row of `file` by its key; how many rows that were.
int delete_listed(const std::string& file, const std::vector<json>& rows) {
  int deleted = 0;
  for (const json& row : rows) {
    const std::string table = row["table"];
    std::vector<std::string> key = sqlite(
        file, "SELECT name FROM pragma_table_info('" + table + "') WHERE pk > 0 ORDER BY pk");
    if (key.empty()) key = {"rowid"};
    std::string where;
    for (std::size_t i = 0; i < key.size(); ++i) {
      const std::string column = "\"" + key[i] + "\"", value = literal(row["key"][i]);
      where += fmt::format("{}{} = {} AND typeof({}) = typeof({})", i == 0 ? "" : " AND ", column,
                           value, column, value);
    }
    deleted += std::stoi(
        sqlite(file, fmt::format("DELETE FROM \"{}\" WHERE {}; SELECT changes()", table, where))
            .at(0));
  }
  return deleted;
}

/// What PostgreSQL cannot have at all: names, NULL in a key, a column without a name, 2,000
/// columns.
constexpr char kNotCarried[] = "a_table_with*,empty_col_name,pg_sys_cols,pk_null,wide_cols";

}  // namespace

TEST_CASE("odd rows wait in quarantine from the copy on, and come back one by one", "[system]") {
  const Shop shop("odd");
  shop.write(kOdd);
  const Outcome refused = shop.run();
  require_code(refused, 3);
  CHECK(has(refused.error_output, "LS-A100"));
  const Outcome first = shop.run({"--on-bad-value", "quarantine"});
  require_code(first, 9);
  INFO(everything(first));
  CHECK(has(first.output, "LS-D402 orders: column total becomes bigint; 2 row(s) do not fit"));
  CHECK(has(first.output, "3 rows in quarantine"));
  shop.require_equal_without("id IN (7, 8, 9)");
  shop.require_verified(9);
  for (const std::string& side : {shop.file, shop.dsn}) {
    CHECK(shop.status(side)["quarantined"] == 3);
    CHECK(shop.status(side)["skipped"] == 0);
  }
  CHECK(has(lockstep({"status", shop.file}).output, "3 rows in quarantine"));

  const std::vector<json> rows = shop.list(shop.file);
  REQUIRE(rows.size() == 3);
  CHECK(shop.list(shop.dsn) == rows);
  CHECK(rows[0]["table"] == "orders");
  CHECK(rows[0]["column"] == "total");
  CHECK(rows[0]["key"] == json::parse(R"([["integer", 7]])"));
  CHECK(rows[0]["value"] == json::parse(R"(["text", "free"])"));
  CHECK(rows[0]["code"] == "LS-D401");
  CHECK(rows[0]["state"] == "held");
  CHECK_FALSE(rows[0]["position"].get<std::string>().empty());
  CHECK(rows[2]["value"] == json::parse(R"(["text", {"hex": "6100"}])"));
  const Outcome shown = lockstep({"quarantine", "show", shop.file, "--key", "id=9"});
  require_code(shown, 0);
  CHECK(has(shown.output, R"(value     a\x00)"));

  require_code(lockstep({"quarantine", "skip", shop.file}), 2);
  require_code(lockstep({"quarantine", "skip", shop.file, "--row", "999"}), 3);
  require_code(lockstep({"quarantine", "skip", shop.file, "--row",
                         std::to_string(rows[1]["number"].get<int>())}),
               0);
  CHECK(shop.status(shop.file)["quarantined"] == 2);
  CHECK(shop.status(shop.file)["skipped"] == 1);
  shop.require_verified(9);

  shop.write("UPDATE orders SET total = 70 WHERE id = 7; DELETE FROM orders WHERE id = 9");
  require_code(shop.run(), 9);
  CHECK(shop.list(shop.file).size() == 1);
  require_code(lockstep({"quarantine", "retry", shop.file}), 0);
  CHECK(shop.status(shop.file)["skipped"] == 0);
  require_code(shop.run(), 9);
  CHECK(shop.status(shop.file)["quarantined"] == 1);
  shop.write("UPDATE orders SET total = 80 WHERE id = 8");
  require_code(shop.run(), 0);
  CHECK(shop.list(shop.file).empty());
  require_equal(shop.file, shop.dsn);
  shop.require_verified(0);
}

TEST_CASE("a retry reads rows again while lockstep follows", "[system]") {
  const Shop shop("retry");
  shop.write(kOdd);
  require_code(shop.run({"--on-bad-value", "quarantine"}), 9);
  auto following = start_lockstep({"run", shop.file, shop.dsn});
  require_caught_up(*following, shop.file);
  // A busy machine can keep a look at the status from its answer: then it says null.
  const auto applied = [&] { return shop.status(shop.file)["applied"].dump(); };
  const auto becomes = [&](int rows) {
    return wait_until([&] { return shop.status(shop.file)["quarantined"] == rows; }, 20s);
  };
  const std::string before = applied();
  require_code(lockstep({"quarantine", "retry", shop.dsn, "--table", "ord*"}), 0);
  CHECK(wait_until([&] { return applied() != before && applied() != "null"; }, 20s));
  CHECK(becomes(3));
  shop.write("UPDATE orders SET total = 1 WHERE id IN (7, 8)");
  CHECK(becomes(1));
  std::filesystem::rename(shop.file, shop.file + ".away");
  const Outcome away = lockstep({"quarantine", "retry", shop.dsn});
  std::filesystem::rename(shop.file + ".away", shop.file);
  CHECK(has(away.error_output, "LS-R721"));
  require_code(away, 3);
}

TEST_CASE("what stopped goes on when its owner chooses so, column by column", "[system]") {
  const Shop shop("choice");
  require_code(shop.run(), 0);
  shop.write("INSERT INTO orders(id) VALUES (1000); UPDATE orders SET total = 'x' WHERE id = 3");
  const Outcome stopped = shop.run();
  require_code(stopped, 7);
  CHECK(has(stopped.error_output, "LS-D401"));
  CHECK(has(stopped.error_output, "--on-bad-value quarantine"));
  const auto config = [&](const std::string& text) {
    const std::string path = shop.folder.file("lockstep.json");
    std::ofstream(path) << R"({"version": 1, )" << text << "}";
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
  };
  const Outcome unknown = shop.run(
      {"--config", config(R"("columns": {"orders.totl": {"on_bad_value": "quarantine"}})")});
  require_code(unknown, 2);
  CHECK(has(unknown.error_output, "orders.totl"));
  require_code(shop.run({"--config",
                         config(R"("columns": {"orders.total": {"on_bad_value": "quarantine"}})")}),
               9);
  shop.require_equal_without("id = 3");
  shop.require_verified(9);
  // It is remembered, for this column alone.
  shop.write("UPDATE orders SET total = 'y' WHERE id = 4");
  require_code(shop.run(), 9);
  shop.write("UPDATE orders SET note = x'00' WHERE id = 5");
  require_code(shop.run(), 7);
  require_code(shop.run({"--on-bad-value", "quarantine"}), 9);
  shop.require_equal_without("id IN (3, 4, 5)");
  // And the way back.
  require_code(shop.run({"--on-bad-value", "stop"}), 9);
  shop.write("UPDATE orders SET note = x'00' WHERE id = 6");
  require_code(shop.run(), 7);
  shop.write("UPDATE orders SET note = 'n', total = 1 WHERE id IN (3, 4, 5, 6)");
  require_code(shop.run(), 0);
  require_equal(shop.file, shop.dsn);
  require_code(lockstep({"remove", shop.file, shop.dsn}), 0);
  CHECK(server().value("SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'",
                       shop.database) == "0");
}

TEST_CASE("new tables and columns have the choice that was made for all", "[system]") {
  const Shop shop("later");
  require_code(shop.run({"--on-bad-value", "quarantine"}), 0);
  shop.write(
      "UPDATE orders SET total = 'x' WHERE id = 3; ALTER TABLE orders ADD COLUMN extra INT DEFAULT "
      "5; UPDATE orders SET extra = 'e' WHERE id = 4; CREATE TABLE later(id INTEGER PRIMARY KEY, n "
      "INT); INSERT INTO later VALUES (1, 1), (2, 2), (3, 'three');");
  require_code(shop.run(), 9);
  const std::vector<json> rows = shop.list(shop.file);
  CHECK(rows.size() == 3);
  shop.require_verified(9);
}

TEST_CASE("kill -9 anywhere loses nothing that waits, and holds nothing twice", "[system]") {
  const std::string strike =
      GENERATE(as<std::string>{}, "snap.chunk_written=kill", "snap.chunk_committed=kill",
               "apply.pos_set=kill", "apply.rows_done=kill", "apply.committed=kill",
               "apply.commit_sent=error@2");
  INFO(strike);
  static int number = 0;
  const Shop shop("kill" + std::to_string(++number));
  shop.write(kOdd);
  const bool copying = strike.starts_with("snap");
  if (!copying) {
    require_code(shop.run({"--on-bad-value", "quarantine"}), 9);
    shop.write(
        "UPDATE orders SET total = 70 WHERE id = 7; UPDATE orders SET total = 'new' WHERE id IN "
        "(8, "
        "20)");
  }
  ProcessOptions options;
  options.environment.emplace_back("LOCKSTEP_FAILPOINTS=" + strike);
  const Outcome struck = shop.run({"--on-bad-value", "quarantine"}, options);
  CHECK(struck.status != ExitStatus{.code = 0});
  require_code(shop.run(), 9);
  const std::vector<json> rows = shop.list(shop.file);
  REQUIRE(rows.size() == 3);
  shop.require_equal_without(copying ? "id IN (7, 8, 9)" : "id IN (8, 9, 20)");
  shop.require_verified(9);
}

TEST_CASE("of a hostile application each value is equal or in quarantine, keys of any class too",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("torture.db");
  const std::string dsn = server().create_database("torture");
  sqlite(file, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
  sqlite(file, "PRAGMA journal_mode = WAL");
  auto following =
      start_lockstep({"run", file, dsn, "--exclude", kNotCarried, "--on-bad-value", "quarantine"});
  Process workload({"python3", LOCKSTEP_SOURCE_DIR "/tests/data/workload_public.py", file, "--seed",
                    std::to_string(test_seed()), "--txns", "300", "--writers", "2", "--sleep",
                    "1"});
  CHECK(workload.wait_or_throw(120s) == ExitStatus{.code = 0});
  INFO(workload.output() << workload.error_output());
  require_caught_up(*following, file);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_code(lockstep({"verify", file, dsn}), 9);

  const Outcome listed = lockstep({"quarantine", "list", file, "--json"});
  require_code(listed, 0);
  std::vector<json> rows;
  std::istringstream lines{listed.output};
  for (std::string line; std::getline(lines, line);)
    if (json object = json::parse(line); object["type"] == "quarantined")
      rows.push_back(std::move(object));
  CHECK(rows.size() > 40);
  std::string tables;
  for (const auto& row : server().query("SELECT name FROM lockstep.ledger_tables", "torture"))
    tables += (tables.empty() ? "" : ",") + row.front().value();
  CHECK(has(tables, "pk_text"));
  // The judge knows no quarantine. A key is one row: each entry takes just one.
  const std::string judge = folder.file("judge.db");
  sqlite(file, "PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(file, judge);
  require_code(lockstep({"remove", judge}), 0);
  for (const std::string& trigger :
       sqlite(judge, "SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    sqlite(judge, fmt::format("DROP TRIGGER \"{}\"", trigger));
  CHECK(delete_listed(judge, rows) == static_cast<int>(rows.size()));
  require_equal(judge, dsn, {"--tables", tables});
}

TEST_CASE("as two processes capture has the choice and apply keeps the rows", "[system]") {
  const Shop shop("apart");
  shop.write(kOdd);
  const std::string endpoint = "ipc://" + shop.folder.file("wire.sock");
  const auto capture = [&](std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"capture", shop.file, "--listen", endpoint};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return start_lockstep(std::move(arguments));
  };
  const auto apply = [&] {
    return lockstep({"apply", "--connect", endpoint, shop.dsn, "--until", "caught-up"});
  };
  auto capturing = capture({"--on-bad-value", "quarantine"});
  require_code(apply(), 9);
  shop.require_equal_without("id IN (7, 8, 9)");
  capturing->kill_hard();
  shop.write("UPDATE orders SET total = 'more' WHERE id = 30");
  capturing = capture();
  require_code(apply(), 9);
  CHECK(shop.status(shop.dsn)["quarantined"] == 4);
  CHECK(shop.status(shop.file)["quarantined"].is_null());  // capture does not see the target
  CHECK(lockstep({"quarantine", "list", shop.file}).status == ExitStatus{.code = 2});
  require_code(lockstep({"quarantine", "list", shop.file, shop.dsn}), 0);
  require_code(lockstep({"quarantine", "retry", shop.file, shop.dsn}), 0);
  require_code(apply(), 9);
  shop.write("UPDATE orders SET total = 1, note = 'n' WHERE id IN (7, 8, 9, 30)");
  require_code(apply(), 0);
  require_equal(shop.file, shop.dsn);
}

}  // namespace lockstep::test

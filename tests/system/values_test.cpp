// Every declared type, value and schema object of tests/data/values.sql: carried exactly, copied
// and followed, or refused by name. Judged by PostgreSQL's own text and by lockstep-compare.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/state_reader.hpp"
#include "tests/system/value_blocks.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr int kNumbers = 126;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

const std::vector<Block>& blocks() {
  static const std::vector<Block> all = read_blocks(LOCKSTEP_SOURCE_DIR "/tests/data/values.sql");
  return all;
}

std::vector<Block> with_verdict(const std::string& verdict) {
  std::vector<Block> found;
  for (const Block& block : blocks())
    if (block.verdict == verdict) found.push_back(block);
  return found;
}

std::string name_of(const std::string& quoted) {
  if (!quoted.starts_with('"')) return quoted;
  std::string name = quoted.substr(1, quoted.size() - 2);
  for (std::size_t at = 0; (at = name.find("\"\"", at)) != std::string::npos; ++at)
    name.erase(at, 1);
  return name;
}

std::string in_one_line(const std::string& value) {
  std::string text;
  for (const char c : value)
    if (c == '\r' || c == '\n')
      text += c == '\r' ? "\\r" : "\\n";
    else
      text += c;
  return text;
}

std::vector<nlohmann::json> objects(const std::string& lines) {
  std::vector<nlohmann::json> all;
  std::istringstream text{lines};
  for (std::string line; std::getline(text, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

/// A follower that is told to be at rest.
class Following {
 public:
  Following(std::string file, std::string database)
      : file_(std::move(file)), database_(std::move(database)), dsn_(server().dsn(database_)) {
    process_ = start_lockstep({"run", file_, dsn_});
  }
  void write(const std::string& sql) {
    sqlite(file_, sql);
    require_caught_up(*process_, file_);
  }
  /// All that is followed is equal, by a judge that shares no code; and the types and texts are
  /// those that `all` says.
  void check(const std::vector<Block>& all, const std::string& when) {
    require_caught_up(*process_, file_);
    std::string tables;
    for (const std::string& name : sqlite(file_, "SELECT name FROM _lockstep_tables"))
      tables += (tables.empty() ? "" : ",") + name;
    require_equal(file_, dsn_, {"--tables", tables});
    for (const Block& block : all)
      for (const Expected& expected : block.expected) {
        INFO(when << ": " << block.name() << ", " << expected.table << "." << expected.column);
        CHECK(type_of(expected) == expected.type);
        CHECK(values_of(expected) == expected.values);
      }
  }
  [[nodiscard]] std::string said() const { return process_->output() + process_->error_output(); }
  void stop() {
    process_->signal(SIGTERM);
    CHECK(process_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }

 private:
  std::string type_of(const Expected& expected) const {
    return server().value(
        fmt::format("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
                    "'{}'::regclass AND attname = '{}'",
                    expected.table, expected.column),
        database_);
  }
  std::vector<std::string> values_of(const Expected& expected) const {
    const std::string key = server().value(
        fmt::format("SELECT attname FROM pg_attribute WHERE attrelid = '{}'::regclass AND attnum "
                    "= 1",
                    expected.table),
        database_);
    std::vector<std::string> values;
    for (const auto& row : server().query(
             fmt::format("SET timezone = 'UTC'; SELECT \"{}\" FROM \"{}\" ORDER BY \"{}\"",
                         expected.column, expected.table, key),
             database_))
      values.push_back(in_one_line(row[0].value_or("NULL")));
    return values;
  }

  std::string file_, database_, dsn_;
  std::unique_ptr<Process> process_;
};

std::string answer(const std::string& sql, const std::string& database) {
  std::string text;
  for (const auto& row : server().query(sql, database))
    for (const auto& cell : row) text += (text.empty() ? "" : ", ") + cell.value_or("NULL");
  return text;
}

}  // namespace

TEST_CASE("every number is on the list of values", "[system]") {
  std::set<int> numbers{kNumbers};  // a test case of its own
  std::set<std::string> tables;
  for (const Block& block : blocks()) {
    INFO(block.name());
    numbers.insert(block.number);
    for (const std::string& table : block.tables) CHECK(tables.insert(table).second);
    if (block.verdict == "refused") {
      CHECK(block.codes.size() == (block.has_trouble ? 2U : 1U));
    } else if (block.verdict == "alone") {
      CHECK(block.codes.size() == 1);
    } else {
      CHECK(block.verdict == "equal");
      CHECK(block.expected.size() + block.questions.size() > 0);
    }
  }
  CHECK(numbers.size() == kNumbers);
  CHECK(*numbers.begin() == 1);
  CHECK(*numbers.rbegin() == kNumbers);
}

TEST_CASE("values and schemas that can be carried arrive exactly, copied and followed",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("values.db");
  const std::vector<Block> all = with_verdict("equal");
  std::string sql =
      "PRAGMA journal_mode = WAL; CREATE TABLE pad(id INTEGER PRIMARY KEY, v INT);"
      "INSERT INTO pad WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000)"
      " SELECT i, 0 FROM n;";
  sqlite(file, sql);
  for (const Block& block : all) {
    INFO(block.name());
    sqlite(file, "PRAGMA synchronous = OFF; BEGIN;" + block.schema + block.rows + "COMMIT");
  }
  server().create_database("values");
  Following following(file, "values");
  following.check(all, "copied");
  const std::string said = following.said();
  for (const Block& block : all)
    for (const std::string& words : block.said) {
      INFO(block.name() << ": " << words << "\n" << said);
      CHECK(said.find(words) != std::string::npos);
    }
  // Small batches go as parameters, large ones through COPY and a merge.
  for (const bool large : {false, true}) {
    const std::string pad = large ? "UPDATE pad SET v = v + 1;" : "";
    std::string emptied = "BEGIN;" + pad;
    std::string filled = "BEGIN;" + pad;
    for (const Block& block : all) {
      if (block.number == 56 && !large) continue;  // 30 MB are never a small batch
      emptied += block.emptied();
      filled += block.rows;
    }
    following.write(emptied + "COMMIT");
    following.write(filled + "COMMIT");
    following.check(all, large ? "followed in a large batch" : "followed in a small batch");
  }
  following.stop();
  for (const Block& block : all)
    for (const Question& question : block.questions) {
      INFO(block.name() << ": " << question.sql);
      CHECK(answer(question.sql, "values") == question.answer);
    }
}

TEST_CASE("what cannot be carried is refused by name, before the first trigger", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("refused.db");
  const std::vector<Block> all = with_verdict("refused");
  std::string sql;
  for (const Block& block : all) sql += block.schema + block.rows + block.trouble;
  sqlite(file, sql);
  const auto before = sqlite_schema(file);
  const std::string dsn = server().create_database("refused");
  const Outcome refused = lockstep({"run", file, dsn, "--json"});
  require_code(refused, 3);
  const Outcome assessed = lockstep({"assess", file, "--json"});
  require_code(assessed, 3);
  const auto findings = nlohmann::json::parse(assessed.output)["findings"];
  const auto said = objects(refused.output);
  for (const Block& block : all)
    for (const std::string& table : block.tables) {
      INFO(block.name() << ": " << table);
      CHECK(std::count_if(said.begin(), said.end(), [&](const nlohmann::json& object) {
              return object["type"] == "refusal" && object["table"] == name_of(table) &&
                     !object["problems"].empty();
            }) == 1);
      CHECK(std::any_of(findings.begin(), findings.end(), [&](const nlohmann::json& finding) {
        return finding["severity"] == "blocker" && finding["table"] == name_of(table) &&
               finding["code"] == block.codes[0];
      }));
    }
  CHECK(sqlite_schema(file) == before);
  CHECK(server().value("SELECT count(*) FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM "
                       "pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = "
                       "'information_schema')",
                       "refused") == "0");
}

TEST_CASE("what stops fitting while following stops by name, and goes on when it is corrected",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("later.db");
  const std::string dsn = server().create_database("later");
  std::vector<Block> all = with_verdict("refused");
  std::erase_if(all, [](const Block& block) { return !block.has_trouble; });
  std::string sql = "PRAGMA journal_mode = WAL;";
  for (const Block& block : all) sql += block.schema + block.rows;
  sqlite(file, sql);
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  for (const Block& block : all) {
    INFO(block.name());
    sqlite(file, block.trouble);
    const Outcome stopped = lockstep({"run", file, dsn, "--until", "caught-up", "--json"});
    require_code(stopped, 7);
    const auto error = nlohmann::json::parse(stopped.error_output);
    INFO(error.dump(1));
    CHECK(error["code"] == block.codes[1]);
    const auto named = [&](const std::string& table) {
      return error.dump().find(name_of(table)) != std::string::npos;
    };
    CHECK(std::any_of(block.tables.begin(), block.tables.end(), named));
    sqlite(file, "BEGIN;" + block.emptied() + block.rows + "COMMIT");
  }
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  require_equal(file, dsn);
}

TEST_CASE("databases that are refused as a whole are left as they are", "[system]") {
  const TempDir folder;
  const std::string dsn = server().create_database("alone");
  for (const Block& block : with_verdict("alone")) {
    INFO(block.name());
    const std::string file = folder.file(fmt::format("alone{}.db", block.number));
    sqlite(file, block.schema + block.rows);
    const auto before = sqlite_schema(file);
    const Outcome refused = lockstep({"run", file, dsn, "--json"});
    require_code(refused, 3);
    CHECK(nlohmann::json::parse(refused.error_output)["code"] == block.codes[0]);
    CHECK(sqlite_schema(file) == before);
  }
}

TEST_CASE("126: a database that is being written is never seen in two states at once", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("live.db");
  const std::string dsn = server().create_database("live");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(id "
         "INTEGER PRIMARY KEY); INSERT INTO a WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i "
         "+ 1 FROM n LIMIT 100000) SELECT i FROM n; INSERT INTO b SELECT id FROM a");
  StateReader reader{
      dsn,
      "concat((SELECT concat(max(a.id), ' and ', max(b.id)) FROM a FULL JOIN b USING (id) HAVING "
      "max(a.id) IS DISTINCT FROM max(b.id) OR count(*) FILTER (WHERE a.id IS NULL OR b.id IS "
      "NULL) > 0))"};
  std::atomic<bool> enough = false;
  std::thread writer([&] {
    while (!enough) {
      std::string sql;
      for (int i = 0; i < 20; ++i)
        sql +=
            "BEGIN IMMEDIATE; INSERT INTO a(id) SELECT max(id) + 1 FROM b; INSERT INTO b(id) "
            "SELECT max(id) FROM a; COMMIT;";
      sqlite(file, sql);
    }
  });
  const auto following = start_lockstep({"run", file, dsn});
  const bool seen = wait_until([&] { return reader.so_far().states > 20; }, 30s);
  enough = true;
  writer.join();
  REQUIRE(seen);
  require_caught_up(*following, file);
  const StateReader::Report report = reader.finish();
  CHECK(report.first_violation == "");
  CHECK(report.violations == 0);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_equal(file, dsn);
}

}  // namespace lockstep::test

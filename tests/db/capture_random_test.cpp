// Thousands of random statements of every kind in random transactions: whenever a batch is taken,
// the replica equals what the source has committed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/support/captured_source.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::test {
namespace {

constexpr char kSchema[] =
    "CREATE TABLE plain(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v INT);"
    "CREATE TABLE loose(k TEXT COLLATE NOCASE PRIMARY KEY, u TEXT COLLATE NOCASE UNIQUE, v);"
    "CREATE TABLE untyped(k PRIMARY KEY, u UNIQUE, v) WITHOUT ROWID;"
    "CREATE TABLE pair(k INT, u TEXT COLLATE NOCASE, v INT, PRIMARY KEY(u DESC, k)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX pair_v ON pair(v, k);"
    "CREATE TABLE filled(k INTEGER PRIMARY KEY, u TEXT NOT NULL DEFAULT 'a' UNIQUE, v INT NOT NULL "
    "DEFAULT 2);"
    "CREATE UNIQUE INDEX filled_v ON filled(v, u COLLATE NOCASE);"
    "CREATE TABLE forced(k TEXT PRIMARY KEY ON CONFLICT REPLACE,"
    " u INT NOT NULL ON CONFLICT REPLACE DEFAULT 3 UNIQUE ON CONFLICT REPLACE, v);"
    "CREATE TABLE parent(k INTEGER PRIMARY KEY, u TEXT UNIQUE, v);"
    "CREATE TABLE child(k INT PRIMARY KEY, u INT UNIQUE REFERENCES parent ON DELETE CASCADE ON "
    "UPDATE CASCADE, v);"
    "CREATE TABLE tree(k TEXT PRIMARY KEY, u TEXT REFERENCES tree ON DELETE SET NULL ON UPDATE "
    "CASCADE, v);"
    "CREATE TRIGGER app AFTER UPDATE ON plain WHEN NEW.u IS NOT NULL AND NEW.v < 3 BEGIN"
    " INSERT OR REPLACE INTO loose VALUES (NEW.u, NEW.id, 1); END;";

struct Table {
  std::string name, key;
  bool rowid;  ///< its rowid is not its key
  bool text_key;
};
const std::vector<Table> kTables{
    {"plain", "id", false, false}, {"loose", "k", true, true},    {"untyped", "k", false, true},
    {"pair", "k", false, false},   {"filled", "k", false, false}, {"forced", "k", true, true},
    {"parent", "k", false, false}, {"child", "k", true, false},   {"tree", "k", true, true}};

/// Few values, so that they meet often.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::size_t roll(std::size_t sides) { return random_() % sides; }
  bool chance(std::size_t percent) { return roll(100) < percent; }
  template <class List>
  auto pick(const List& list) {
    return list[roll(list.size())];
  }
  std::string word() {
    static const std::vector<std::string> words{"'a'", "'A'",  "'b'", "'B'",
                                                "'c'", "'C '", "'1'", "'é'"};
    return pick(words);
  }
  std::string number() { return std::to_string(1 + roll(6)); }
  std::string any() {
    static const std::vector<std::string> odd{"1",  "1.0", "'1'", "x'31'", "x''",
                                              "''", "2",   "2.0", "0.5"};
    return chance(50) ? pick(odd) : chance(50) ? word() : number();
  }
  std::string key(const Table& table) {
    if (table.name == "untyped") return any();
    return table.text_key ? word() : number();
  }
  std::string value() { return chance(15) ? "NULL" : any(); }

 private:
  std::mt19937_64 random_;
};

std::string conflict(Dice& dice, const std::string& verb) {
  static const std::vector<std::string> clauses{
      "", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR FAIL", " OR ABORT"};
  return verb + dice.pick(clauses);
}

std::string insert(Dice& dice, const Table& table) {
  std::string columns = fmt::format("{}, u, v", table.key);
  const auto row = [&](bool rowid) {
    return fmt::format("({}{}, {}, {})", rowid ? dice.number() + ", " : "", dice.key(table),
                       dice.value(), dice.value());
  };
  const bool rowid = table.rowid && dice.chance(30);
  if (rowid) columns = "rowid, " + columns;
  std::string sql = fmt::format("{} INTO {}({}) VALUES {}", conflict(dice, "INSERT"), table.name,
                                columns, row(rowid));
  for (std::size_t more = dice.roll(3); more > 0; --more) sql += ", " + row(rowid);
  if (dice.chance(20))
    sql += fmt::format(" ON CONFLICT DO UPDATE SET u = excluded.u, v = {}", dice.value());
  return sql;
}

std::string update(Dice& dice, const Table& table) {
  static const std::vector<std::string> columns{"u", "u", "v"};
  std::string column = dice.chance(30) ? table.key : dice.pick(columns);
  if (table.rowid && dice.chance(15)) column = "rowid";
  const std::string value = column == table.key ? dice.key(table)
                            : column == "rowid" ? dice.number()
                                                : dice.value();
  std::string sql =
      fmt::format("{} {} SET {} = {}", conflict(dice, "UPDATE"), table.name, column, value);
  if (dice.chance(10) && !table.text_key)
    sql = fmt::format("UPDATE {0} SET {1} = {1} - 1", table.name, table.key);
  if (dice.chance(85)) sql += fmt::format(" WHERE {} = {}", table.key, dice.key(table));
  return sql;
}

std::string statement(Dice& dice) {
  const Table table = dice.pick(kTables);
  const std::size_t kind = dice.roll(10);
  if (kind < 5) return insert(dice, table);
  if (kind < 8) return update(dice, table);
  if (kind == 8 || !dice.chance(10))
    return fmt::format("DELETE FROM {} WHERE {} = {}", table.name, table.key, dice.key(table));
  return "DELETE FROM " + table.name;
}

/// BEGIN, savepoints, and their ends, now and then.
void move_transaction(Dice& dice, Application& app) {
  if (!app.in_transaction()) {
    if (dice.chance(10)) {
      app.exec(fmt::format("PRAGMA recursive_triggers={}", dice.roll(2)));
      app.exec(fmt::format("PRAGMA foreign_keys={}", dice.roll(2)));
    }
    if (dice.chance(40)) app.exec("BEGIN");
    return;
  }
  switch (dice.roll(8)) {
    case 0:
      app.exec("SAVEPOINT s");
      break;
    case 1:
      app.exec("SAVEPOINT s; ROLLBACK TO s; RELEASE s");
      break;
    case 2:
      app.exec(dice.chance(50) ? "ROLLBACK" : "ROLLBACK; BEGIN");
      break;
    case 3:
      if (!app.attempt("COMMIT")) app.exec("ROLLBACK");
      break;
    default:
      break;
  }
}

void run_workload(const std::string& journal_mode, std::size_t statements, std::uint64_t seed) {
  CapturedSource source(kSchema, journal_mode);
  source.install();
  Dice dice(seed);
  Application& app = source.app();
  std::vector<std::string> since_batch;
  std::size_t done = 0, batches = 0;
  for (std::size_t i = 0; i < statements; ++i) {
    move_transaction(dice, app);
    const bool savepoint = app.in_transaction() && dice.chance(15);
    if (savepoint) app.exec("SAVEPOINT undo");
    since_batch.push_back(statement(dice));
    if (app.attempt(since_batch.back())) ++done;
    if (savepoint) app.exec(dice.chance(50) ? "ROLLBACK TO undo; RELEASE undo" : "RELEASE undo");
    if (!dice.chance(25)) continue;
    const Position before = source.position();
    const std::string difference = source.follow();
    if (source.position() != before) ++batches;
    INFO("statement " << i << ": " << fmt::format("{}", fmt::join(since_batch, ";\n")));
    REQUIRE(difference == "");
    if (!app.in_transaction()) since_batch.clear();
    if (dice.chance(2)) source.reopen();
  }
  if (app.in_transaction() && !app.attempt("COMMIT")) app.exec("ROLLBACK");
  REQUIRE(source.follow() == "");
  // The dice were worth rolling.
  CHECK(done > statements / 2);
  CHECK(batches > statements / 20);
}

}  // namespace

TEST_CASE("a replica kept by batches equals the source at every moment, in WAL mode") {
  run_workload("WAL", 2'000, test_seed());
}

TEST_CASE("a replica kept by batches equals the source at every moment, in rollback-journal mode") {
  run_workload("DELETE", 2'000, test_seed() + 1);
}

}  // namespace lockstep::test

// Thousands of random statements of every kind in random transactions: whenever a batch is taken,
// the replica equals what the source has committed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <sstream>
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
    "CREATE TABLE partly(k INTEGER PRIMARY KEY, u TEXT, v INT NOT NULL DEFAULT 2);"
    "CREATE UNIQUE INDEX partly_u ON partly(u COLLATE NOCASE) WHERE v > 1;"
    "CREATE TABLE single(k INT PRIMARY KEY, u INT, v); CREATE UNIQUE INDEX only ON single((1)) "
    "WHERE v = 1;"
    "CREATE TABLE computed(k TEXT PRIMARY KEY, u TEXT NOT NULL DEFAULT 'b', v);"
    "CREATE UNIQUE INDEX computed_u ON computed(substr(u, 1, 3) COLLATE rtrim DESC, v IS NULL);"
    "CREATE TABLE made(k INTEGER PRIMARY KEY, u TEXT NOT NULL DEFAULT 'b', v,"
    " g TEXT COLLATE NOCASE AS (u || (v IS NULL)) VIRTUAL UNIQUE, h AS (-v) STORED UNIQUE);"
    "CREATE TABLE bag(k INT, u TEXT, v); CREATE UNIQUE INDEX bag_u ON bag(u, k) WHERE v NOT NULL;"
    "CREATE TABLE shade(k INT, rowid TEXT, _RowId_, u, v UNIQUE);"
    "CREATE TABLE exact(k ANY PRIMARY KEY, u TEXT UNIQUE, v ANY) STRICT;"
    "CREATE TABLE \"we\"\"ird ü\"(\"select\" INTEGER PRIMARY KEY DESC, u INT UNIQUE, v);"
    "CREATE TABLE parent(k INTEGER PRIMARY KEY, u TEXT UNIQUE, v);"
    "CREATE TABLE child(k INT PRIMARY KEY, u INT UNIQUE REFERENCES parent ON DELETE CASCADE ON "
    "UPDATE CASCADE, v);"
    "CREATE TABLE tree(k TEXT PRIMARY KEY, u TEXT REFERENCES tree ON DELETE SET NULL ON UPDATE "
    "CASCADE, v);"
    "CREATE TABLE ward(k INTEGER PRIMARY KEY, u TEXT DEFAULT 'a' REFERENCES parent(u) ON DELETE "
    "SET DEFAULT ON UPDATE SET NULL, v INT REFERENCES ward ON DELETE CASCADE ON UPDATE RESTRICT);"
    "CREATE VIEW window AS SELECT k, u, v FROM partly;"
    "CREATE TRIGGER through INSTEAD OF INSERT ON window BEGIN"
    " INSERT OR REPLACE INTO partly VALUES (NEW.k, NEW.u, NEW.v); END;"
    "CREATE TRIGGER after_plain AFTER UPDATE ON plain WHEN NEW.u IS NOT NULL AND NEW.v < 3 BEGIN"
    " INSERT OR REPLACE INTO loose VALUES (NEW.u, NEW.id, 1); END;"
    "CREATE TRIGGER moves BEFORE INSERT ON filled WHEN NEW.k = 2 BEGIN"
    " UPDATE OR REPLACE filled SET u = NEW.u, k = k + 3 WHERE k = 1; END;"
    "CREATE TRIGGER skips BEFORE UPDATE ON bag WHEN NEW.k = 1 BEGIN SELECT RAISE(IGNORE); END;"
    "CREATE TRIGGER hides AFTER UPDATE ON made WHEN NEW.u = 'c' BEGIN SELECT RAISE(IGNORE); END;"
    "CREATE TRIGGER hides_too AFTER DELETE ON bag BEGIN SELECT RAISE(IGNORE); END;";

struct Table {
  std::string name, key;
  std::string rowid;  ///< what it is called, where it is not the declared key
  bool text_key;
};
const std::vector<Table> kTables{
    {"plain", "id", "", false},       {"loose", "k", "rowid", true},
    {"untyped", "k", "", true},       {"pair", "k", "", false},
    {"filled", "k", "", false},       {"forced", "k", "rowid", true},
    {"partly", "k", "", false},       {"single", "k", "rowid", false},
    {"computed", "k", "rowid", true}, {"made", "k", "", false},
    {"bag", "k", "_rowid_", false},   {"shade", "k", "oid", false},
    {"exact", "k", "rowid", true},    {"\"we\"\"ird ü\"", "\"select\"", "rowid", false},
    {"parent", "k", "", false},       {"child", "k", "rowid", false},
    {"tree", "k", "rowid", true},     {"ward", "k", "", false}};

/// Few values, so that they meet often.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  bool hunts = false;  ///< REPLACE more often, by values that are nearly the same

  std::size_t roll(std::size_t sides) { return random_() % sides; }
  bool chance(std::size_t percent) { return roll(100) < percent; }
  template <class List>
  auto pick(const List& list) {
    return list[roll(list.size())];
  }
  std::string word() {
    static const std::vector<std::string> words{"'a'", "'a'", "'A'", "'b'", "'c'", "'c '", "'é'"};
    return pick(words);
  }
  std::string number() { return std::to_string(1 + roll(6)); }
  std::string any() {
    static const std::vector<std::string> odd{"1", "1.0", "'1'", "x'31'", "''", "2", "2.0"};
    static const std::vector<std::string> twins{"'a'", "'A'", "'c'", "'c '", "1", "1.0", "2"};
    if (hunts) return pick(twins);
    return chance(40) ? pick(odd) : chance(70) ? word() : number();
  }
  std::string key(const Table& table) {
    if (table.name == "untyped" || table.name == "exact") return any();
    return table.text_key ? word() : number();
  }
  std::string value() { return chance(15) ? "NULL" : any(); }

 private:
  std::mt19937_64 random_;
};

std::string conflict(Dice& dice, const std::string& verb) {
  static const std::vector<std::string> clauses{
      "",           "",         " OR REPLACE", " OR REPLACE", " OR REPLACE",
      " OR IGNORE", " OR FAIL", " OR ABORT",   " OR ROLLBACK"};
  return verb + (dice.hunts && dice.chance(50) ? " OR REPLACE" : dice.pick(clauses));
}

std::string insert(Dice& dice, const Table& table) {
  std::string columns = fmt::format("{}, u, v", table.key);
  const auto row = [&](bool rowid) {
    return fmt::format("({}{}, {}, {})", rowid ? dice.number() + ", " : "", dice.key(table),
                       dice.value(), dice.value());
  };
  const bool rowid = !table.rowid.empty() && dice.chance(30);
  if (rowid) columns = table.rowid + ", " + columns;
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
  if (!table.rowid.empty() && dice.chance(15)) column = table.rowid;
  const std::string value = column == table.key     ? dice.key(table)
                            : column == table.rowid ? dice.number()
                                                    : dice.value();
  std::string sql =
      fmt::format("{} {} SET {} = {}", conflict(dice, "UPDATE"), table.name, column, value);
  if (dice.chance(10) && !table.text_key)
    sql = fmt::format("UPDATE {0} SET {1} = {1} - 1", table.name, table.key);
  if (dice.chance(85)) sql += fmt::format(" WHERE {} = {}", table.key, dice.key(table));
  return sql;
}

/// Most are about the table `focus`, if there is one.
std::string statement(Dice& dice, const Table* focus = nullptr) {
  const Table table = focus != nullptr && dice.chance(80) ? *focus : dice.pick(kTables);
  if (dice.chance(3))
    return fmt::format("INSERT INTO window VALUES ({}, {}, {})", dice.number(), dice.value(),
                       dice.value());
  const std::size_t kind = dice.roll(10);
  if (kind < 5) return insert(dice, table);
  if (kind < 8) return update(dice, table);
  if (kind == 8 || !dice.chance(10))
    return fmt::format("DELETE FROM {} WHERE {} = {}", table.name, table.key, dice.key(table));
  return "DELETE FROM " + table.name;
}

/// BEGIN, savepoints, and their ends, now and then.
void move_transaction(Dice& dice, Application& app, const std::string& recursive) {
  if (!app.in_transaction()) {
    if (dice.chance(10)) {
      app.exec("PRAGMA recursive_triggers=" +
               (recursive.empty() ? std::to_string(dice.roll(2)) : recursive));
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

/// One statement, alone or in whatever transaction is open. False: SQLite refused it.
bool run_statement(Dice& dice, Application& app, const std::string& sql) {
  const bool savepoint = app.in_transaction() && dice.chance(15);
  if (savepoint) app.exec("SAVEPOINT undo");
  const bool done = app.attempt(sql);
  // OR ROLLBACK leaves no transaction.
  if (savepoint && app.in_transaction())
    app.exec(dice.chance(50) ? "ROLLBACK TO undo; RELEASE undo" : "RELEASE undo");
  return done;
}

void end_transaction(Application& app) {
  if (app.in_transaction() && !app.attempt("COMMIT")) app.exec("ROLLBACK");
}

/// `recursive`: "0", "1", or empty for now this, now that.
void run_workload(const std::string& journal_mode, const std::string& recursive,
                  std::uint64_t seed) {
  constexpr std::size_t kStatements = 3'000;
  CapturedSource source(kSchema, journal_mode);
  source.install();
  Dice dice(seed);
  Application& app = source.app();
  app.exec("PRAGMA recursive_triggers=" + (recursive.empty() ? "0" : recursive));
  std::vector<std::string> since_batch;
  std::size_t done = 0, batches = 0;
  for (std::size_t i = 0; i < kStatements; ++i) {
    move_transaction(dice, app, recursive);
    since_batch.push_back(statement(dice));
    if (run_statement(dice, app, since_batch.back())) ++done;
    if (!dice.chance(25)) continue;
    const Position before = source.position();
    const std::string difference = source.follow();
    if (source.position() != before) ++batches;
    INFO("statement " << i << ": " << fmt::format("{}", fmt::join(since_batch, ";\n")));
    REQUIRE(difference == "");
    if (!app.in_transaction()) since_batch.clear();
    if (dice.chance(2)) source.reopen();
  }
  end_transaction(app);
  REQUIRE(source.follow() == "");
  // The dice were worth rolling.
  CHECK(done > kStatements / 2);
  CHECK(batches > kStatements / 20);
}

/// A part of a trigger that is taken out, or put differently.
struct Weakened {
  std::string table, trigger;
  std::string text;
  std::string instead = "";  ///< empty: each line with `text` goes
};

std::string weaken(const std::string& sql, const Weakened& change) {
  std::string out;
  std::istringstream lines(sql);
  for (std::string line; std::getline(lines, line);) {
    for (std::size_t at = line.find(change.text); at != std::string::npos;
         at = line.find(change.text, at + change.instead.size())) {
      if (change.instead.empty()) {
        line.clear();
        break;
      }
      line.replace(at, change.text.size(), change.instead);
    }
    if (!line.empty()) out += line + "\n";
  }
  return out;
}

/// Puts the weaker trigger in the installed one's place. The tail compares triggers when
/// schema_version moves, so that moves back.
void apply_weakness(CapturedSource& source, const Weakened& change) {
  source.tail().prove(source.position());
  const std::int64_t version = source.judge().pragma_int("schema_version");
  const auto plan =
      std::find_if(source.plans().begin(), source.plans().end(),
                   [&](const TablePlan& each) { return each.name() == change.table; });
  REQUIRE(plan != source.plans().end());
  const std::string name = fmt::format("_lockstep_{}_{}", plan->id, change.trigger);
  const std::string sql =
      source.app().value("SELECT sql FROM sqlite_master WHERE name = '" + name + "'");
  const std::string weaker = weaken(sql, change);
  REQUIRE(weaker != sql + "\n");
  source.app().exec("DROP TRIGGER " + name);
  if (weaker.find("INSERT INTO _lockstep_changes") != std::string::npos) source.app().exec(weaker);
  source.app().exec(fmt::format("PRAGMA schema_version = {}", version));
}

/// True if the replica comes to differ.
bool loses_changes(const Weakened& change, std::uint64_t seed) {
  constexpr std::size_t kStatementsMax = 200'000;
  CapturedSource source(kSchema);
  source.install();
  apply_weakness(source, change);
  const auto focus = std::find_if(kTables.begin(), kTables.end(), [&](const Table& table) {
    return table.name == change.table || table.name == sqlite::quoted(change.table);
  });
  source.app().exec(fmt::format("PRAGMA foreign_keys={}", change.table == "ward"));
  Dice dice(seed);
  dice.hunts = true;
  for (std::size_t i = 0; i < kStatementsMax; ++i) {
    source.app().attempt(statement(dice, &*focus));
    if (dice.chance(30) && source.follow() != "") return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a replica kept by batches equals the source at every moment, in WAL mode") {
  run_workload("WAL", "", test_seed());
}

TEST_CASE("a replica kept by batches equals the source at every moment, in rollback-journal mode") {
  run_workload("DELETE", "", test_seed() + 1);
}

TEST_CASE("a replica kept by batches equals the source with recursive triggers off, and on") {
  run_workload("WAL", "0", test_seed() + 2);
  run_workload("WAL", "1", test_seed() + 3);
}

TEST_CASE("each part of the triggers is needed: without it the replica comes to differ") {
  const std::string both = GENERATE("probe_insert", "probe_update");
  const std::vector<Weakened> changes{
      {"plain", both, "\"u\" = NEW.\"u\""},                       // a unique column
      {"pair", both, "\"v\" = NEW.\"v\""},                        // a unique index
      {"filled", both, "coalesce(NEW.\"u\", 'a')", "NEW.\"u\""},  // a default
      {"filled", both, "COLLATE NOCASE", "COLLATE BINARY"},       // an index's collation
      {"forced", both, "\"u\" = coalesce"},                       // schema-level REPLACE
      {"loose", both, "\"k\" = NEW.\"k\""},                       // a key that is respelled
      {"untyped", both, "\"k\" = NEW.\"k\""},                     // a key with 1 = 1.0
      {"exact", both, "\"k\" = NEW.\"k\""},                       // and in a STRICT table
      {"child", both, "rowid = NEW.rowid"},                       // a rowid that is named
      {"we\"ird ü", both, "rowid = NEW.rowid"},                   //
      {"partly", both, "(v > 1)"},                                // a partial index
      {"single", both, "(v = 1)"},                                // a constant
      {"computed", both, "substr(u"},                             // an expression
      {"computed", both, "COLLATE RTRIM =", "COLLATE BINARY ="},  // its collation
      {"computed", both, "NEW.\"u\" IS NULL"},                    // a default in it
      {"made", both, "\"g\" = "},                                 // a generated column
      {"made", both, "\"h\" = "},                                 //
      {"made", both, "NEW.\"u\" IS NULL"},                        // a default below it
      {"bag", both, "\"u\" = NEW.\"u\""},                         // a table without a key
      {"shade", both, "\"v\" = NEW.\"v\""}};
  for (const Weakened& change : changes) {
    INFO(change.table << ", " << change.trigger << ": " << change.text);
    CHECK(loses_changes(change, test_seed() + 4));
  }
}

TEST_CASE("each part of the AFTER triggers is needed too, and a look at every UPDATE") {
  for (const Weakened& change : std::vector<Weakened>{
           {"loose", "update", "SELECT"},
           {"bag", "update", "VALUES"},
           {"plain", "update", "VALUES"},
           {"made", "insert", "VALUES"},
           {"bag", "delete", "VALUES"},
           {"ward", "probe_update", "SELECT"},
           {"partly", "probe_update", "(\"k\" IS NOT OLD.\"k\"", "(NEW.\"u\" IS NOT OLD.\"u\""}}) {
    INFO(change.table << ", " << change.trigger << ": " << change.text);
    CHECK(loses_changes(change, test_seed() + 5));
  }
}

}  // namespace lockstep::test

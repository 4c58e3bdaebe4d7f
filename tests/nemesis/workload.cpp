#include "tests/nemesis/workload.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "tests/nemesis/state_hash.hpp"

namespace lockstep::nemesis {

namespace {

using Random = std::mt19937_64;

constexpr int kOpsPerWriter =
    10'000'000;  // numbers of one writer's transactions: writer * this + count
constexpr int kKeys = 60;

struct Failed : std::runtime_error {
  Failed(int result, const std::string& text) : std::runtime_error(text), code(result) {}
  int code;
};

class Connection {
 public:
  explicit Connection(const std::string& file) {
    sqlite3* handle = nullptr;
    const int opened =
        sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    database_.reset(handle);
    if (opened != SQLITE_OK) throw Failed(opened, "cannot open " + file);
    sqlite3_busy_timeout(handle, 30'000);
    exec("PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL");
  }
  void exec(const std::string& sql) {
    const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
      throw Failed(code, fmt::format("{}: {}", sqlite3_errmsg(database_.get()), sql));
  }
  /// Calls `row` with the statement for each row.
  template <class Row>
  void each(const std::string& sql, Row&& row) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK)
      throw Failed(sqlite3_errcode(database_.get()), sqlite3_errmsg(database_.get()));
    const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement{raw,
                                                                               sqlite3_finalize};
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(raw)) == SQLITE_ROW) row(raw);
    if (code != SQLITE_DONE) throw Failed(code, sqlite3_errmsg(database_.get()));
  }
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};

std::pair<std::int64_t, std::uint64_t> state_of(Connection& database) {
  StateHash hash;
  std::int64_t n = 0;
  for (const HashedTable& table : kHashedTables)
    database.each(table.sqlite_query, [&](sqlite3_stmt* row) {
      hash.begin_row(table.name);
      for (int i = 0; i < sqlite3_column_count(row); ++i) {
        // Before the value: asking for text may convert it.
        const bool null = sqlite3_column_type(row, i) == SQLITE_NULL;
        if (sqlite3_column_type(row, i) == SQLITE_FLOAT)
          hash.field(std::to_string(sqlite3_column_int64(row, i)));
        else if (!null)
          hash.field({reinterpret_cast<const char*>(sqlite3_column_text(row, i)),
                      static_cast<std::size_t>(sqlite3_column_bytes(row, i))});
        else
          hash.null();
      }
      hash.end_row();
      if (table.name == kHashedTables[0].name) n = sqlite3_column_int64(row, 1);
    });
  return {n, hash.value()};
}

std::string random_change(Random& random) {
  const auto key = [&] { return random() % kKeys; };
  const std::uint64_t a = key(), b = key(), x = random() % 1'000'000;
  switch (random() % 14) {
    case 0:
      return fmt::format("INSERT OR IGNORE INTO items VALUES ({}, 'l{}', {}, NULL, x'')", a, b, x);
    case 1:
      return fmt::format(
          "INSERT OR REPLACE INTO items VALUES ({}, 'l{}', {}, 'it''s \"{}\"', x'00{:06x}')", a, b,
          x, x, x);
    case 2:
      return fmt::format("UPDATE items SET v = v + {} WHERE id = {}", x, a);
    case 3:
      return fmt::format("UPDATE OR REPLACE items SET id = {}, note = 'moved' WHERE id = {}", b, a);
    case 4:
      return fmt::format("DELETE FROM items WHERE id = {}", a);
    case 5:
      return fmt::format("UPDATE items SET v = v - 1, note = '\xc3\xbc{}' WHERE id % 5 = {}", x,
                         a % 5);
    case 6:
      return fmt::format(
          "INSERT OR REPLACE INTO places VALUES ('z{}', {}, (SELECT id FROM items WHERE id = {}), "
          "{}.125)",
          a % 4, b % 9, a, x % 1000);
    case 7:
      return fmt::format("UPDATE OR IGNORE places SET no = no + 1, zone = 'z{}' WHERE no = {}",
                         a % 4, b % 9);
    case 8:
      return fmt::format("DELETE FROM places WHERE zone = 'z{}' AND no > {}", a % 4, b % 9);
    case 9:
    case 10:
      return fmt::format("INSERT INTO lines(item, qty) SELECT id, {} FROM items WHERE id = {}", x,
                         a);
    case 11:
      return fmt::format("DELETE FROM lines WHERE id % 7 = {}", a % 7);
    case 12:  // two rows exchange what is unique
      return fmt::format(
          "UPDATE items SET label = 'tmp' WHERE id = {0}; UPDATE OR REPLACE items SET label = "
          "'l{2}' WHERE id = {1}; UPDATE OR REPLACE items "
          "SET label = 'l{3}' WHERE id = {0}",
          a, b, a, b);
    default:
      return fmt::format(
          "SAVEPOINT s; DELETE FROM items WHERE id < {}; UPDATE lines SET qty = 0; ROLLBACK TO s; "
          "RELEASE s",
          a);
  }
}

// Healed by whatever else is written to that row: 'odd7' + 1 is 1.
std::string odd_change(Random& random) {
  const std::uint64_t a = random() % kKeys, x = random() % 1'000'000;
  return fmt::format("UPDATE items SET v = 'odd{}' WHERE id BETWEEN {} AND {}", x, a,
                     a + random() % 4);
}

// A conflict undoes the statement and nothing else, as for any application.
void change(Connection& database, Random& random, bool odd = false) {
  try {
    database.exec(odd && random() % 6 == 0 ? odd_change(random) : random_change(random));
  } catch (const Failed& failed) {
    if ((failed.code & 0xff) != SQLITE_CONSTRAINT) throw;
  }
}

}  // namespace

void make_source(const std::string& file, const std::string& journal, std::uint64_t seed) {
  Connection database(file);
  database.exec("PRAGMA journal_mode = " + journal);
  database.exec(
      "CREATE TABLE meta(id INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
      "CREATE TABLE ops(op INTEGER PRIMARY KEY, n INTEGER NOT NULL UNIQUE);"
      "CREATE TABLE items(id INTEGER PRIMARY KEY, label TEXT UNIQUE, v INTEGER, note TEXT, body "
      "BLOB);"
      "CREATE TABLE places(zone TEXT NOT NULL, no INTEGER NOT NULL, item INTEGER REFERENCES "
      "items(id) ON DELETE SET NULL ON UPDATE "
      "CASCADE, weight REAL, PRIMARY KEY(zone, no)) WITHOUT ROWID;"
      "CREATE TABLE lines(id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL REFERENCES "
      "items(id) ON DELETE CASCADE ON UPDATE "
      "CASCADE, qty INTEGER);"
      "CREATE INDEX lines_item ON lines(item); CREATE INDEX places_item ON places(item);"
      "INSERT INTO meta VALUES (1, 1)");
  // More rows with a whole number in v than can ever have a text there: the column's type on the
  // target is decided by what most of its values are, whenever lockstep looks.
  database.exec(
      fmt::format("WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < {}) "
                  "INSERT INTO items SELECT 1000 + i, 'kept' || i, i, NULL, x'' FROM c",
                  kKeys));
  Random random(seed);
  database.exec("BEGIN");
  for (int i = 0; i < 300; ++i) change(database, random);
  database.exec("COMMIT");
}

std::pair<std::int64_t, std::uint64_t> source_state(const std::string& file) {
  Connection database(file);
  database.exec("BEGIN");
  return state_of(database);
}

Workload::Workload(std::string file, int writers, int rate, std::uint64_t seed, bool odd)
    : file_(std::move(file)), rate_(rate), odd_(odd) {
  for (int i = 0; i < writers; ++i)
    threads_.emplace_back([this, i, seed] { write(i + 1, seed + static_cast<std::uint64_t>(i)); });
}

Workload::~Workload() {
  end_ = true;
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

std::vector<Transaction> Workload::finish() {
  end_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (!trouble_.empty())
    throw std::runtime_error("the application met what it must not meet: " + trouble_);
  return std::move(transactions_);
}

void Workload::write(int writer, std::uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  Random random(seed);
  const auto pause = std::chrono::microseconds{1'000'000 / rate_};
  Clock::time_point next = Clock::now();
  std::int64_t op = static_cast<std::int64_t>(writer) * kOpsPerWriter;
  std::vector<Transaction> mine;
  try {
    Connection database(file_);
    while (!end_) {
      Transaction transaction{.op = ++op};
      database.exec("BEGIN IMMEDIATE");
      for (std::uint64_t i = random() % 5 + 1; i > 0; --i) change(database, random, odd_);
      database.exec("UPDATE meta SET n = n + 1");
      database.exec(fmt::format("INSERT INTO ops SELECT {}, n FROM meta", op));
      std::tie(transaction.n, transaction.hash) = state_of(database);
      if (random() % 20 == 0) {
        database.exec("ROLLBACK");
        transaction.answer = Answer::refused;
      } else {
        database.exec("COMMIT");
        transaction.answer = Answer::acknowledged;
      }
      mine.push_back(transaction);
      next = std::max(next + pause, Clock::now() - pause);
      std::this_thread::sleep_until(next);
    }
  } catch (const std::exception& exception) {
    const std::lock_guard lock(mutex_);
    trouble_ = exception.what();
  }
  const std::lock_guard lock(mutex_);
  transactions_.insert(transactions_.end(), mine.begin(), mine.end());
}

}  // namespace lockstep::nemesis

// lockstep-busy SQLITE_FILE [--journal wal|delete] [--sync normal|full] [--transactions N] [--rate
// R]
//               [--writers N] [--think MICROSECONDS]
//
// The application that is hurt most by other writers: each transaction begins as a reader, looks,
// thinks, and then writes (BEGIN; SELECT; UPDATE; COMMIT) with a busy timeout of 5 s. In WAL mode a
// commit of anybody else between its SELECT and its UPDATE costs it an error that no timeout
// mends. A transaction that failed is rolled back, counted and not repeated. With one writer every
// error is the doing of another program. R transactions a second and writer at most (0: as many as
// it can).
//
// Prints one line of JSON: how many transactions, how many met SQLITE_BUSY, how many of those
// SQLITE_BUSY_SNAPSHOT, and how long transactions took, BEGIN to COMMIT. Exit: 0 no transaction met
// it, 1 some did, 2 trouble.
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRows = 1'000;

struct Arguments {
  std::string file;
  std::string journal = "wal", sync = "normal";
  std::int64_t transactions = 1'000, rate = 0, writers = 1, think_us = 0;
};

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
};

class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open(path.c_str(), &handle);
    handle_.reset(handle);
    if (code != SQLITE_OK) fail("open " + path);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, 5000);
  }

  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
  Statement prepare(const char* sql) {
    sqlite3_stmt* handle = nullptr;
    if (sqlite3_prepare_v2(handle_.get(), sql, -1, &handle, nullptr) != SQLITE_OK) fail(sql);
    return Statement{handle};
  }
  /// 0, or the code of a busy database; throws for everything else.
  int run(const Statement& statement, std::int64_t parameter = 0) {
    if (sqlite3_bind_parameter_count(statement.get()) > 0)
      sqlite3_bind_int64(statement.get(), 1, parameter);
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(statement.get());
    sqlite3_reset(statement.get());
    if (code == SQLITE_DONE) return 0;
    if ((code & 0xff) != SQLITE_BUSY) fail(sqlite3_sql(statement.get()));
    return code;
  }
  void run(const std::string& sql) {
    if (run(prepare(sql.c_str())) != 0) fail(sql);
  }
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

 private:
  [[noreturn]] void fail(const std::string& doing) {
    throw std::runtime_error(doing + ": " + sqlite3_errmsg(handle_.get()));
  }
  std::unique_ptr<sqlite3, Close> handle_;
};

struct Report {
  std::int64_t busy = 0, busy_snapshot = 0;
  std::vector<std::int64_t> took_us;
};

Report write(const Arguments& arguments, std::int64_t number) {
  Database database{arguments.file};
  database.run("PRAGMA synchronous = " + arguments.sync);
  const auto begin = database.prepare("BEGIN");
  const auto look = database.prepare("SELECT n FROM busy WHERE id = ?1");
  const auto change = database.prepare("UPDATE busy SET n = n + 1 WHERE id = ?1");
  const auto commit = database.prepare("COMMIT");
  const auto back = database.prepare("ROLLBACK");
  Report report;
  const auto start = Clock::now();
  for (std::int64_t turn = 0; turn < arguments.transactions; ++turn) {
    if (arguments.rate > 0)
      std::this_thread::sleep_until(
          start + std::chrono::nanoseconds{turn * 1'000'000'000 / arguments.rate});
    const std::int64_t id = (turn * 7 + number * 331) % kRows;
    const auto began = Clock::now();
    int code = database.run(begin);
    if (code == 0) code = database.run(look, id);
    if (arguments.think_us > 0)
      std::this_thread::sleep_for(std::chrono::microseconds{arguments.think_us});
    if (code == 0) code = database.run(change, id);
    if (code == 0) code = database.run(commit);
    report.took_us.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count());
    if (code == 0) continue;
    ++report.busy;
    if (code == SQLITE_BUSY_SNAPSHOT) ++report.busy_snapshot;
    if (database.in_transaction()) static_cast<void>(database.run(back));
  }
  return report;
}

Report write_all(const Arguments& arguments) {
  {
    Database database{arguments.file};
    database.run("PRAGMA journal_mode = " + arguments.journal);
    database.run("CREATE TABLE IF NOT EXISTS busy(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)");
    database.run("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < " +
                 std::to_string(kRows) + ") INSERT OR IGNORE INTO busy SELECT i, 0 FROM n");
  }
  std::vector<std::future<Report>> writers;
  for (std::int64_t number = 0; number < arguments.writers; ++number)
    writers.push_back(std::async(std::launch::async, write, std::cref(arguments), number));
  Report sum;
  for (auto& writer : writers) {
    const Report report = writer.get();
    sum.busy += report.busy;
    sum.busy_snapshot += report.busy_snapshot;
    sum.took_us.insert(sum.took_us.end(), report.took_us.begin(), report.took_us.end());
  }
  std::sort(sum.took_us.begin(), sum.took_us.end());
  return sum;
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--") && arguments.file.empty()) {
      arguments.file = word;
      continue;
    }
    if (i + 1 == words.size()) throw std::invalid_argument(word + " needs a value");
    const std::string& value = words[++i];
    if (word == "--journal")
      arguments.journal = value;
    else if (word == "--sync")
      arguments.sync = value;
    else if (word == "--transactions")
      arguments.transactions = std::stoll(value);
    else if (word == "--rate")
      arguments.rate = std::stoll(value);
    else if (word == "--writers")
      arguments.writers = std::stoll(value);
    else if (word == "--think")
      arguments.think_us = std::stoll(value);
    else
      throw std::invalid_argument("unknown option " + word);
  }
  if (arguments.file.empty() || arguments.transactions < 1 || arguments.writers < 1)
    throw std::invalid_argument("the head of tests/tools/busy.cpp says how to use it");
  return arguments;
}

}  // namespace

int main(int count, char** words) {
  try {
    const Report report = write_all(parse({words + 1, words + count}));
    const auto milliseconds = [&](std::size_t percent) {
      const std::size_t place =
          std::min(report.took_us.size() * percent / 100, report.took_us.size() - 1);
      return static_cast<double>(report.took_us[place]) / 1'000;
    };
    std::printf(
        "{\"sqlite\":\"%s\",\"transactions\":%zu,\"busy\":%lld,\"busy_snapshot\":%lld,"
        "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
        sqlite3_libversion(), report.took_us.size(), static_cast<long long>(report.busy),
        static_cast<long long>(report.busy_snapshot), milliseconds(50), milliseconds(99),
        milliseconds(100));
    return report.busy == 0 ? 0 : 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockstep-busy: %s\n", failure.what());
    return 2;
  }
}

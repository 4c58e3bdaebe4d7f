// Every size is followed exactly, in bounded memory: long transactions, rows changed a million
// times, long backlogs, many tables, large values. CI takes a slice of each; LOCKSTEP_SIZES=full
// all of it.
#include <fmt/format.h>

#include <functional>
#include <sstream>
#include <stdexcept>

#include "tests/support/application.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/state_reader.hpp"
#include "tests/system/sized.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMiB = 1'048'576;
/// What lockstep may need at most, whatever the size of tables, transactions and backlogs: this and
/// three times the largest row.
constexpr std::int64_t kRssBase = 128 * kMiB;
constexpr std::int64_t kRssPerByte = 3;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off", "max_wal_size=2GB"}};
  return running;
}

/// The most memory that the process had at once, in bytes.
std::int64_t peak_rss(pid_t pid) {
  std::istringstream status{contents(fmt::format("/proc/{}/status", pid))};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  throw std::runtime_error("no VmHWM of lockstep");
}

/// A source of its own, its target, and who follows.
class Case {
 public:
  Case(std::string name, std::string complaint)
      : name_(std::move(name)),
        file_(folder_.file(name_ + ".db")),
        dsn_(server().create_database(name_)),
        complaint_(std::move(complaint)) {
    application().exec("PRAGMA journal_mode = WAL");
  }

  Application& application() { return application_; }

  /// Copies what is there.
  void follow() {
    if (!reader_)
      reader_ = std::make_unique<StateReader>(dsn_, complaint_, full_size() ? 200ms : 20ms);
    following_ = start_lockstep({"run", file_, dsn_});
    require_caught_up(*following_, file_, kPatience);
  }
  void stop() {
    peak_ = std::max(peak_, peak_rss(following_->pid()));
    following_->signal(SIGTERM);
    INFO(following_->output() + following_->error_output());
    CHECK(following_->wait_or_throw(60s) == ExitStatus{.code = 143});
    following_.reset();
  }

  /// Does something; ends when it is on the target.
  std::chrono::duration<double> timed(const std::string& what, const std::function<void()>& work) {
    const auto began = Clock::now();
    work();
    if (following_) require_caught_up(*following_, file_, kPatience);
    const std::chrono::duration<double> took = Clock::now() - began;
    times_ += fmt::format(", {} {:.1f} s", what, took.count());
    return took;
  }

  void finish(const std::string& what, std::int64_t largest_row = 0) {
    require_caught_up(*following_, file_, kPatience);
    const StateReader::Report seen = reader_->finish();
    CHECK(seen.first_violation == "");
    CHECK(seen.looks > 0);
    CHECK(seen.states > 1);
    stop();
    const std::int64_t bound = kRssBase + kRssPerByte * largest_row;
    fmt::print(stderr, "figure: sizes: {}{}; peak RSS {} MiB (bound {}), {} looks at {} states\n",
               what, times_, peak_ / kMiB, bound / kMiB, seen.looks, seen.states);
    CHECK(peak_ <= bound);
    const Outcome compared = test::run({TOOL_COMPARE, file_, dsn_}, {}, kPatience);
    require_code(compared, 0);
    server().query(fmt::format("DROP DATABASE \"{}\" WITH (FORCE)", name_));
  }

 private:
  static constexpr std::chrono::milliseconds kPatience = 30min;

  std::string name_;
  TempDir folder_;
  std::string file_, dsn_, complaint_;
  Application application_{file_};
  std::unique_ptr<StateReader> reader_;
  std::unique_ptr<Process> following_;
  std::int64_t peak_ = 0;
  std::string times_;
};

/// `rows` numbers from 1.
std::string numbers(std::int64_t rows) {
  return fmt::format(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) ", rows);
}

}  // namespace

TEST_CASE("one transaction of a million rows is one state on the target", "[system][soak]") {
  const std::int64_t rows = sized(1'000'000, 50'000);
  Case big{
      "one_transaction",
      "SELECT CASE WHEN left_sum = right_sum THEN '' ELSE left_sum || ' here, ' || right_sum "
      "|| ' there' END FROM (SELECT count(*) || ' rows of ' || coalesce(sum(v), 0) AS left_sum "
      "FROM here) AS a, (SELECT count(*) || ' rows of ' || coalesce(sum(v), 0) AS right_sum "
      "FROM there) AS b"};
  big.application().exec(
      "CREATE TABLE here(id INTEGER PRIMARY KEY, v INTEGER, t TEXT);"
      "CREATE TABLE there(id INTEGER PRIMARY KEY, v INTEGER, t TEXT);");
  big.follow();
  const auto both = [&](const std::string& begin, const std::string& statement) {
    big.application().exec("BEGIN;" + begin + fmt::format(fmt::runtime(statement), "here") + ";" +
                           begin + fmt::format(fmt::runtime(statement), "there") + ";COMMIT");
  };
  big.timed("insert", [&] {
    both(numbers(rows / 2), "INSERT INTO {} SELECT i, i, 'row number ' || i FROM n");
  });
  big.timed("update", [&] { both("", "UPDATE {} SET v = v + 1"); });
  big.timed("delete", [&] { both("", "DELETE FROM {} WHERE id % 2 = 0"); });
  big.finish(fmt::format("one transaction of {} rows", rows));
  saw_fault("S29", "GO: one transaction is one state on the target");
}

TEST_CASE("a row that changed a million times is caught up with at once", "[system][soak]") {
  constexpr std::int64_t kPerTransaction = 10;
  const std::int64_t changes = sized(1'000'000, 50'000);
  Case hot{"one_row",
           "SELECT CASE WHEN a.n = b.n THEN '' ELSE a.n || ' and ' || b.n END FROM one AS a, other "
           "AS b"};
  hot.application().exec(
      "CREATE TABLE one(id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO one VALUES (1, 0);"
      "CREATE TABLE other(id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO other VALUES (1, 0);");
  hot.follow();
  hot.stop();
  hot.timed("writing", [&] {
    std::string transaction = "BEGIN;";
    for (int change = 1; change < kPerTransaction; ++change)
      transaction += "UPDATE one SET n = n + 1;";
    transaction += fmt::format("UPDATE other SET n = n + {}; COMMIT", kPerTransaction - 1);
    for (std::int64_t done = 0; done < changes; done += kPerTransaction)
      hot.application().exec(transaction);
  });
  hot.timed("catching up", [&] { hot.follow(); });
  hot.finish(fmt::format("one row changed {} times", changes));
  saw_fault("S29", "GO: a row that changed a million times is sent once");
}

TEST_CASE("a backlog of millions of keys is caught up with in one state", "[system][soak]") {
  constexpr std::int64_t kTransactions = 30;
  const std::int64_t keys = sized(3'000'000, 150'000);
  Case late{"backlog",
            "SELECT CASE WHEN s.v = c.v THEN '' ELSE s.v || ', must be ' || c.v END FROM (SELECT "
            "coalesce(sum(v), 0) AS v FROM many) AS s, total AS c"};
  late.application().exec(
      "CREATE TABLE many(id INTEGER PRIMARY KEY, v INTEGER, t TEXT);"
      "CREATE TABLE total(id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO total VALUES (1, 0);" +
      numbers(keys) + "INSERT INTO many SELECT i, 0, 'some text of row ' || i FROM n;");
  late.timed("copy", [&] { late.follow(); });
  late.stop();
  late.timed("writing", [&] {
    for (std::int64_t i = 0; i < kTransactions; ++i)
      late.application().exec(fmt::format(
          "BEGIN; UPDATE many SET v = v + 1 WHERE id % {0} = {1}; UPDATE total SET v = v + {2}; "
          "COMMIT",
          kTransactions, i, keys / kTransactions));
  });
  late.timed("catching up", [&] { late.follow(); });
  late.finish(fmt::format("a backlog of {} keys", keys));
}

TEST_CASE("hundreds of tables are copied and followed", "[system][soak]") {
  const std::int64_t tables = sized(500, 50);
  const std::string last = fmt::format("t{}", tables - 1);
  Case wide{"tables",
            "SELECT CASE WHEN a.n = b.n THEN '' ELSE a.n || ' and ' || b.n END FROM "
            "(SELECT max(n) AS n FROM t0) AS a, (SELECT max(n) AS n FROM " +
                last + ") AS b"};
  std::string create = "BEGIN;", change = "BEGIN;";
  for (std::int64_t table = 0; table < tables; ++table) {
    create += fmt::format(
        "CREATE TABLE t{0}(id INTEGER PRIMARY KEY, n INTEGER, t TEXT UNIQUE);"
        "INSERT INTO t{0} VALUES (1, 0, 'a'), (2, 0, 'b'), (3, 0, NULL);",
        table);
    change += fmt::format("UPDATE t{0} SET n = n + 1; INSERT INTO t{0}(n) SELECT max(n) FROM t{0};",
                          table);
  }
  wide.application().exec(create + "COMMIT");
  wide.timed("copy", [&] { wide.follow(); });
  wide.timed("20 transactions over all of them", [&] {
    for (int i = 0; i < 20; ++i) wide.application().exec(change + "COMMIT");
  });
  wide.finish(fmt::format("{} tables", tables));
}

TEST_CASE("thousands of large blobs pass without piling up in memory", "[system][soak]") {
  const std::int64_t blobs = sized(2'000, 200);
  const std::int64_t per_transaction = sized(50, 10);
  Case heavy{"blobs",
             "SELECT CASE WHEN s.bytes = c.bytes THEN '' ELSE s.bytes || ', must be ' || c.bytes "
             "END FROM (SELECT coalesce(sum(octet_length(b)), 0) AS bytes FROM blobs) AS s, total "
             "AS c"};
  heavy.application().exec(
      "CREATE TABLE blobs(id INTEGER PRIMARY KEY, b BLOB);"
      "CREATE TABLE total(id INTEGER PRIMARY KEY, bytes INTEGER); INSERT INTO total VALUES (1, 0)");
  const auto write = [&](std::int64_t count) {
    for (std::int64_t done = 0; done < count; done += per_transaction)
      heavy.application().exec(
          "BEGIN;" + numbers(per_transaction) +
          fmt::format("INSERT INTO blobs(b) SELECT randomblob({0}) FROM n; UPDATE total SET bytes "
                      "= bytes + {0} * {1}; COMMIT",
                      kMiB, per_transaction));
  };
  write(blobs / 2);
  heavy.timed("copy of one half", [&] { heavy.follow(); });
  heavy.timed("following the other", [&] { write(blobs / 2); });
  heavy.finish(fmt::format("{} blobs of 1 MiB, {} in a transaction", blobs, per_transaction), kMiB);
}

TEST_CASE("a WAL that has grown large slows down no copy while nobody writes", "[system]") {
  constexpr std::int64_t kBlobs = 24;
  Case quiet{"quiet", "SELECT CASE count(*) WHEN 0 THEN 'no rows' ELSE '' END FROM blobs"};
  quiet.application().exec("CREATE TABLE blobs(id INTEGER PRIMARY KEY, b BLOB);" + numbers(kBlobs) +
                           fmt::format("INSERT INTO blobs SELECT i, randomblob({}) FROM n", kMiB));
  const auto took = quiet.timed("copy", [&] { quiet.follow(); });
  quiet.application().exec("UPDATE blobs SET b = NULL WHERE id = 1");
  quiet.finish(fmt::format("{} MiB beside a WAL of {} MiB", kBlobs, kBlobs), kMiB);
  CHECK(took < 5s);
}

TEST_CASE("one value of a hundred MiB is copied and followed", "[system][soak]") {
  const std::int64_t bytes = sized(100, 10) * kMiB;
  Case huge{"huge",
            "SELECT CASE WHEN octet_length(h.b) = c.bytes THEN '' ELSE octet_length(h.b) || ', "
            "must be ' || c.bytes END FROM huge AS h, total AS c"};
  huge.application().exec(
      fmt::format("CREATE TABLE huge(id INTEGER PRIMARY KEY, b BLOB); INSERT INTO huge VALUES (1, "
                  "randomblob({0}));"
                  "CREATE TABLE total(id INTEGER PRIMARY KEY, bytes INTEGER); INSERT INTO total "
                  "VALUES (1, {0})",
                  bytes - 1));
  huge.timed("copy", [&] { huge.follow(); });
  huge.timed("following a change", [&] {
    huge.application().exec(fmt::format(
        "BEGIN; UPDATE huge SET b = randomblob({0}); UPDATE total SET bytes = {0}; COMMIT", bytes));
  });
  huge.finish(fmt::format("one value of {} MiB", bytes / kMiB), bytes);
}

TEST_CASE("one row of several large values is copied and followed", "[system][soak]") {
  constexpr std::int64_t kValues = 6;
  const std::int64_t bytes = sized(30, 20) * kMiB;  // of each
  Case wide{"wide_row",
            "SELECT CASE WHEN octet_length(w.a) + octet_length(w.f) = c.bytes THEN '' ELSE 'of "
            "another moment' END FROM wide AS w, total AS c"};
  const auto values = [](std::int64_t each) {
    std::string list;
    for (const char* name : {"a", "b", "c", "d", "e", "f"})
      list += fmt::format("{}{} = randomblob({})", list.empty() ? "" : ", ", name, each);
    return list;
  };
  wide.application().exec(
      "CREATE TABLE wide(id INTEGER PRIMARY KEY, a BLOB, b BLOB, c BLOB, d BLOB, e BLOB, f BLOB);"
      "INSERT INTO wide(id) VALUES (1); CREATE TABLE total(id INTEGER PRIMARY KEY, bytes "
      "INTEGER);" +
      fmt::format("UPDATE wide SET {}; INSERT INTO total VALUES (1, {})", values(bytes - 1),
                  2 * (bytes - 1)));
  wide.timed("copy", [&] { wide.follow(); });
  wide.timed("following a change", [&] {
    wide.application().exec(
        fmt::format("BEGIN; UPDATE wide SET {}; UPDATE total SET bytes = {}; "
                    "COMMIT",
                    values(bytes), 2 * bytes));
  });
  wide.finish(fmt::format("one row of {} values of {} MiB", kValues, bytes / kMiB),
              kValues * bytes);
}

}  // namespace lockstep::test

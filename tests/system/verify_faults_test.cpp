// Wrong rows on the target: each of them is found under its own key, whatever is wrong with it and
// whenever it came, and no other row is blamed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/seed.hpp"
#include "tests/system/planted_faults.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kDatabase[] = "faults";

constexpr char kConfig[] =
    R"({ "version": 1, "verify": { "continuous": false },
         "columns": { "literals.id": { "type": "literal" } } })";

constexpr int kFirstOfWriter = 10'000'000;

/// Writes to the same tables, never to the rows that were there.
class Application {
 public:
  explicit Application(std::string file) : file_(std::move(file)), thread_([this] { write(); }) {}
  ~Application() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::int64_t transactions() const { return done_; }

 private:
  void write() {
    for (int n = kFirstOfWriter; !stop_; ++n, ++done_)
      sqlite(
          file_,
          fmt::format("BEGIN IMMEDIATE;"
                      "INSERT INTO plain(id, i, s) VALUES ({0}, random(), hex(randomblob(5)));"
                      "UPDATE plain SET i = i + 1, s = NULL WHERE id >= 10000000 AND id % 10 = {1};"
                      "DELETE FROM plain WHERE id BETWEEN 10000000 AND {0} - 50;"
                      "INSERT INTO composite VALUES ('w{0}', {0}, x'00', 1.5, 'v', 'w');"
                      "DELETE FROM composite WHERE k < 'x' AND k >= 'w' AND d < {0} - 50;"
                      "INSERT INTO keyless(rowid, v, n) VALUES ({0}, 'w', {0});"
                      "DELETE FROM keyless WHERE rowid BETWEEN 10000000 AND {0} - 50;"
                      "INSERT OR REPLACE INTO uuids(id, flag) VALUES ('ffff0000000040008000' || "
                      "printf('%012d', "
                      "{0} % 50), {0} % 2);"
                      "COMMIT",
                      n, n % 10));
  }

  std::string file_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::int64_t> done_ = 0;
  std::thread thread_;
};

/// A key that has to be of finite value turns over digits only. Every bit has its turn, the last
/// one first.
std::string flip(const std::string& number, bool any_bit, unsigned turn) {
  constexpr unsigned kDigits = 52, kBits = 64, kStep = 13;
  const auto bits = std::bit_cast<std::uint64_t>(std::strtod(number.c_str(), nullptr));
  const unsigned bit = turn * kStep % (any_bit ? kBits : kDigits);
  return fmt::format("'{:.17g}'::float8", std::bit_cast<double>(bits ^ 1ULL << bit));
}

/// "plain differ \x01…": table, kind and key of each row that is wrong.
using Wrong = std::set<std::string>;

class Saboteur {
 public:
  explicit Saboteur(std::uint64_t seed) : random_(seed) {}

  /// One wrong row of this kind, another one each time.
  void plant(const Fault& fault) {
    const auto keyed = std::find_if(kKeyed.begin(), kKeyed.end(), [&](const Keyed& each) {
      return std::string(each.table) == fault.table;
    });
    const std::string key = fmt::format("({})::text", keyed->key);
    const auto picked = server().query(
        fmt::format("SELECT ctid, {}, {} FROM {} WHERE {} AND ({}) AND {} <> ALL "
                    "('{{{}}}'::text[]) ORDER BY "
                    "md5({} || '{}') LIMIT 1",
                    key, fault.flipped == nullptr ? "NULL" : fault.flipped, fault.table,
                    keyed->ours, fault.where, key, fmt::join(used_, ","), key, random_()),
        kDatabase);
    INFO(fault.table << " " << fault.sql);
    REQUIRE(picked.size() == 1);
    const std::string old = *picked[0][1];
    used_.insert("\"\\" + old + "\"");
    const std::string done = change(fault, *keyed, key, *picked[0][0], picked[0][2].value_or(""));
    used_.insert("\"\\" + done + "\"");
    const bool stays = fault.becomes == Becomes::differ || fault.becomes == Becomes::missing;
    REQUIRE((done == old) == stays);
    const std::string table = std::string(fault.table) + " ";
    if (fault.becomes == Becomes::differ) wrong_.insert(table + "differ " + old);
    if (fault.becomes == Becomes::missing || fault.becomes == Becomes::moved)
      wrong_.insert(table + "missing " + old);
    if (fault.becomes == Becomes::extra || fault.becomes == Becomes::moved)
      wrong_.insert(table + "extra " + done);
  }
  /// Two rows of the table have each other's values: no count and no sum of values tells.
  void exchange_rows() {
    const auto two = server().query(
        fmt::format("SELECT id, {0}::text FROM plain WHERE id < 10000000 AND ({0})::text <> ALL "
                    "('{{{1}}}'::text[]) "
                    "ORDER BY md5(id || '{2}') LIMIT 2",
                    "('\\x01'::bytea || int8send(id))", fmt::join(used_, ","), random_()),
        kDatabase);
    server().query(
        fmt::format(
            "UPDATE plain AS p SET i = o.i, j = o.j, r = o.r, s = o.s, t = o.t, b = o.b, n = "
            "o.n, at = o.at FROM plain AS o WHERE p.id IN ({0}, {1}) AND o.id = {0} + {1} - p.id",
            *two[0][0], *two[1][0]),
        kDatabase);
    for (const auto& row : two) {
      used_.insert("\"\\" + *row[1] + "\"");
      wrong_.insert("plain differ " + *row[1]);
    }
  }
  [[nodiscard]] const Wrong& wrong() const { return wrong_; }
  void repaired() {
    wrong_.clear();
    used_.clear();
  }

 private:
  std::string change(const Fault& fault, const Keyed& keyed, const std::string& key,
                     const std::string& row, const std::string& number) {
    const std::string ctid = fmt::format("ctid = '{}'", row);
    std::string sql = fault.sql;
    if (fault.flipped != nullptr)
      sql = fmt::format(
          fmt::runtime(sql),
          fmt::arg("flipped", flip(number, fault.becomes == Becomes::differ, flips_++)));
    const char* table = keyed.table;
    if (fault.becomes == Becomes::missing)
      sql = fmt::format("DELETE FROM {} WHERE {} RETURNING {}", table, ctid, key);
    else if (fault.becomes == Becomes::extra)
      sql = fmt::format("INSERT INTO {0} SELECT {1} FROM {0} WHERE {2} RETURNING {3}", table, sql,
                        ctid, key);
    else
      sql = fmt::format("UPDATE {} SET {} WHERE {} RETURNING {}", table, sql, ctid, key);
    const auto changed = server().query(sql, kDatabase);
    REQUIRE(changed.size() == 1);
    return *changed[0][0];
  }

  std::mt19937_64 random_;
  unsigned flips_ = 0;
  std::set<std::string> used_;
  Wrong wrong_;
};

/// What the newest pass has on record.
Wrong found_wrong() {
  Wrong found;
  for (const auto& row :
       server().query("SELECT t.name || ' ' || d.kind || ' ' || d.key::text FROM "
                      "lockstep.verify_differences d JOIN "
                      "lockstep.verify_tables t USING (pass, id) WHERE pass = (SELECT max(id) FROM "
                      "lockstep.verify_passes)",
                      kDatabase))
    found.insert(*row[0]);
  return found;
}

struct World {
  explicit World(int rows) : file(folder.file("faults.db")), config(folder.file("c.json")) {
    sqlite(file, kFaultySchema);
    fill(file, rows);
    std::ofstream(config) << kConfig;
    std::filesystem::permissions(
        config, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    dsn = server().create_database(kDatabase);
  }
  ~World() {
    running.reset();
    server().query(fmt::format("DROP DATABASE {} WITH (FORCE)", kDatabase), "postgres");
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void start(ProcessOptions options = {}) {
    running = start_lockstep({"run", file, dsn, "--quiet", "--config", config}, std::move(options));
    require_caught_up(*running, file);
  }
  void stop() {
    running->signal(SIGTERM);
    CHECK(running->wait_or_throw(20s) == ExitStatus{.code = 143});
  }

  TempDir folder;
  std::string file, config, dsn;
  std::unique_ptr<Process> running;
};

/// Every kind of fault in turn, twenty in a round, beside an application that writes.
void find_faults(std::size_t faults) {
  constexpr std::size_t kInARound = 20;
  const std::uint64_t seed = test_seed();
  INFO("LOCKSTEP_SEED=" << seed);
  World world(4'000);
  world.start();
  Application application(world.file);
  Saboteur saboteur(seed);
  std::size_t next = seed % kFaults.size();
  for (std::size_t planted = 0; planted < faults; planted += kInARound) {
    for (std::size_t i = 0; i < kInARound - 1; ++i)
      saboteur.plant(kFaults[next++ % kFaults.size()]);
    saboteur.exchange_rows();
    const std::int64_t before = application.transactions();
    require_code(lockstep({"verify", world.file, world.dsn}), 4);
    CHECK(application.transactions() > before);
    CHECK(found_wrong() == saboteur.wrong());
    require_code(lockstep({"verify", world.file, world.dsn, "--repair", "--yes"}), 0);
    CHECK(found_wrong() == Wrong{});
    saboteur.repaired();
  }
  application.stop();
  require_caught_up(*world.running, world.file);
  require_equal(world.file, world.dsn, {"--tables", "plain,composite,keyless,uuids,instants"});
}

}  // namespace

TEST_CASE("each wrong row on the target is found under its key, and no other is blamed",
          "[system]") {
  find_faults(200);
}

TEST_CASE("two thousand wrong rows are found, each under its key", "[.][soak]") {
  find_faults(2'000);
}

TEST_CASE("a row that becomes wrong during a pass is found by it or by the next", "[system]") {
  const std::uint64_t seed = test_seed();
  INFO("LOCKSTEP_SEED=" << seed);
  World world(1'000);
  Saboteur saboteur(seed);
  // The tables go by their names, one range each.
  for (const std::size_t compared : {1, 3}) {
    const std::string go_on = world.folder.file(fmt::format("go_on_{}", compared));
    world.start({.environment = {fmt::format("LOCKSTEP_FAILPOINTS=verify.recorded=block:{}@{}",
                                             go_on, compared)}});
    auto verifying = start_lockstep({"verify", world.file, world.dsn});
    const auto recorded = [&] {
      return server().value(
          "SELECT count(*) FROM lockstep.verify_tables WHERE pass = (SELECT max(id) FROM "
          "lockstep.verify_passes WHERE state = 'running')",
          kDatabase);
    };
    REQUIRE(wait_until([&] { return recorded() == std::to_string(compared); }, 20s, 5ms));
    for (const Fault& fault : kFaults) saboteur.plant(fault);
    std::ofstream(go_on) << "now";
    CHECK(verifying->wait_or_throw(30s) == ExitStatus{.code = 4});
    const Wrong found = found_wrong();
    // What was compared is not looked at again; the range that comes next may have its view.
    for (const std::string& each : found) {
      INFO(each);
      CHECK(saboteur.wrong().contains(each));
    }
    for (std::size_t table = 0; table < kKeyed.size(); ++table) {
      if (table == compared) continue;
      const auto of_table = [&](const std::string& each) {
        return each.starts_with(std::string(kKeyed[table].table) + " ");
      };
      INFO(kKeyed[table].table);
      CHECK(std::count_if(found.begin(), found.end(), of_table) ==
            (table < compared
                 ? 0
                 : std::count_if(saboteur.wrong().begin(), saboteur.wrong().end(), of_table)));
    }
    require_code(lockstep({"verify", world.file, world.dsn}), 4);
    CHECK(found_wrong() == saboteur.wrong());
    require_code(lockstep({"verify", world.file, world.dsn, "--repair", "--yes"}), 0);
    CHECK(found_wrong() == Wrong{});
    saboteur.repaired();
    world.stop();
  }
  require_equal(world.file, world.dsn, {"--tables", "plain,composite,keyless,uuids,instants"});
}

TEST_CASE("a table of which more is wrong than a pass keeps is mended by one reading of it",
          "[system]") {
  constexpr int kRows = 12'000;  // a pass keeps 10,000 keys
  World world(kRows);
  world.start();
  Application application(world.file);
  server().query(
      "UPDATE plain SET s = 'wrong' WHERE id < 10000000; DELETE FROM keyless WHERE _lockstep_rowid "
      "% "
      "2 = 0; UPDATE instants SET n = 7 WHERE at < '1970-01-02'",
      kDatabase);
  const auto passes = [&] {
    return std::stoi(
        server().value("SELECT coalesce(max(id), 0) FROM lockstep.verify_passes", kDatabase));
  };
  const int before = passes();
  const Outcome repaired =
      lockstep({"verify", world.file, world.dsn, "--repair", "--yes", "--json"});
  require_code(repaired, 0);
  CHECK(passes() == before + 2);
  std::istringstream lines(repaired.output);
  nlohmann::json repair;
  for (std::string line; std::getline(lines, line);)
    if (auto object = nlohmann::json::parse(line); object["type"] == "repair")
      repair = std::move(object);
  CHECK(repair["anew"] == nlohmann::json::array({"plain"}));
  CHECK(repair["rows"] > kRows / 2);  // keys of the others
  CHECK(repair["rows"] < kRows);
  CHECK(repair["skipped"] == 0);
  application.stop();
  require_caught_up(*world.running, world.file);
  require_equal(world.file, world.dsn, {"--tables", "plain,composite,keyless,uuids,instants"});
}

namespace {
/// One bit of one value among so many rows, beside an application that writes.
void find_flipped_bit(int rows) {
  World world(100);
  sqlite(
      world.file,
      fmt::format("WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
                  "INSERT INTO plain(id, i, r, s, b) SELECT i, random(), random() / 7.0, "
                  "hex(randomblob(9)), randomblob(20) FROM n",
                  rows - 1));
  world.start();
  Application application(world.file);
  require_code(lockstep({"verify", world.file, world.dsn}), 0);
  for (const std::string change : {"b = set_bit(b, 77, 1 - get_bit(b, 77))", "i = i # 1",
                                   "r = r * (1 + 2.220446049250313e-16)",
                                   "s = convert_from(set_byte(convert_to(s, 'UTF8'), 4, "
                                   "get_byte(convert_to(s, 'UTF8'), 4) # 1), 'UTF8')"}) {
    INFO(change);
    const std::string key = server().value(
        fmt::format("UPDATE plain SET {} WHERE id = {} RETURNING int8send(id)", change, rows / 3),
        kDatabase);
    const std::int64_t before = application.transactions();
    const auto begun = std::chrono::steady_clock::now();
    require_code(lockstep({"verify", world.file, world.dsn}), 4);
    std::printf(
        "figure: a flipped bit among %d rows found within %.1f s, %d transactions meanwhile\n",
        rows, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(),
        static_cast<int>(application.transactions() - before));
    CHECK(application.transactions() > before);
    CHECK(found_wrong() == Wrong{"plain differ \\x01" + key.substr(2)});
    require_code(lockstep({"verify", world.file, world.dsn, "--repair", "--yes"}), 0);
  }
}
}  // namespace

TEST_CASE("one flipped bit among a hundred thousand rows is found under load", "[system]") {
  find_flipped_bit(100'000);
}

TEST_CASE("one flipped bit among a million rows is found under load", "[.][soak]") {
  find_flipped_bit(1'000'000);
}

}  // namespace lockstep::test

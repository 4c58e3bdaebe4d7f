// The application comes first: it gets no SQLITE_BUSY that it would not have got without lockstep,
// and waits little longer. The application (lockstep-busy) is the kind that is hurt most.
#include <fmt/format.h>

#include "tests/system/sized.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

/// SQLITE_BUSY in 100,000 transactions of one writer: what is promised, judged at full size. A
/// machine full of other tests, where an application can look as if it rested, is given more.
std::int64_t busy_allowed() {
  return full_size() ? 1 : 20;
}

/// What the 99th percentile of a transaction's time may grow by.
double stall_max_ms() {
  return full_size() ? 20 : 100;
}

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// One run of the application to its end; what it says.
nlohmann::json work(const std::string& file, const std::string& journal, std::int64_t transactions,
                    int rate, const std::string& sync, const std::string& writers = "1") {
  const Outcome outcome =
      run({TOOL_BUSY, file, "--journal", journal, "--sync", sync, "--transactions",
           std::to_string(transactions), "--rate", std::to_string(rate), "--writers", writers},
          {}, std::chrono::seconds{60 + 2 * transactions / rate});
  INFO(everything(outcome));
  REQUIRE((outcome.status == ExitStatus{.code = 0} || outcome.status == ExitStatus{.code = 1}));
  return nlohmann::json::parse(outcome.output);
}

struct Figures {
  nlohmann::json alone, followed;
  std::int64_t pruned = 0;
};

/// The same work without lockstep and with it, each on a file of its own.
Figures measure(const std::string& name, const std::string& journal, std::int64_t transactions,
                int rate, const std::string& sync) {
  const TempDir folder;
  Figures figures;
  figures.alone = work(folder.file("alone.db"), journal,
                       std::min<std::int64_t>(transactions, 3'000), rate, sync);
  const std::string file = folder.file(name + ".db");
  const std::string dsn = server().create_database(name);
  work(file, journal, 1, 1, sync);
  const auto following = start_lockstep({"run", file, dsn});
  require_caught_up(*following, file);
  figures.followed = work(file, journal, transactions, rate, sync);
  require_caught_up(*following, file);
  const auto pruned = [&] {
    const Outcome status = lockstep({"status", file, "--json"});
    require_code(status, 0);
    return nlohmann::json::parse(status.output)["changes_pruned"].get<std::int64_t>();
  };
  // It waits for a rest of the application; too little to be worth it may be left.
  if (transactions > 10'000) static_cast<void>(wait_until([&] { return pruned() > 0; }, 20s));
  figures.pruned = pruned();
  following->signal(SIGTERM);
  INFO(following->output() + following->error_output());
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
  require_equal(file, dsn);
  fmt::print(stderr, "figure: busy: {}, {} transactions/s: alone {}, followed {}, {} pruned\n",
             journal, rate, figures.alone.dump(), figures.followed.dump(), figures.pruned);
  return figures;
}

double stall(const Figures& figures) {
  return figures.followed["p99_ms"].get<double>() - figures.alone["p99_ms"].get<double>();
}

}  // namespace

TEST_CASE("in WAL mode a deferred transaction meets no SQLITE_BUSY because of lockstep",
          "[system][soak]") {
  const std::int64_t transactions = sized(100'000, 20'000);
  const Figures figures = measure("busy_wal", "wal", transactions, 600, "normal");
  CHECK(figures.alone["busy"] == 0);
  CHECK(figures.followed["transactions"] == transactions);
  CHECK(figures.followed["busy"].get<std::int64_t>() <= transactions * busy_allowed() / 100'000);
  CHECK(figures.pruned > 0);  // without a write of ours nothing was shown
  CHECK(stall(figures) <= stall_max_ms());
}

TEST_CASE("in rollback-journal mode the application waits a little, and meets no error",
          "[system][soak]") {
  const std::int64_t transactions = sized(100'000, 3'000);
  const Figures figures = measure("busy_delete", "delete", transactions, 300, "full");
  CHECK(figures.alone["busy"] == 0);
  CHECK(figures.followed["transactions"] == transactions);
  CHECK(figures.followed["busy"] == 0);
  CHECK(stall(figures) <= stall_max_ms());
}

TEST_CASE("lockstep-busy counts what another writer does to it", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("both.db");
  const auto alone = work(file, "wal", 2'000, 2'000, "normal");
  CHECK(alone["busy"] == 0);
  const auto together = work(file, "wal", 2'000, 2'000, "normal", "3");
  CHECK(together["busy_snapshot"].get<std::int64_t>() > 0);
  CHECK(together["busy"] >= together["busy_snapshot"]);
}

}  // namespace lockstep::test

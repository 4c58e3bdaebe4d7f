// What a comparison waits for: that it does, and that it says so.
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "tests/support/terminal.hpp"
#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// Commits as fast as it can until it goes.
class Application {
 public:
  explicit Application(const std::string& file)
      : thread_([this, file] {
          while (!stop_) sqlite(file, "UPDATE a SET n = n + 1 WHERE id = 1");
        }) {}
  ~Application() {
    stop_ = true;
    thread_.join();
  }
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string config(const TempDir& folder, const std::string& verify) {
  const std::string path = folder.file("lockstep.json");
  std::ofstream(path) << R"({"version": 1, "verify": )" << verify << "}";
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path;
}

}  // namespace

TEST_CASE("a comparison that gets no view of the source says why", "[system]") {
  const TempDir folder;
  Followed followed("unseen", server().create_database("unseen"));
  followed.write("PRAGMA journal_mode = DELETE");
  // The application is quicker than each batch: there is never a moment without something new.
  followed.start({"--config", config(folder, R"({"continuous": false})")},
                 {.environment = {"LOCKSTEP_FAILPOINTS=cap.synced=delay:100@0"}});
  followed.caught_up();
  CHECK(followed.status()["barrier_waits"].is_null());
  Terminal terminal{200, 24};
  std::unique_ptr<Process> verifying;
  {
    const Application application(followed.file());
    ProcessOptions options;
    options.stderr_path = terminal.path();
    options.environment = {"TERM=xterm"};
    verifying = start_lockstep({"verify", followed.file(), followed.dsn()}, std::move(options));
    const auto shows = [&] {
      terminal.look();
      return terminal.written().find("rollback journal") != std::string::npos;
    };
    CHECK(wait_until(shows, 20s, 20ms));
    const Json waits = followed.status()["barrier_waits"];
    REQUIRE(waits.is_object());
    CHECK_THAT(waits["what"].get<std::string>(), Contains("rollback journal"));
    CHECK_THAT(lockstep({"status", followed.file()}).output, Contains("no view of the source for"));
  }
  CHECK(verifying->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK(wait_until([&] { return followed.status()["barrier_waits"].is_null(); }, 10s, 50ms));
}

TEST_CASE("continuous passes rest for as long as changes come too late", "[system]") {
  const TempDir folder;
  Followed followed("late", server().create_database("late"));
  followed.start({"--config", config(folder, R"({"every": "10ms", "cpu_share": 0.9,
                                               "pause_when_lag": "200ms"})")},
                 {.environment = {"LOCKSTEP_FAILPOINTS=apply.begun=delay:300@0"}});
  followed.caught_up();
  const auto compared = [&] {
    return std::stoll(
        server().value("SELECT coalesce(sum(barriers), 0) FROM lockstep.verify_tables", "late"));
  };
  const auto batches = [&] { return followed.status()["batches_applied"].get<std::int64_t>(); };
  const auto passes = [&] {
    return std::stoll(server().value("SELECT max(id) FROM lockstep.verify_passes", "late"));
  };
  REQUIRE(wait_until([&] { return !followed.status()["verified"].is_null(); }, 20s, 20ms));
  std::int64_t last = 0;
  {
    const Application application(followed.file());
    const std::int64_t begun = batches();
    // Late, and what was being compared has come to its end.
    REQUIRE(wait_until([&] { return batches() >= begun + 2; }, 20s, 20ms));
    const std::int64_t before = passes();
    REQUIRE(wait_until([&] { return batches() >= begun + 4; }, 20s, 20ms));
    last = passes();
    CHECK(last <= before + 1);
  }
  REQUIRE(wait_until([&] { return passes() > last + 3; }, 20s, 20ms));
  CHECK(compared() > 0);
}

}  // namespace lockstep::test

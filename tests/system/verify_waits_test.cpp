// What a comparison waits for: that it does, and that it says so.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>
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

}  // namespace lockstep::test

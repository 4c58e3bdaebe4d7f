// Stop signals: a server that does not answer holds up nobody, and what whoever started lockstep
// had ignored stays ignored.
#include <fmt/format.h>

#include <filesystem>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

constexpr auto kEndWithin = 2s;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

struct Frozen {
  Frozen() { server().freeze(); }
  ~Frozen() { server().thaw(); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;
};

// As long as it is asked for, so that a second one comes when the time of the first is over.
bool ends_if_told_again(Process& process, int signal) {
  return wait_until(
      [&] {
        process.signal(signal);
        return !process.running();
      },
      10s, 100ms);
}

}  // namespace

TEST_CASE("a server that does not answer does not hold up the end of run") {
  Followed both("frozen", server().create_database("frozen"));
  both.start_and_catch_up();
  {
    const Frozen frozen;
    both.write_some();
    REQUIRE(wait_until([&] { return both.status()["backlog_changes"] > 0; }, 20s));
    both.process().signal(SIGTERM);
    CHECK(both.process().wait_or_throw(kEndWithin) == ExitStatus{.code = 143});
    // The same clean end as ever.
    CHECK_THAT(both.process().output(), Catch::Contains("go on     lockstep run"));
    CHECK_FALSE(std::filesystem::exists(both.file() + "-lockstep"));
  }
  both.start_and_catch_up();
  both.stop();
  saw_fault("T9", "GO: run stops within 2 s while PostgreSQL is stopped");
}

TEST_CASE("a server that takes connections and says nothing does not hold up the end either") {
  Followed both("silent", server().create_database("silent") + "?connect_timeout=60");
  both.start_and_catch_up();
  const std::string backend = server().value(
      "SELECT pid FROM pg_stat_activity WHERE datname = 'silent' AND application_name LIKE "
      "'lockstep apply%'");
  {
    const Frozen frozen;
    REQUIRE(::kill(std::stoi(backend), SIGKILL) == 0);
    both.write_some();
    // LS-T201, or LS-T212 if that was a COMMIT; and it connects again a moment later.
    REQUIRE(wait_until([&] { return both.status()["awaited"].is_object(); }, 20s));
    both.process().signal(SIGTERM);
    CHECK(both.process().wait_or_throw(kEndWithin) == ExitStatus{.code = 143});
  }
  REQUIRE(server().comes_up());
  both.start_and_catch_up();
  both.stop();
}

TEST_CASE("after a cutover it does not hold up the end of run") {
  Followed both("moved", server().create_database("moved"));
  both.start_and_catch_up();
  require_code(lockstep({"cutover", both.file(), "--confirm", "moved", "--when-ready",
                         "--verify-max-age", "0", "--accept-unsafe-server"}),
               0);
  REQUIRE(wait_until([&] { return both.status()["phase"] == "reverse"; }, 30s, 20ms));
  {
    const Frozen frozen;
    both.process().signal(SIGTERM);
    CHECK(both.process().wait_or_throw(kEndWithin) == ExitStatus{.code = 143});
  }
  server().query("INSERT INTO b VALUES ('late', 1)", "moved");
  both.start();
  CHECK(wait_until([&] { return !sqlite(both.file(), "SELECT 1 FROM b WHERE k = 'late'").empty(); },
                   30s));
  both.stop();
}

TEST_CASE("of two processes apply ends, too, while the server does not answer") {
  const Followed both("apart", server().create_database("apart"));
  const std::string endpoint = "ipc://" + both.in_folder("wire.sock");
  const auto capture = start_lockstep({"capture", both.file(), "--listen", endpoint});
  auto apply = start_lockstep({"apply", "--connect", endpoint, both.dsn()});
  REQUIRE(wait_until([&] { return lockstep({"status", both.dsn()}).status.code == 0; }, 20s));
  wait_caught_up(both.file());
  {
    const Frozen frozen;
    both.write_some();
    apply->signal(SIGINT);
    CHECK(apply->wait_or_throw(kEndWithin) == ExitStatus{.code = 130});
    CHECK_THAT(apply->output(), Catch::Contains("stays     schema lockstep"));
  }
  apply = start_lockstep({"apply", "--connect", endpoint, both.dsn()});
  wait_caught_up(both.file());
  require_equal(both.file(), both.dsn());
}

TEST_CASE("whatever holds up the end, one more signal ends lockstep at once") {
  Followed both("stuck", server().create_database("stuck"));
  const std::string trace = both.in_folder("trace");
  both.start({}, {.environment = {"LOCKSTEP_FAILPOINTS=apply.recv=block:" + both.in_folder("never"),
                                  "LOCKSTEP_FAILPOINT_TRACE=" + trace}});
  REQUIRE(wait_until([&] { return contents(trace).find("apply.recv") != std::string::npos; }, 20s));
  CHECK(ends_if_told_again(both.process(), SIGINT));
  CHECK(both.process().wait_or_throw(kEndWithin) == ExitStatus{.code = 130});
  both.start_and_catch_up();
  both.stop();
}

TEST_CASE("a SIGHUP that nohup has lockstep ignore ends nothing") {
  for (const std::string wrapper : {"nohup", "env"}) {
    CAPTURE(wrapper);
    const Followed both(wrapper, server().create_database(wrapper));
    Process following({wrapper, LOCKSTEP_BINARY, "run", both.file(), both.dsn(), "--quiet"},
                      clean());
    require_caught_up(following, both.file());
    // Of two that wait the one with the lower number is taken first, which is SIGHUP.
    following.signal(SIGHUP);
    following.signal(SIGINT);
    CHECK(following.wait_or_throw(20s).code == (wrapper == "nohup" ? 130 : 143));
  }
}

}  // namespace lockstep::test

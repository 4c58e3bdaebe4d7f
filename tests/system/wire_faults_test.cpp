// What networks do, between capture and apply over tcp with keys, while an application writes: in
// the end the target equals the source, each change was applied once, and a reader of the target
// never saw a state that the source did not have.
#include <fmt/format.h>
#include <signal.h>

#include <random>
#include <sstream>

#include "tests/support/fault.hpp"
#include "tests/support/seed.hpp"
#include "tests/system/wire_world.hpp"

namespace lockstep::test {
namespace {

using Way = TcpProxy::Way;

PostgresServer& server() {
  static PostgresServer one;
  return one;
}

/// Hosts with a proxy between them, a live writer and a reader of the target.
class Line {
 public:
  explicit Line(const std::string& name, const std::string& rate = "60",
                const Weather& weather = {}, const std::string& rows = "2000")
      : hosts_(server(), name, rows),
        proxy_(hosts_.port()),
        writer_({TOOL_WRITER, hosts_.file(), "--until-stdin-closes", "--rate", rate}) {
    proxy_.set(Way::to_client, weather);
    proxy_.set(Way::to_server, weather);
    hosts_.start_capture();
    hosts_.start_apply(proxy_.port());
    hosts_applied(60s);
    observer_.emplace(
        std::vector<std::string>{TOOL_OBSERVER, hosts_.dsn(), "--until-stdin-closes"});
  }
  /// Changes written from now on have been applied.
  void hosts_applied(std::chrono::seconds patience = 40s) {
    const std::string counter = sqlite(hosts_.file(), "SELECT n FROM counter").at(0);
    const bool applied = wait_until(
        [&] {
          const auto there = query_or_nothing("SELECT n FROM counter");
          return !there.empty() && std::stoll(there) > std::stoll(counter);
        },
        patience, 20ms);
    INFO("capture says: " << hosts_.capture().error_output());
    INFO("apply says: " << hosts_.apply().error_output());
    REQUIRE(applied);
  }
  /// Nothing was lost, nothing came twice, no state was seen that never was.
  void finish() {
    CHECK(writer_.finish()["lost"] == 0);
    hosts_.require_same();
    const nlohmann::json seen = observer_->finish();
    CHECK(seen["violations"] == 0);
  }
  Hosts& hosts() { return hosts_; }
  TcpProxy& proxy() { return proxy_; }

 private:
  std::string query_or_nothing(const std::string& sql) const {
    try {
      return query(hosts_.dsn(), sql).at(0).at(0).value_or("");
    } catch (const std::exception&) {
      return {};  // not there yet
    }
  }

  Hosts hosts_;
  TcpProxy proxy_;
  Tool writer_;
  std::optional<Tool> observer_;
};

}  // namespace

TEST_CASE("connections that are reset in the middle of a frame, or damaged, cost nothing") {
  const std::uint64_t seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Line line("resets");
  for (const Way way : {Way::to_client, Way::to_server, Way::to_client}) {
    const std::uint64_t before = line.proxy().resets();
    line.proxy().set(way, {.reset_after = random() % (way == Way::to_client ? 6'000 : 600)});
    REQUIRE(wait_until([&] { return line.proxy().resets() > before; }, 20s));
    line.hosts_applied();
  }
  saw_fault("T7", "GO: a new session from the ledger's position, wherever the reset came");
  for (const Way way : {Way::to_client, Way::to_server, Way::to_client}) {
    const std::uint64_t before = line.proxy().flips();
    const std::uint64_t connections = line.proxy().accepted();
    line.proxy().set(way, {.flip_after = random() % (way == Way::to_client ? 6'000 : 600)});
    REQUIRE(wait_until([&] { return line.proxy().flips() > before; }, 20s));
    // The damaged frame is never handed on: CURVE drops the connection.
    REQUIRE(wait_until([&] { return line.proxy().accepted() > connections; }, 40s));
    line.hosts_applied();
  }
  line.finish();
  saw_fault("T8",
            "GO: CURVE drops the connection, a new one goes on; nothing damaged is delivered");
}

TEST_CASE("a slow and narrow line slows down and nothing else") {
  // The copy takes longer than a peer may be silent: its fragments are small enough for that.
  Line line("narrow", "10", {.latency = 300ms, .segment = 1, .bytes_per_second = 8'000}, "900");
  line.hosts_applied();
  // Whoever starts on such a line meets the other end, too.
  line.hosts().apply().signal(SIGTERM);
  CHECK(line.hosts().apply().wait_or_throw(5s) == ExitStatus{.code = 143});
  line.hosts().start_apply(line.proxy().port());
  line.hosts_applied(60s);
  CHECK(rss_kib(line.hosts().capture().pid()) < 200'000);
  line.proxy().clear();
  line.finish();
  saw_fault("T6",
            "GO: slow; sessions begin, copy, follow and begin again over 300 ms and 64 kbit/s");
}

TEST_CASE(
    "half-open connections, one-way silence and a stopped process are noticed and left behind") {
  // Side by side: each of them takes as long as heartbeats take.
  Line pulled("pulled"), one_way("oneway"), stopped("stopped");
  const auto started = std::chrono::steady_clock::now();
  const std::array before{pulled.proxy().accepted(), one_way.proxy().accepted(),
                          stopped.proxy().accepted()};
  pulled.proxy().pull_cable();
  one_way.proxy().set(Way::to_client, {.frozen = true});
  stopped.hosts().capture().signal(SIGSTOP);

  REQUIRE(wait_until([&] { return pulled.proxy().accepted() > before[0]; }, 20s));
  CHECK(std::chrono::steady_clock::now() - started < 17s);  // three intervals, and a connection
  pulled.hosts_applied();
  saw_fault("T4", "GO: noticed within three heartbeat intervals (15 s), a new connection goes on");

  REQUIRE(wait_until([&] { return one_way.proxy().accepted() > before[1]; }, 20s));
  CHECK(one_way.hosts().apply().running());
  one_way.proxy().clear();
  one_way.hosts_applied();
  saw_fault("T5", "WAIT: while one way is silent; then GO in a new connection");

  REQUIRE(wait_until([&] { return stopped.proxy().accepted() > before[2]; }, 20s));
  stopped.hosts().capture().signal(SIGCONT);
  stopped.hosts_applied();
  saw_fault("T17", "GO: after a stop that outlasts every heartbeat timer a new session goes on");
  for (Line* line : {&pulled, &one_way, &stopped}) line->finish();
}

TEST_CASE("the order of starts does not matter, and a dead peer does not hold up an end") {
  Hosts hosts(server(), "order");
  hosts.start_apply();
  REQUIRE(wait_until(
      [&] { return hosts.apply().error_output().find("waiting for") != std::string::npos; }, 10s));
  CHECK_THAT(hosts.apply().error_output(), Catch::Contains("to allow key"));
  hosts.start_capture();
  hosts.require_same();
  hosts.capture().kill_hard();
  hosts.write("UPDATE accounts SET balance = balance + 1");
  hosts.start_capture();  // the same port, at once
  hosts.require_same();

  // A name that nobody knows (yet) is asked for again and again.
  std::vector<std::string> nowhere = hosts.apply_arguments(hosts.port());
  nowhere[2] = "tcp://no-such-host.invalid:7879";
  const auto lost = start_lockstep(nowhere);
  REQUIRE(wait_until([&] { return !lost->error_output().empty(); }, 10s));
  CHECK(lost->running());
  lost->signal(SIGTERM);
  CHECK(lost->wait_or_throw(2s) == ExitStatus{.code = 143});
  saw_fault("T10",
            "GO: apply waits for capture, by name or address, and meets it whenever it comes");

  hosts.capture().signal(SIGSTOP);
  hosts.apply().signal(SIGTERM);
  CHECK(hosts.apply().wait_or_throw(2s) == ExitStatus{.code = 143});
  hosts.capture().signal(SIGCONT);
  hosts.start_apply();
  hosts.require_same();
  hosts.apply().signal(SIGSTOP);
  hosts.write("UPDATE ohlcv_data SET volume = volume + 1");
  hosts.capture().signal(SIGTERM);
  CHECK(hosts.capture().wait_or_throw(2s) == ExitStatus{.code = 143});
  saw_fault("T9", "GO: LINGER 0; either end stops within 2 s while the other is dead");
}

TEST_CASE("both families of addresses are heard, and names that mean either") {
  Hosts hosts(server(), "families");
  std::vector<std::string> arguments = hosts.capture_arguments();
  arguments[3] = fmt::format("tcp://*:{}", hosts.port());
  const auto capture = start_lockstep(arguments);
  int turn = 0;
  for (const char* address : {"[::1]", "127.0.0.1", "localhost"}) {
    std::vector<std::string> there = hosts.apply_arguments(hosts.port());
    there[2] = fmt::format("tcp://{}:{}", address, hosts.port());
    const auto apply = start_lockstep(there);
    hosts.write("UPDATE accounts SET balance = balance + 1");
    INFO(capture->error_output() << apply->error_output());
    REQUIRE(wait_until([&] { return lockstep({"status", hosts.dsn()}).status.code == 0; }, 20s));
    wait_caught_up(hosts.file());
    require_equal(hosts.file(), hosts.dsn());
    apply->signal(SIGTERM);
    CHECK(apply->wait_or_throw(5s) == ExitStatus{.code = 143});
    ++turn;
  }
  CHECK(turn == 3);
  saw_fault("T18", "GO: one listener for IPv4 and IPv6; ::1, 127.0.0.1 and localhost reach it");
}

TEST_CASE("while the target is down, capture's memory stays flat and changes wait in the source") {
  PostgresServer own;
  Hosts hosts(own, "down");
  hosts.start_capture();
  hosts.start_apply();
  hosts.require_same();
  own.stop_fast();
  const long before = rss_kib(hosts.capture().pid());
  for (int i = 0; i < 40; ++i) hosts.write("UPDATE ohlcv_data SET volume = volume + 1");
  const std::string logged = sqlite(hosts.file(), "SELECT count(*) FROM _lockstep_changes").at(0);
  CHECK(std::stoll(logged) >= 40 * 2'000);
  CHECK(rss_kib(hosts.capture().pid()) - before < 20'000);
  CHECK(hosts.capture().running());
  CHECK(hosts.apply().running());
  own.start();
  hosts.require_same();
  saw_fault("T15",
            "WAIT: capture's memory is flat, changes wait in the change table; GO once the "
            "target is back");
}

TEST_CASE("lockstep imports nothing that forks: a ZeroMQ context would not survive it") {
  const Outcome symbols = run({"nm", "-D", "--undefined-only", LOCKSTEP_BINARY});
  require_code(symbols, 0);
  REQUIRE_THAT(symbols.output, Catch::Contains("zmq_ctx_new"));
  std::istringstream lines(symbols.output);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(line.rfind(' ') + 1);
    // posix_spawn() and posix_spawnp() are ops/switch_hooks': cutover and rollback run programs of
    // the user's, and have no context.
    for (const char* forking :
         {"fork", "vfork", "_Fork", "clone", "clone3", "daemon", "system", "popen", "wordexp"})
      CHECK(name.substr(0, name.find('@')) != forking);
  }
  saw_fault("T12",
            "GO: no process with a ZeroMQ context forks: nothing that forks is imported; hooks and "
            "gates, of cutover and rollback, which have none, go by posix_spawn()");
}

}  // namespace lockstep::test

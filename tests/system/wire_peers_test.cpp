// Who else may come to capture's port: strangers, old releases, and a known key in wrong hands.
// The true apply is served all the while. Crowds are in wire_crowds_test.cpp.
#include <signal.h>
#include <zmq.h>

#include <algorithm>

#include "link/wire/control.hpp"
#include "tests/support/fault.hpp"
#include "tests/system/wire_relay.hpp"
#include "tests/system/wire_served.hpp"

namespace lockstep::test {
namespace {

using wire::encode;
using wire::Kind;

PostgresServer& server() {
  static PostgresServer one;
  return one;
}

/// A DEALER that may say what no lockstep would. With the given key.
class Dealer {
 public:
  Dealer(const Hosts& hosts, const std::string& key, const std::string& identity = {})
      : socket_(zmq_socket(context(), ZMQ_DEALER)) {
    wire::Secret secret;
    const std::string own = wire::read_secret_key(key, secret);
    const std::string other = wire::read_public_key(hosts.key("capture") + ".pub");
    const int zero = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket_, ZMQ_SNDHWM, &zero, sizeof zero);
    if (!identity.empty())
      zmq_setsockopt(socket_, ZMQ_ROUTING_ID, identity.data(), identity.size());
    REQUIRE(zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, other.c_str(), 41) == 0);
    REQUIRE(zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, own.c_str(), 41) == 0);
    REQUIRE(zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, secret.data(), 41) == 0);
    REQUIRE(zmq_connect(socket_, loopback_endpoint(hosts.port()).c_str()) == 0);
  }
  ~Dealer() { zmq_close(socket_); }
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  void put(const std::string& frame, int flags = 0) {
    REQUIRE(zmq_send(socket_, frame.data(), frame.size(), flags) >= 0);
  }
  /// One message of many frames that share their bytes: it costs this end nothing.
  void put_many(std::size_t frames, std::size_t bytes) {
    zmq_msg_t one, copy;
    zmq_msg_init_size(&one, bytes);
    std::fill_n(static_cast<char*>(zmq_msg_data(&one)), bytes, 'A');
    for (std::size_t i = 0; i < frames; ++i) {
      zmq_msg_init(&copy);
      zmq_msg_copy(&copy, &one);
      REQUIRE(zmq_msg_send(&copy, socket_, ZMQ_SNDMORE) >= 0);
    }
    zmq_msg_close(&one);
    put("end");
  }
  std::optional<std::string> take(std::chrono::milliseconds patience) {
    zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
    if (zmq_poll(&item, 1, patience.count()) <= 0) return std::nullopt;
    zmq_msg_t message;
    zmq_msg_init(&message);
    const int got = zmq_msg_recv(&message, socket_, 0);
    std::string frame;
    if (got >= 0) frame.assign(static_cast<char*>(zmq_msg_data(&message)), zmq_msg_size(&message));
    zmq_msg_close(&message);
    return frame;
  }

 private:
  static void* context() {
    static void* one = zmq_ctx_new();  // lives as long as the program
    return one;
  }
  void* socket_;
};

std::string hello(std::uint64_t session) {
  return encode({Kind::hello, session, 0, wire::encode_hello({{}, {}, std::nullopt})});
}

std::string of_version(std::string frame, char version) {
  frame[5] = version;
  return frame;
}

}  // namespace

TEST_CASE("a lockstep with an unknown key gets nothing, and capture says whose it was") {
  Served served(server(), "stranger");
  generate_keys(served.hosts.key("stranger"));
  const std::string elsewhere = server().create_database("elsewhere");
  std::vector<std::string> arguments = served.hosts.apply_arguments(served.hosts.port());
  arguments[4] = served.hosts.key("stranger");
  arguments.back() = elsewhere;
  const auto stranger = start_lockstep(arguments);
  REQUIRE(wait_until([&] { return served.counted("refused") > 0; }, 10s));
  served.still();
  CHECK(stranger->running());
  stranger->signal(SIGTERM);
  CHECK(stranger->wait_or_throw(2s) == ExitStatus{.code = 143});
  CHECK(query(elsewhere, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'")[0][0] ==
        "0");
  CHECK_THAT(served.hosts.capture().error_output(),
             Catch::Contains("LS-W513") && Catch::Contains(wire::fingerprint(wire::read_public_key(
                                               served.hosts.key("stranger") + ".pub"))));
  saw_fault("H3", "REFUSE: LS-W513 names address and fingerprint; nothing is sent to it");
}

TEST_CASE("another release is refused with both versions named, at both ends") {
  Served served(server(), "versions");
  Dealer newer(served.hosts, served.hosts.key("apply"));
  newer.put(of_version(hello(1), 9));
  const auto answer = newer.take(5s);
  REQUIRE(answer);
  const wire::Message message = wire::decode(*answer);  // in our version: it can see which
  REQUIRE(message.kind == Kind::refusal);
  CHECK(wire::decode_refusal(message.body).code == "LS-W503");
  REQUIRE(wait_until(
      [&] {
        return served.hosts.capture().error_output().find(
                   "speaks wire version 9, this one version") != std::string::npos;
      },
      5s));
  served.still();
  CHECK(served.counted("refused") == 1);

  served.hosts.apply().signal(SIGTERM);
  static_cast<void>(served.hosts.apply().wait_or_throw(5s));
  Relay relay(served.hosts);
  relay.set([](Relay::Way way, const std::string& frame) {
    return std::vector{way == Relay::Way::to_apply ? of_version(frame, 9) : frame};
  });
  served.hosts.start_apply(relay.port());
  CHECK(served.hosts.apply().wait_or_throw(10s) == ExitStatus{.code = 3});
  CHECK_THAT(
      served.hosts.apply().error_output(),
      Catch::Contains("LS-W503") && Catch::Contains("speaks wire version 9, this one version"));
  saw_fault("T16",
            "REFUSE: LS-W503 names both versions at both ends; apply ends with 3, capture goes "
            "on serving");
}

TEST_CASE("a name that is taken is not handed over") {
  Served served(server(), "names");
  Dealer first(served.hosts, served.hosts.key("apply"), "same name");
  first.put(hello(1));
  const auto welcome = first.take(5s);
  REQUIRE(welcome);
  CHECK(wire::decode(*welcome).kind == Kind::welcome);
  Dealer second(served.hosts, served.hosts.key("apply"), "same name");
  second.put(hello(2));
  CHECK_FALSE(second.take(500ms));
  first.put(hello(3));
  REQUIRE(wait_until(
      [&] {
        const auto frame = first.take(100ms);
        return frame && wire::decode(*frame).session == 3;
      },
      5s));
  CHECK_FALSE(second.take(100ms));
  served.still();
  saw_fault(
      "T11",
      "REFUSE: the first keeps the name, the second hears nothing (libzmq tells nobody of it)");
}

TEST_CASE("a known key in wrong hands: large frames and messages of many frames") {
  Served served(server(), "known");
  const std::string key = served.hosts.key("apply");
  const long before = rss_kib(served.hosts.capture().pid());
  {
    Dealer peer(served.hosts, key);
    peer.put_many(40, 1 << 20);
    REQUIRE(wait_until([&] { return served.counted("dropped") == 1; }, 10s));
    peer.put(
        std::string(wire::kHeaderBytes + wire::kBodyBytesMax + 1, 'x'));  // ends its connection
    peer.put("rubbish");
  }
  served.still();
  {
    Dealer peer(served.hosts, key);
    for (int i = 0; i < 20'000; ++i) peer.put(std::string(100, static_cast<char>(i)));
    REQUIRE(wait_until([&] { return served.counted("refused") >= 20'000; }, 20s));
  }
  served.still();
  CHECK(rss_kib(served.hosts.capture().pid()) - before < 120'000);
  CHECK(served.hosts.capture().running());
}

TEST_CASE(
    "an endless message of a known key is stopped by the limit of memory, and a restart goes on") {
  Hosts hosts(server(), "endless");
  // What MemoryMax is in a service; here it is the address space.
  std::vector<std::string> limited{"prlimit", "--as=1500000000", LOCKSTEP_BINARY};
  for (const std::string& argument : hosts.capture_arguments()) limited.push_back(argument);
  hosts.start_apply();
  {
    Process capture(limited, clean());
    REQUIRE(wait_until([&] { return lockstep({"status", hosts.dsn()}).status.code == 0; }, 20s));
    wait_caught_up(hosts.file());
    auto peer = std::make_unique<Dealer>(hosts, hosts.key("apply"));
    peer->put_many(2'500, 1 << 20);
    REQUIRE(wait_until([&] { return rss_kib(capture.pid()) > 400'000; }, 30s));
    // libzmq gives up the connection if it gets no memory; whoever else needs some then may die.
    REQUIRE(
        wait_until([&] { return !capture.running() || rss_kib(capture.pid()) < 300'000; }, 30s));
    peer.reset();
    if (capture.running()) {
      hosts.write("UPDATE accounts SET balance = balance + 1");
      wait_caught_up(hosts.file());
      require_equal(hosts.file(), hosts.dsn());
    }
  }
  hosts.write("UPDATE accounts SET balance = balance + 1");
  hosts.start_capture();
  hosts.require_same();
  saw_fault("H4",
            "GO: frames above the limit end the connection, finished messages of many frames are "
            "dropped and counted; an endless one ends its connection at the memory limit, or "
            "capture, and the next start goes on");
}

}  // namespace lockstep::test

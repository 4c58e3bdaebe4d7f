#include "link/wire/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <thread>

#include "link/wire/message.hpp"
#include "model/clock.hpp"
#include "model/error.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::wire {
namespace {

using test::Descriptor;

constexpr Milliseconds kPatience{10'000};
constexpr Milliseconds kNow{0};

Context& context() {
  static Context one;  // one per process
  return one;
}

/// A port that nobody listens on now.
std::string free_tcp_endpoint() {
  const Descriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return fmt::format("tcp://127.0.0.1:{}", ntohs(address.sin_port));
}

Received receive_from(Router& router) {
  const Deadline deadline(kPatience);
  while (!deadline.passed()) {
    if (auto received = router.receive()) return *std::move(received);
    static_cast<void>(router.wait({}, deadline.left()));
  }
  FAIL("nothing arrived at the router");
  return {};
}

std::string receive_from(Dealer& dealer) {
  const Deadline deadline(kPatience);
  while (!deadline.passed()) {
    if (auto frame = dealer.receive()) return *std::move(frame);
    static_cast<void>(dealer.wait({}, deadline.left()));
  }
  FAIL("nothing arrived at the dealer");
  return {};
}

/// Speaks ZMTP 3.0 by hand, so that it can say what no socket of ours would.
class RawPeer {
 public:
  explicit RawPeer(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  void shake_hands() {
    std::string greeting("\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL", 16);
    greeting.resize(64, '\0');
    put(greeting);
    const std::string ready(
        "\x05READY\x0bSocket-Type\0\0\0\x06"
        "DEALER",
        28);
    put(std::string("\x04") + static_cast<char>(ready.size()) + ready);
    static_cast<void>(take(64));
    // Who speaks before both sides are ready is thrown out.
    static_cast<void>(take(static_cast<unsigned char>(take(2)[1])));
  }
  std::string take(std::size_t bytes) {
    std::string got(bytes, '\0');
    REQUIRE(::recv(fd_.get(), got.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes));
    return got;
  }
  void put(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE(sent > 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void put_frame(std::string_view bytes, bool more) {
    REQUIRE(bytes.size() < 256);
    put(std::string(1, more ? '\x01' : '\x00') + static_cast<char>(bytes.size()));
    put(bytes);
  }
  /// True once the other end has closed the connection.
  bool hung_up() {
    // Before the first heartbeat, which this peer does not answer: that would end the connection
    // too.
    timeval patience{4, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const Deadline deadline(Milliseconds{4'000});
    char byte = 0;
    ssize_t got = 1;  // what the other end said before
    while (got > 0 && !deadline.passed()) got = ::recv(fd_.get(), &byte, 1, 0);
    return got == 0 || errno == ECONNRESET;  // not EAGAIN, which is the end of the patience
  }

 private:
  Descriptor fd_;
};

TEST_CASE("router and dealer talk over inproc, ipc and tcp") {
  const test::TempDir dir;
  for (const std::string& endpoint :
       {std::string("inproc://talk"), "ipc://" + dir.file("s"), free_tcp_endpoint()}) {
    CAPTURE(endpoint);
    Router router(context(), endpoint);
    Dealer dealer(context(), endpoint);
    CHECK_FALSE(router.receive().has_value());
    CHECK_FALSE(dealer.receive().has_value());
    // Over tcp there is nobody to send to before the connection is made.
    REQUIRE(test::wait_until([&] { return dealer.send("question"); }, std::chrono::seconds{10}));
    const Received question = receive_from(router);
    CHECK(question.frame == "question");
    REQUIRE(router.send(question.peer, "first") == Router::Sent::yes);
    REQUIRE(router.send(question.peer, std::string(kBodyBytesMax, 'x')) == Router::Sent::yes);
    REQUIRE(router.send(question.peer, "") == Router::Sent::yes);
    CHECK(receive_from(dealer) == "first");
    CHECK(receive_from(dealer) == std::string(kBodyBytesMax, 'x'));
    CHECK(receive_from(dealer).empty());
  }
}

TEST_CASE("two dealers are told apart, and each gets its own answer") {
  Router router(context(), "inproc://two");
  Dealer one(context(), "inproc://two");
  Dealer two(context(), "inproc://two");
  REQUIRE(one.send("1"));
  REQUIRE(two.send("2"));
  for (int i = 0; i < 2; ++i) {
    const Received received = receive_from(router);
    REQUIRE(router.send(received.peer, "for " + received.frame) == Router::Sent::yes);
  }
  CHECK(receive_from(one) == "for 1");
  CHECK(receive_from(two) == "for 2");
}

TEST_CASE("a dealer that came before the router is heard") {
  const test::TempDir dir;
  Dealer dealer(context(), "ipc://" + dir.file("s"));
  REQUIRE(dealer.send("early"));
  Router router(context(), "ipc://" + dir.file("s"));
  CHECK(receive_from(router).frame == "early");
}

TEST_CASE("a peer that nobody knows is told, not dropped in silence") {
  Router router(context(), "inproc://unknown");
  CHECK(router.send("nobody", "lost") == Router::Sent::peer_gone);
}

TEST_CASE("a peer that left is told") {
  const test::TempDir dir;
  for (const std::string& endpoint : {std::string("inproc://left"), "ipc://" + dir.file("s")}) {
    CAPTURE(endpoint);
    Router router(context(), endpoint);
    std::string peer;
    {
      Dealer dealer(context(), endpoint);
      REQUIRE(dealer.send("hello"));
      peer = receive_from(router).peer;
      REQUIRE(router.send(peer, "here") == Router::Sent::yes);
    }
    const Deadline deadline(kPatience);
    Router::Sent sent = Router::Sent::yes;
    while (sent != Router::Sent::peer_gone && !deadline.passed()) {
      sent = router.send(peer, "gone?");
      static_cast<void>(router.wait({}, Milliseconds{1}));
    }
    CHECK(sent == Router::Sent::peer_gone);
  }
}

TEST_CASE("a full queue is told, and what was accepted arrives whole and in order") {
  const test::TempDir dir;
  for (const std::string& endpoint : {std::string("inproc://full"), "ipc://" + dir.file("s")}) {
    CAPTURE(endpoint);
    Router router(context(), endpoint);
    Dealer dealer(context(), endpoint);
    REQUIRE(dealer.send("hello"));
    const std::string peer = receive_from(router).peer;
    const std::string padding(kFragmentBytesTarget, 'x');
    int accepted = 0;
    const Deadline deadline(kPatience);
    while (!deadline.passed()) {
      const Router::Sent sent = router.send(peer, fmt::format("{:08}", accepted) + padding);
      if (sent == Router::Sent::queue_full) break;
      REQUIRE(sent == Router::Sent::yes);
      ++accepted;
    }
    // Room for every message of a credit window, and an end to it.
    CHECK(accepted >= kRowQueueMessagesMax);
    CHECK(accepted <= 3 * kRowQueueMessagesMax);
    for (int i = 0; i < accepted; ++i) {
      const std::string frame = receive_from(dealer);
      REQUIRE(frame.size() == 8 + padding.size());
      REQUIRE(frame.substr(0, 8) == fmt::format("{:08}", i));
    }
    CHECK_FALSE(dealer.receive().has_value());
    Router::Sent again = Router::Sent::queue_full;
    while (again == Router::Sent::queue_full && !deadline.passed()) {
      again = router.send(peer, "room again");
      static_cast<void>(dealer.wait({}, Milliseconds{1}));
    }
    CHECK(again == Router::Sent::yes);
    CHECK(receive_from(dealer) == "room again");
  }
}

TEST_CASE("a dealer whose queue is full says so") {
  const test::TempDir dir;
  Dealer dealer(context(), "ipc://" + dir.file("nobody-listens"));
  int accepted = 0;
  while (accepted < 10'000 && dealer.send("ask")) ++accepted;
  CHECK(accepted == kRequestQueueMessagesMax);
}

TEST_CASE("a multipart message is dropped whole and counted, and the next one arrives") {
  const test::TempDir dir;
  Router router(context(), "ipc://" + dir.file("s"));
  RawPeer peer(dir.file("s"));
  peer.shake_hands();
  peer.put_frame("one", true);
  peer.put_frame("two", true);
  peer.put_frame("three", false);
  peer.put_frame("", true);
  peer.put_frame("with an empty part", false);
  peer.put_frame("alone", false);
  CHECK(receive_from(router).frame == "alone");
  CHECK(router.dropped() == 2);
  CHECK_FALSE(router.receive().has_value());
}

TEST_CASE("a frame above the limit ends that connection and no other") {
  const test::TempDir dir;
  Router router(context(), "ipc://" + dir.file("s"));
  Dealer dealer(context(), "ipc://" + dir.file("s"));
  RawPeer peer(dir.file("s"));
  peer.shake_hands();
  std::string head("\x02", 1);  // one large frame, its length in 8 bytes
  for (int shift = 56; shift >= 0; shift -= 8)
    head += static_cast<char>((kHeaderBytes + kBodyBytesMax + 1) >> shift & 0xff);
  // One of the largest size allowed is waited for; one byte more is not.
  std::string allowed = head;
  --allowed.back();
  peer.put(allowed);
  peer.put(std::string(kHeaderBytes + kBodyBytesMax, 'x'));
  CHECK(receive_from(router).frame.size() == kHeaderBytes + kBodyBytesMax);
  peer.put(head);
  CHECK(peer.hung_up());
  REQUIRE(dealer.send("still here"));
  CHECK(receive_from(router).frame == "still here");
}

TEST_CASE("noise on the endpoint ends that connection and no other") {
  const test::TempDir dir;
  Router router(context(), "ipc://" + dir.file("s"));
  RawPeer peer(dir.file("s"));
  std::string noise("\xff\0\0\0\0\0\0\0\0\x7f\x03\0", 12);
  noise.resize(64, '\xee');
  peer.put(noise);
  CHECK(peer.hung_up());
  Dealer dealer(context(), "ipc://" + dir.file("s"));
  REQUIRE(dealer.send("still here"));
  CHECK(receive_from(router).frame == "still here");
}

TEST_CASE("wait tells a message from a descriptor, and passes over descriptors that are none") {
  Router router(context(), "inproc://wait");
  Dealer dealer(context(), "inproc://wait");
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Descriptor reader(ends[0]);
  Descriptor writer(ends[1]);
  const std::vector<int> descriptors{-1, reader.get(), -1};

  Woken woken = router.wait(descriptors, kNow);
  CHECK_FALSE(woken.message);
  CHECK(woken.readable == std::vector<bool>{false, false, false});

  REQUIRE(::write(writer.get(), "x", 1) == 1);
  woken = router.wait(descriptors, kPatience);
  CHECK_FALSE(woken.message);
  CHECK(woken.readable == std::vector<bool>{false, true, false});

  char byte = 0;
  REQUIRE(::read(reader.get(), &byte, 1) == 1);
  REQUIRE(dealer.send("a message"));
  woken = router.wait(descriptors, kPatience);
  CHECK(woken.message);
  CHECK(woken.readable == std::vector<bool>{false, false, false});

  CHECK(receive_from(router).frame == "a message");
  writer.reset();
  woken = dealer.wait(descriptors, kPatience);
  CHECK_FALSE(woken.message);
  CHECK(woken.readable == std::vector<bool>{false, true, false});
}

TEST_CASE("wait comes back when its patience is over, even a negative one") {
  Router router(context(), "inproc://patience");
  CHECK_FALSE(router.wait({}, Milliseconds{1}).message);
  CHECK_FALSE(router.wait({}, Milliseconds{-1}).message);
}

std::atomic<int> signals_seen{0};

TEST_CASE("a signal ends a wait without an error") {
  Dealer dealer(context(), "inproc://signal");
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { ++signals_seen; };  // without SA_RESTART
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  const pthread_t waiter = ::pthread_self();
  std::atomic<bool> back{false};
  // Again and again, for the first signal may come before the wait has begun.
  std::thread sender([&] {
    while (!back) {
      ::pthread_kill(waiter, SIGUSR1);
      std::this_thread::yield();
    }
  });
  const Deadline deadline(kPatience);
  const Woken woken = dealer.wait(std::vector<int>{-1}, kPatience);
  back = true;
  sender.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  CHECK_FALSE(woken.message);
  CHECK(woken.readable == std::vector<bool>{false});
  CHECK(signals_seen > 0);
  CHECK_FALSE(deadline.passed());
}

TEST_CASE("an endpoint that is taken or makes no sense is refused by name") {
  const auto refusal_of = [](const std::string& endpoint) {
    try {
      const Router router(context(), endpoint);
      return std::string();
    } catch (const Error& error) {
      return error.code() + " " + error.what();
    }
  };
  const Router first(context(), "inproc://taken");
  CHECK_THAT(refusal_of("inproc://taken"),
             Catch::Contains("LS-W510") && Catch::Contains("inproc://taken"));
  CHECK_THAT(refusal_of("pigeon://post"),
             Catch::Contains("LS-W510") && Catch::Contains("pigeon://post"));
}

}  // namespace
}  // namespace lockstep::wire

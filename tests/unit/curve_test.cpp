// Who gets in: keys on real sockets.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "link/wire/keys.hpp"
#include "link/wire/socket.hpp"
#include "model/clock.hpp"
#include "model/error.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::wire {
namespace {

using test::saw_fault;
using test::wait_until;
using namespace std::chrono_literals;

Context& context() {
  static Context one;
  return one;
}

struct Keys {
  test::TempDir folder;
  std::string server = made("server"), known = made("known"), other = made("other");
  std::string allowed = folder.file("allowed");

  Keys() { allow({known}); }
  [[nodiscard]] std::string made(const std::string& name) const {
    generate_keys(folder.file(name));
    return folder.file(name);
  }
  void allow(const std::vector<std::string>& keys) const {
    const std::string fresh = allowed + ".new";
    std::ofstream file(fresh);
    for (const std::string& key : keys) file << "public " << read_public_key(key + ".pub") << "\n";
    file.close();
    std::filesystem::rename(fresh, allowed);
  }
  [[nodiscard]] ServerKeys for_server() const { return {server, allowed}; }
  [[nodiscard]] ClientKeys for_client(const std::string& key) const {
    return {key, server + ".pub"};
  }
};

/// Says a word of its own until the router hears it.
bool gets_in(Router& router, Dealer& dealer, std::chrono::milliseconds patience) {
  static int words = 0;
  const std::string word = fmt::format("hello {}", ++words);
  return wait_until(
      [&] {
        static_cast<void>(dealer.send(word));
        while (const auto received = router.receive())
          if (received->frame == word) return true;
        return false;
      },
      patience, 5ms);
}

std::string at(std::uint16_t port) {
  return fmt::format("tcp://127.0.0.1:{}", port);
}

}  // namespace

TEST_CASE("a client whose key is allowed gets in, a client with another key does not") {
  const Keys keys;
  const std::uint16_t port = test::free_port();
  Router router(context(), at(port), keys.for_server());
  CHECK(router.refusals().count == 0);  // its own proof is not counted
  Dealer known(context(), at(port), keys.for_client(keys.known));
  REQUIRE(gets_in(router, known, 5s));
  CHECK(router.refusals().count == 0);

  Dealer other(context(), at(port), keys.for_client(keys.other));
  REQUIRE(wait_until([&] { return router.refusals().count > 0; }, 5s));
  CHECK_FALSE(gets_in(router, other, 300ms));
  CHECK_THAT(router.refusals().last,
             Catch::Contains("127.0.0.1") &&
                 Catch::Contains(fingerprint(read_public_key(keys.other + ".pub"))));
  REQUIRE(gets_in(router, known, 5s));
  saw_fault("H3",
            "REFUSE: an unknown key is turned away at the handshake, named by fingerprint and "
            "address, and counted; the known client is served meanwhile");
}

TEST_CASE("without keys nobody gets in where keys are needed") {
  const Keys keys;
  const std::uint16_t port = test::free_port();
  Router router(context(), at(port), keys.for_server());
  Dealer plain(context(), at(port));
  CHECK_FALSE(gets_in(router, plain, 500ms));
  saw_fault("H2", "REFUSE: a ZMTP client without CURVE is hung up on; nothing of it is delivered");
}

TEST_CASE("a client talks to no server but the one whose key it was given") {
  const Keys keys;
  const std::uint16_t port = test::free_port();
  keys.allow({keys.known});
  Router router(context(), at(port), keys.for_server());
  Dealer misled(context(), at(port), ClientKeys{keys.known, keys.other + ".pub"});
  CHECK_FALSE(gets_in(router, misled, 500ms));
}

TEST_CASE("the list of allowed keys is read anew at every handshake") {
  const Keys keys;
  const std::uint16_t port = test::free_port();
  Router router(context(), at(port), keys.for_server());
  auto known = std::make_unique<Dealer>(context(), at(port), keys.for_client(keys.known));
  REQUIRE(gets_in(router, *known, 5s));

  keys.allow({keys.known, keys.other});  // rotation: both for a while
  auto other = std::make_unique<Dealer>(context(), at(port), keys.for_client(keys.other));
  REQUIRE(gets_in(router, *other, 5s));

  keys.allow({keys.other});
  known = std::make_unique<Dealer>(context(), at(port), keys.for_client(keys.known));
  CHECK_FALSE(gets_in(router, *known, 500ms));
  REQUIRE(gets_in(router, *other, 5s));

  std::filesystem::remove(keys.allowed);  // deny by default
  other = std::make_unique<Dealer>(context(), at(port), keys.for_client(keys.other));
  CHECK_FALSE(gets_in(router, *other, 500ms));
  CHECK_THAT(router.refusals().last, Catch::Contains("cannot be used"));
}

TEST_CASE("a damaged stream ends the connection, whichever way it was damaged") {
  const Keys keys;
  const std::uint16_t port = test::free_port();
  Router router(context(), at(port), keys.for_server());
  using Way = test::TcpProxy::Way;
  for (const Way way : {Way::to_server, Way::to_client}) {
    test::TcpProxy proxy(port);
    Dealer dealer(context(), at(proxy.port()), keys.for_client(keys.known));
    std::string peer;
    REQUIRE(wait_until(
        [&] {
          static_cast<void>(dealer.send("hello"));
          if (auto received = router.receive()) peer = received->peer;
          return !peer.empty();
        },
        5s, 5ms));
    while (router.receive()) {
    }
    proxy.set(way, {.flip_after = 30});
    int damaged = 0;
    REQUIRE(wait_until(
        [&] {
          static_cast<void>(dealer.send("twenty bytes of text"));
          static_cast<void>(router.send(peer, "twenty bytes of text"));
          while (const auto received = router.receive())
            damaged += received->frame != "hello" && received->frame != "twenty bytes of text";
          while (const auto frame = dealer.receive()) damaged += *frame != "twenty bytes of text";
          return proxy.flips() > 0;
        },
        5s, 5ms));
    // The router forgets a peer whose connection is gone.
    CHECK(wait_until([&] { return router.send(peer, "?") == Router::Sent::peer_gone; }, 5s, 5ms));
    CHECK(damaged == 0);
    dealer.reopen();  // libzmq does not come again by itself after some of this
    CHECK(gets_in(router, dealer, 5s));
  }
}

}  // namespace lockstep::wire

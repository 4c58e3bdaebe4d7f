#include "link/wire/curve.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "link/wire/context_impl.hpp"
#include "link/wire/doorkeeper.hpp"
#include "model/clock.hpp"
#include "model/error.hpp"

namespace lockstep::wire {

namespace {

constexpr int kZapEnforceDomain = 93;  // in a part of zmq.h that Debian does not switch on
constexpr Milliseconds kProofPatience{5'000};

[[noreturn]] void throw_unsafe(const std::string& why, const std::string& todo) {
  throw Error({.code = "LS-W512",
               .exit = ExitCode::precondition,
               .what = "this end cannot be protected by keys",
               .why = why,
               .data = "nothing was sent, nobody was let in",
               .todo = todo});
}

void set_key(zmq::socket_t& socket, int option, const char* z85) {
  if (zmq_setsockopt(socket.handle(), option, z85, kZ85Bytes + 1) != 0)
    throw_unsafe(fmt::format("ZeroMQ does not take a key: {}", zmq_strerror(zmq_errno())),
                 "use a libzmq that was built with CURVE, as Debian's is");
}

void require_curve() {
  if (zmq_has("curve") == 0)
    throw_unsafe("this libzmq was built without CURVE",
                 "use a libzmq that was built with CURVE, as Debian's is");
}

// What listens on every address is reached over loopback.
std::string reachable(std::string endpoint) {
  for (const auto& [any, one] :
       {std::pair{"://[::]:", "://[::1]:"}, std::pair{"://0.0.0.0:", "://127.0.0.1:"}})
    if (const auto at = endpoint.find(any); at != std::string::npos)
      endpoint.replace(at, std::strlen(any), one);
  return endpoint;
}

/// What becomes of a connection, told by ZeroMQ. It must not outlive the socket.
class Outcome {
 public:
  Outcome(zmq::context_t& context, zmq::socket_t& watched)
      : watched_(watched), events_(context, zmq::socket_type::pair) {
    const std::string name = fmt::format("inproc://proof-{}", watched.handle());
    events_.set(zmq::sockopt::linger, 0);
    if (zmq_socket_monitor(watched.handle(), name.c_str(), ZMQ_EVENT_ALL) != 0)
      throw zmq::error_t();
    events_.connect(name);
  }
  ~Outcome() { zmq_socket_monitor(watched_.handle(), nullptr, 0); }
  Outcome(const Outcome&) = delete;
  Outcome& operator=(const Outcome&) = delete;

  /// The first of `wanted` that happens; 0 if none does in time.
  std::uint16_t wait(unsigned wanted, Milliseconds patience) {
    const Deadline deadline(patience);
    while (!deadline.passed()) {
      zmq_pollitem_t item{events_.handle(), 0, ZMQ_POLLIN, 0};
      if (zmq_poll(&item, 1, deadline.left().count()) <= 0) continue;
      zmq::message_t part;
      std::uint16_t event = 0;
      if (!events_.recv(part, zmq::recv_flags::dontwait)) continue;
      std::memcpy(&event, part.data(), sizeof event);
      while (part.more() && events_.recv(part, zmq::recv_flags::dontwait)) {
      }
      if ((event & wanted) != 0) return event;
    }
    return 0;
  }

 private:
  zmq::socket_t& watched_;
  zmq::socket_t events_;
};

}  // namespace

std::string listen_with_curve(zmq::socket_t& socket, const ServerKeys& keys) {
  require_curve();
  Secret secret;
  std::string public_key = read_secret_key(keys.key_file, secret);
  socket.set(zmq::sockopt::curve_server, true);
  set_key(socket, ZMQ_CURVE_SECRETKEY, secret.data());
  socket.set(zmq::sockopt::zap_domain, kZapDomain);
  const int yes = 1;
  if (zmq_setsockopt(socket.handle(), kZapEnforceDomain, &yes, sizeof yes) != 0)
    throw_unsafe("this libzmq cannot be told to let nobody in unasked (ZMQ_ZAP_ENFORCE_DOMAIN)",
                 "use libzmq 4.3");
  return public_key;
}

void connect_with_curve(zmq::socket_t& socket, const ClientKeys& keys) {
  require_curve();
  Secret secret;
  const std::string public_key = read_secret_key(keys.key_file, secret);
  set_key(socket, ZMQ_CURVE_SERVERKEY, read_public_key(keys.server_key_file).c_str());
  set_key(socket, ZMQ_CURVE_PUBLICKEY, public_key.c_str());
  set_key(socket, ZMQ_CURVE_SECRETKEY, secret.data());
}

void prove_strangers_are_refused(Context& context, const std::string& bound,
                                 const std::string& public_key) {
  zmq::socket_t stranger(context.impl().zmq, zmq::socket_type::dealer);
  Secret secret;
  std::array<char, kZ85Bytes + 1> unknown{};
  check(zmq_curve_keypair(unknown.data(), secret.data()) == 0, "libzmq was built with CURVE");
  stranger.set(zmq::sockopt::linger, 0);
  stranger.set(zmq::sockopt::ipv6, true);
  stranger.set(zmq::sockopt::reconnect_ivl, -1);  // one handshake
  set_key(stranger, ZMQ_CURVE_SERVERKEY, public_key.c_str());
  set_key(stranger, ZMQ_CURVE_PUBLICKEY, unknown.data());
  set_key(stranger, ZMQ_CURVE_SECRETKEY, secret.data());
  Outcome outcome(context.impl().zmq, stranger);
  const std::string endpoint = reachable(bound);
  stranger.connect(endpoint);
  constexpr unsigned kRefused = ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  constexpr unsigned kLetIn = ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  const std::uint16_t event = outcome.wait(kRefused | kLetIn, kProofPatience);
  if (event == kRefused) return;
  if (event == kLetIn)
    throw_unsafe(fmt::format("a client with an unknown key was let in at {}", endpoint),
                 "please report this");
  throw_unsafe(
      fmt::format("the proof that unknown keys are refused failed: no answer from {}", endpoint),
      "let this host connect to its own port (loopback up, no firewall in between)");
}

}  // namespace lockstep::wire

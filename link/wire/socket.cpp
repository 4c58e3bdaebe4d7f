#include "link/wire/socket.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <limits>
#include <system_error>
#include <thread>
#include <zmq.hpp>

#include "link/wire/context_impl.hpp"
#include "link/wire/curve.hpp"
#include "link/wire/doorkeeper.hpp"
#include "link/wire/ipc_path.hpp"
#include "link/wire/message.hpp"
#include "model/error.hpp"

namespace lockstep::wire {

namespace {

// Long enough for a peer that swaps; a pulled cable (no FIN) shows within three intervals.
constexpr int kHeartbeatMs = 5'000;
constexpr int kHeartbeatTimeoutMs = 10'000;
constexpr int kHeartbeatTtlMs = 15'000;  // what we ask of the other end
constexpr int kHandshakeMs = 5'000;      // who connects and says nothing is let go
constexpr int kReconnectMs = 100;
constexpr int kReconnectMaxMs = 5'000;  // libzmq adds up to kReconnectMs by chance to each pause
constexpr int kConnectMs = 5'000;       // the system would try for two minutes
constexpr std::chrono::milliseconds kEndMax{500};
constexpr int kBacklog = 512;  // a crowd that says nothing leaves room for the true peer

[[noreturn]] void throw_broken(const std::string& doing, int number) {
  throw Error({.code = "LS-W510",
               .exit = ExitCode::unreachable,
               .what = doing,
               .why = fmt::format("ZeroMQ says: {}", zmq_strerror(number)),
               .data = "nothing of what was not confirmed counts as sent",
               .todo = "check the endpoint, and that no other process listens on it",
               .foreign = fmt::format("errno {}", number),
               .retry = Retry::new_session});
}

void set_common(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(kHeaderBytes + kBodyBytesMax));
  socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
  socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
  socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
  socket.set(zmq::sockopt::heartbeat_ttl, kHeartbeatTtlMs);
  socket.set(zmq::sockopt::ipv6, true);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, 30);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, 5);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
}

/// 0, or the errno of a send that did not happen. Never blocks.
int send_part(zmq::socket_t& socket, const std::string& bytes, int more) {
  for (;;) {
    if (zmq_send(socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT | more) >= 0) return 0;
    if (zmq_errno() != EINTR) return zmq_errno();
  }
}

/// False if nothing is there. Never blocks.
bool receive_part(zmq::socket_t& socket, zmq::message_t& part) {
  for (;;) {
    if (zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT) >= 0) return true;
    if (zmq_errno() == EAGAIN) return false;
    if (zmq_errno() != EINTR) throw_broken("a message cannot be received", zmq_errno());
  }
}

/// The last frame of a message; nothing if more frames follow: then they have been read away.
std::optional<std::string> receive_only_frame(zmq::socket_t& socket, zmq::message_t& part) {
  if (!part.more()) return part.to_string();
  // libzmq hands over a multipart message whole or not at all, so this meets no empty queue.
  while (part.more() && receive_part(socket, part)) {
  }
  return std::nullopt;
}

Woken wait_for(zmq::socket_t& socket, std::span<const int> descriptors,
               std::chrono::milliseconds patience) {
  std::vector<zmq_pollitem_t> items{{socket.handle(), 0, ZMQ_POLLIN, 0}};
  for (const int fd : descriptors)
    if (fd >= 0) items.push_back({nullptr, fd, ZMQ_POLLIN, 0});
  // A negative patience would mean "for ever" to zmq_poll.
  const long patience_ms = std::clamp<long>(patience.count(), 0, std::numeric_limits<int>::max());
  Woken woken{false, std::vector<bool>(descriptors.size(), false)};
  if (zmq_poll(items.data(), static_cast<int>(items.size()), patience_ms) < 0) {
    if (zmq_errno() == EINTR) return woken;
    throw_broken("waiting for a message failed", zmq_errno());
  }
  woken.message = items[0].revents != 0;
  std::size_t item = 1;
  for (std::size_t i = 0; i < descriptors.size(); ++i)
    // An error on a descriptor wakes its owner too: a read will tell what it is.
    if (descriptors[i] >= 0) woken.readable[i] = items[item++].revents != 0;
  return woken;
}

/// Where a message came from; of ipc the user who listened there. Empty if libzmq does not know.
std::string_view peer_of(zmq::message_t& part) {
  const char* const peer = zmq_msg_gets(part.handle(), "Peer-Address");
  return peer == nullptr ? std::string_view() : std::string_view(peer);
}

zmq::socket_t make_socket(zmq::context_t& context, zmq::socket_type type) {
  try {
    return {context, type};
  } catch (const zmq::error_t& error) {
    throw_broken("a socket cannot be made", error.num());
  }
}

}  // namespace

Context::Context() : impl_(std::make_unique<Impl>()) {}

// libzmq's thread looks up names without a limit, and ending the context waits for it: past the
// limit it is left to the end of the process.
Context::~Context() {
  std::packaged_task<void()> end([zmq = std::move(impl_->zmq)]() mutable { zmq.close(); });
  const std::future<void> ended = end.get_future();
  try {
    std::thread(std::move(end)).detach();
    ended.wait_for(kEndMax);
  } catch (const std::system_error&) {  // no thread: it ended here, with `end`
  }
}

struct Router::Impl {
  std::unique_ptr<Doorkeeper> doorkeeper;  // before the socket, and outlives it
  std::optional<IpcListener> ipc;          // likewise: libzmq closes its descriptor
  zmq::socket_t socket;
  std::uint64_t dropped = 0;
};

Router::Router(Context& context, const std::string& endpoint, const std::optional<ServerKeys>& keys)
    : impl_(std::make_unique<Impl>()) {
  try {
    if (keys) impl_->doorkeeper = std::make_unique<Doorkeeper>(context, keys->allow);
    impl_->socket = make_socket(context.impl().zmq, zmq::socket_type::router);
    zmq::socket_t& socket = impl_->socket;
    set_common(socket);
    socket.set(zmq::sockopt::backlog, kBacklog);
    socket.set(zmq::sockopt::router_mandatory, true);
    socket.set(zmq::sockopt::router_handover, false);  // nobody takes over a peer's name
    socket.set(zmq::sockopt::sndhwm, kRowQueueMessagesMax);
    socket.set(zmq::sockopt::rcvhwm, kRequestQueueMessagesMax);
    std::string public_key;
    if (keys) public_key = listen_with_curve(socket, *keys);
    if (const std::string path = ipc_path(endpoint); !path.empty()) {
      impl_->ipc.emplace(path);
      socket.set(zmq::sockopt::use_fd, impl_->ipc->release());
    }
    socket.bind(endpoint);
    if (!keys) return;
    prove_strangers_are_refused(context, socket.get(zmq::sockopt::last_endpoint), public_key);
    impl_->doorkeeper->forget_refusals();
  } catch (const zmq::error_t& error) {
    throw_broken(fmt::format("cannot listen on {}", endpoint), error.num());
  }
}

Router::~Router() = default;

Router::Sent Router::send(const std::string& peer, const std::string& frame) {
  // With ROUTER_MANDATORY the peer's name is what fails; the frame behind it then always finds
  // room.
  int number = send_part(impl_->socket, peer, ZMQ_SNDMORE);
  if (number == 0) number = send_part(impl_->socket, frame, 0);
  if (number == 0) return Sent::yes;
  if (number == EAGAIN) return Sent::queue_full;
  if (number == EHOSTUNREACH) return Sent::peer_gone;
  throw_broken("a message cannot be sent", number);
}

std::optional<Received> Router::receive() {
  zmq::message_t part;
  if (!receive_part(impl_->socket, part)) return std::nullopt;
  Received received{part.to_string(), {}};
  check(part.more(), "a ROUTER puts the peer's name before the message");
  if (!receive_part(impl_->socket, part)) return std::nullopt;
  auto frame = receive_only_frame(impl_->socket, part);
  if (!frame) {
    ++impl_->dropped;
    return std::nullopt;
  }
  received.frame = *std::move(frame);
  return received;
}

std::uint64_t Router::dropped() const {
  return impl_->dropped;
}

Refusals Router::refusals() const {
  return impl_->doorkeeper ? impl_->doorkeeper->refusals() : Refusals{};
}

Woken Router::wait(std::span<const int> descriptors, std::chrono::milliseconds patience) {
  return wait_for(impl_->socket, descriptors, patience);
}

struct Dealer::Impl {
  zmq::context_t& context;
  std::string endpoint;
  std::string path;  // of ipc, else empty
  std::optional<ClientKeys> keys;
  zmq::socket_t socket;
};

Dealer::Dealer(Context& context, const std::string& endpoint, const std::optional<ClientKeys>& keys)
    : impl_(std::make_unique<Impl>(
          Impl{context.impl().zmq, endpoint, ipc_path(endpoint), keys, {}})) {
  reopen();
}

Dealer::~Dealer() = default;

void Dealer::reopen() {
  if (!impl_->path.empty()) refuse_foreign_listener(impl_->path);
  zmq::socket_t socket = make_socket(impl_->context, zmq::socket_type::dealer);
  try {
    set_common(socket);
    socket.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
    socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
    socket.set(zmq::sockopt::sndhwm, kRequestQueueMessagesMax);
    socket.set(zmq::sockopt::rcvhwm, kRowQueueMessagesMax);
    socket.set(zmq::sockopt::connect_timeout, kConnectMs);
    // What waits for a connection that may never come would arrive in a session long after its own.
    if (impl_->endpoint.starts_with("tcp:")) socket.set(zmq::sockopt::immediate, true);
    if (impl_->keys) connect_with_curve(socket, *impl_->keys);
    socket.connect(impl_->endpoint);
  } catch (const zmq::error_t& error) {
    throw_broken(fmt::format("cannot connect to {}", impl_->endpoint), error.num());
  }
  impl_->socket = std::move(socket);
}

bool Dealer::send(const std::string& frame) {
  const int number = send_part(impl_->socket, frame, 0);
  if (number == 0) return true;
  if (number == EAGAIN) return false;
  throw_broken("a message cannot be sent", number);
}

std::optional<std::string> Dealer::receive() {
  zmq::message_t part;
  if (!receive_part(impl_->socket, part)) return std::nullopt;
  // libzmq connects again by itself, whoever listens there by then: each message is looked at.
  if (!impl_->path.empty()) refuse_foreign_peer(impl_->path, peer_of(part));
  return receive_only_frame(impl_->socket, part);
}

Woken Dealer::wait(std::span<const int> descriptors, std::chrono::milliseconds patience) {
  return wait_for(impl_->socket, descriptors, patience);
}

}  // namespace lockstep::wire

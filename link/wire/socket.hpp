// Owns the ZeroMQ context and sockets. <zmq.hpp> is included in this folder's sources only.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "link/wire/keys.hpp"

namespace lockstep::wire {

/// How many messages a socket queues (HWM), per peer. Rows flow on credit, so an honest peer never
/// gets there: a credit window must grant fewer messages than kRowQueueMessagesMax, with a few to
/// spare for what needs no credit. It bounds what a hostile capture can pile up at apply to 256 x 4
/// MiB, and costs an idle socket nothing.
inline constexpr int kRowQueueMessagesMax = 256;
/// Apply asks and acknowledges: a few small messages per batch.
inline constexpr int kRequestQueueMessagesMax = 64;

/// One per process, for its whole life (libzmq 4.3.4 with libsodium: ending one context can crash
/// another, D17). Create it before any socket, destroy it after all of them. Never fork while one
/// exists.
class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  struct Impl;
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A frame and, on a Router, who sent it.
struct Received {
  std::string peer;
  std::string frame;
};

/// What woke a wait().
struct Woken {
  bool message = false;        ///< the socket has something to receive
  std::vector<bool> readable;  ///< one per descriptor given
};

/// Who was turned away, and what for.
struct Refusals {
  std::uint64_t count = 0;
  std::string last;  ///< ADDRESS: why; empty if nobody was
};

/// The capturing end: binds, answers peers by name. ROUTER with ROUTER_MANDATORY (an unknown peer
/// or a full queue is an answer, never a silent drop), LINGER 0, MAXMSGSIZE set, never in two
/// threads.
class Router {
 public:
  /// An ipc endpoint can be connected to by our own user only, and what is at its path stays unless
  /// it is a dead socket of ours (link/wire/ipc_path.hpp). With `keys` (needed for tcp) CURVE is
  /// on, and before this returns a client with a fresh key has been refused over the very endpoint.
  /// Throws LS-W510 (cannot listen), LS-W512 (no CURVE here, or the stranger was not refused),
  /// LS-W516 and W517 (something else is at the path, somebody listens there), LS-C122 to C124 (key
  /// files).
  Router(Context& context, const std::string& endpoint,
         const std::optional<ServerKeys>& keys = std::nullopt);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  enum class Sent { yes, queue_full, peer_gone };
  /// Never blocks.
  [[nodiscard]] Sent send(const std::string& peer, const std::string& frame);
  /// Never blocks. A multipart message is dropped whole and counted; then the answer is nothing,
  /// and a wait() tells whether there is more.
  [[nodiscard]] std::optional<Received> receive();
  [[nodiscard]] std::uint64_t dropped() const;
  /// Clients whose key is not allowed; none without keys.
  [[nodiscard]] Refusals refusals() const;
  /// Waits for a message or for one of `descriptors` (-1 entries are ignored) to become readable.
  [[nodiscard]] Woken wait(std::span<const int> descriptors, std::chrono::milliseconds patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The applying end: connects, asks. DEALER with LINGER 0, MAXMSGSIZE set, never in two threads.
class Dealer {
 public:
  /// With `keys` CURVE is on, and no other server than the one named there is talked to. Over ipc
  /// the socket is our user's or root's, else LS-W518.
  Dealer(Context& context, const std::string& endpoint,
         const std::optional<ClientKeys>& keys = std::nullopt);
  ~Dealer();
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  /// Another socket for the same endpoint; what was under way is gone. libzmq's own reconnecting
  /// ends for good when what came was no ZMTP or failed CURVE's check: so a new session takes a new
  /// one. Throws as the constructor.
  void reopen();
  /// False if the queue is full or, over tcp, nobody is connected. Never blocks.
  [[nodiscard]] bool send(const std::string& frame);
  /// Never blocks. A multipart message is dropped as the Router does. Throws LS-W518 if over ipc
  /// another user's process answers.
  [[nodiscard]] std::optional<std::string> receive();
  [[nodiscard]] Woken wait(std::span<const int> descriptors, std::chrono::milliseconds patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::wire

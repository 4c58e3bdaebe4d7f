// Decides which public keys may connect: ZeroMQ's authentication protocol (ZAP, RFC 27). Deny by
// default.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "link/wire/socket.hpp"

namespace lockstep::wire {

/// The domain that a listening CURVE socket names; with ZMQ_ZAP_ENFORCE_DOMAIN nobody gets in
/// without us: CURVE alone would let in every key (D15).
inline constexpr char kZapDomain[] = "lockstep";

/// One per context, made before the socket that it guards, destroyed after it. It has a thread of
/// its own, `zap-0`.
class Doorkeeper {
 public:
  /// `allow` as ServerKeys has it; if it cannot be read at a handshake, nobody is let in.
  Doorkeeper(Context& context, std::string allow);
  ~Doorkeeper();
  Doorkeeper(const Doorkeeper&) = delete;
  Doorkeeper& operator=(const Doorkeeper&) = delete;

  /// Any thread. Who was turned away since the start (the caller's own self-test not counted), and
  /// the last one's address and why.
  [[nodiscard]] Refusals refusals() const;
  /// Counting starts here.
  void forget_refusals();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::wire

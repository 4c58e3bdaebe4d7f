// CURVE on a socket, and the proof that it holds. For the sources of this folder only.
#pragma once

#include <string>
#include <zmq.hpp>

#include "link/wire/keys.hpp"
#include "link/wire/socket.hpp"

namespace lockstep::wire {

/// Before bind. Returns the public key (Z85). The secret stays in libzmq alone.
std::string listen_with_curve(zmq::socket_t& socket, const ServerKeys& keys);

/// Before connect.
void connect_with_curve(zmq::socket_t& socket, const ClientKeys& keys);

/// Connects to `bound` (what ZMQ_LAST_ENDPOINT says) with a key that nobody knows, and throws
/// LS-W512 unless it is refused as unknown: CURVE without a ZAP handler lets everybody in (D15).
void prove_strangers_are_refused(Context& context, const std::string& bound,
                                 const std::string& public_key);

}  // namespace lockstep::wire

// Where capture listens and apply connects.
#pragma once

#include <string>

namespace lockstep::ops {

/// Returns what ZeroMQ takes. Throws LS-C120 (exit 2) for anything but ipc://PATH with a path that
/// a Unix socket can have: other transports need keys, which lockstep does not have yet.
[[nodiscard]] std::string checked_endpoint(const std::string& typed);

}  // namespace lockstep::ops

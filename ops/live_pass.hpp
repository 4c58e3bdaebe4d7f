// A pass of verification by the lockstep that follows the source, asked for from outside.
#pragma once

#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "ops/screen.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

/// From the request to its end, with progress on the screen; `path` is the source's. Errors:
/// LS-V503 nobody takes it up (it is withdrawn), LS-V507 it failed, LS-V512 it
/// cannot go back so far. A pass that failed because of single tables comes back: they say why.
[[nodiscard]] verify::Pass run_live_pass(const std::string& path, postgres::Connection& target,
                                         const std::string& migration,
                                         const verify::PassRequest& request, Screen& screen);

/// LS-V503, with what the lockstep of the source at `path` says of itself.
[[noreturn]] void throw_nobody_follows(const std::string& path);

}  // namespace lockstep::ops

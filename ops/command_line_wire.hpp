// The options of the commands that talk to another host.
#pragma once

#include <CLI/CLI.hpp>

#include "ops/commands.hpp"

namespace lockstep::ops {

/// --listen, --key, --allow.
void add_listen(CLI::App& capture, TypedEndpoint& typed);
/// --connect, --key, --server-key.
void add_connect(CLI::App& apply, TypedEndpoint& typed);
/// `keys generate FILE` and `keys show FILE`; what was chosen is in `request` when `chosen` is
/// called.
void add_keys(CLI::App& app, KeysRequest& request, const std::function<void()>& chosen);

}  // namespace lockstep::ops

// The flags of `lockstep quarantine`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "model/error.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

/// Adds the command to `app`; when it is given, `chosen` becomes what it does. `json` gets its
/// --json. All three have to outlive the parsing and the run.
void add_quarantine(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen);

}  // namespace lockstep::ops

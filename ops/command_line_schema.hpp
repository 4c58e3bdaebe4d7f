// The flags of `lockstep schema`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "model/error.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

/// As add_roles().
void add_schema(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen_command);

}  // namespace lockstep::ops

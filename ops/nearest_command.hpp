// "Did you mean": the command that a person probably wanted to type.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace lockstep::ops {

/// The name of the command of `app` that is nearest to what was typed; empty if none is near.
[[nodiscard]] std::string nearest_command(const CLI::App& app, const std::string& typed);

}  // namespace lockstep::ops

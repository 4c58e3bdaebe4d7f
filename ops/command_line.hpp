// The command line: names, flags and help of every command, as one table of CLI11 subcommands.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/error.hpp"
#include "ops/screen.hpp"
#include "ops/signals.hpp"

namespace lockstep::ops {

/// Parses and runs. Errors are printed; the exit code is the process's. Arguments as main() got
/// them.
[[nodiscard]] int run_command_line(int argc, char** argv, Signals& signals);

}  // namespace lockstep::ops

// cutover, rollback and route on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "ops/command_line_arguments.hpp"
#include "ops/screen.hpp"
#include "ops/signals.hpp"

namespace lockstep::ops {

/// `add_sides` gives a command SOURCE, TARGET and the flags that all have; `stops_by_itself` is set
/// by what asks for signals.
void add_switch(CLI::App& app, Arguments& arguments, Signals& signals,
                const std::function<void(CLI::App&)>& add_sides,
                std::function<ExitCode(Screen&)>& chosen, bool& stops_by_itself);

}  // namespace lockstep::ops

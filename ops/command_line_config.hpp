// The configuration file on the command line, and the commands assess and config.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "apply/hooks.hpp"
#include "config/settings.hpp"
#include "ops/commands.hpp"

namespace lockstep::ops {

/// The file named by --config or else by LOCKSTEP_CONFIG; empty settings if there is none.
[[nodiscard]] config::Settings settings_for(const std::string& config_flag, Screen& screen);

/// What is to be run on the target.
[[nodiscard]] apply::Hooks hooks_of(const config::Settings& settings);

/// LS-C100 for a duration that is none.
[[nodiscard]] ContinuousPasses continuous_of(const config::Settings& settings);

void add_config_flag(CLI::App& command, std::string& file);

/// `chosen` is told which command was typed.
void add_config(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen);

/// The flags of assess that no other command has.
void add_assess_flags(CLI::App& assess, AssessRequest& request);

}  // namespace lockstep::ops

// The configuration file as commands use it: safe to read, without mistakes, paths resolved.
#pragma once

#include <string>

#include "config/load.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

/// Throws LS-C130 with every mistake, LS-C131 if others could have written the file, LS-C103 (exit
/// 2) if it holds a password and others can read it. One that only its owner can read is warned of.
[[nodiscard]] config::Loaded load_config(const std::string& path, Screen& screen);

}  // namespace lockstep::ops

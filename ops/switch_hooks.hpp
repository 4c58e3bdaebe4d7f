// Programs of the user that run around a switch: every executable file of a folder, in the order of
// their names, like run-parts.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace lockstep::ops {

struct HookRun {
  std::string program;
  int exit_code = 0;  ///< 128 and more: it was ended by a signal, or could not be started
};

/// Runs what is in `folder` (nothing if there is no such folder) with these variables beside our
/// own environment; its output goes to stderr. Stops at the first that fails, if `stop_at_failure`.
std::vector<HookRun> run_hooks(const std::string& folder,
                               const std::map<std::string, std::string>& variables,
                               bool stop_at_failure);

/// One program with its arguments, likewise. Its exit code.
int run_program(const std::vector<std::string>& words,
                const std::map<std::string, std::string>& variables);

}  // namespace lockstep::ops

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

/// Throws Error LS-X660 (exit 3) if `hooks`, its folder `name` or a program in it could have been
/// written by others than our user and root: it would run with our rights. Nothing if there is
/// none.
void refuse_foreign_hooks(const std::string& hooks, const std::string& name);

/// Runs what is in the folder `name` of `hooks` (nothing if there is none) with these variables
/// beside our own environment; its output goes to stderr. Stops at the first that fails, if
/// `stop_at_failure`. Throws as refuse_foreign_hooks(), before the first of them.
std::vector<HookRun> run_hooks(const std::string& hooks, const std::string& name,
                               const std::map<std::string, std::string>& variables,
                               bool stop_at_failure);

/// One program with its arguments, likewise. Its exit code.
int run_program(const std::vector<std::string>& words,
                const std::map<std::string, std::string>& variables);

}  // namespace lockstep::ops

// What keeps a process that knows a password to itself.
#pragma once

#include <sys/types.h>

namespace lockstep::ops {

/// No core dump, no ptrace and no /proc/PID/environ for other processes of the same user; files
/// that are made from here on are the owner's alone, whatever the umask of the shell. To be called
/// before any thread and before a password is read.
void harden_process() noexcept;

/// The umask that harden_process() found: for programs that are started instead of ours.
[[nodiscard]] mode_t former_umask() noexcept;

/// Overwrites passwords in the process's own copy of its arguments: else they stay readable for
/// everybody in the process list.
void hide_secrets(int argc, char** argv);

}  // namespace lockstep::ops

// Preparing again after a failure that a second try can mend: the server ended a statement or a
// session in the middle of it.
#pragma once

#include <functional>
#include <string>

#include "model/error.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

/// What an attempt to prepare leaves to the next one.
struct Attempt {
  bool connected = false;  ///< this attempt had a session on the target
  int own_backend = 0;     ///< of the newest session; it may keep our lock
};

/// Whether to prepare again: after a statement that was cancelled, a deadlock, a lock that was not
/// to be had; and after a session or a commit that was lost, but not where there was no session at
/// all: a server that cannot be reached ends a start. Pure.
[[nodiscard]] bool may_prepare_again(const Error& error, bool connected);

/// Calls `prepare` until it returns; throws what no other try can mend. Between two attempts it
/// tells `wait` why, and pauses, longer each time (up to 5 s). A signal ends the pause as it ends
/// the process. The screen says nothing a second time. `begun`: this process has followed already,
/// so whatever a new session may mend is waited for, a server that cannot be reached as well.
void prepare_again_and_again(const std::function<void(Attempt&)>& prepare,
                             const std::function<void(const Error&)>& wait, Screen& screen,
                             bool begun = false);

/// What a person at the terminal is told meanwhile. Pure.
[[nodiscard]] std::string waiting_note(const Error& error);

}  // namespace lockstep::ops

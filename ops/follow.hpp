// What the commands that follow have in common: the source's lock, the published status, the loop
// of the main thread, and how it ended.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "link/sqlite/lock_file.hpp"
#include "ops/board.hpp"
#include "ops/screen.hpp"
#include "ops/signals.hpp"

namespace lockstep::ops {

/// Throws LS-R701 if another lockstep follows the source, LS-S314 if hosts share its file system;
/// where nobody can tell, that is noted.
[[nodiscard]] sqlite::LockFile take_source(const std::string& path, Screen& screen);

/// Beside the source, for `lockstep status`. A full disk there is noted once and ends nothing.
void publish(sqlite::LockFile& lock, const Status& status, Screen& screen);

[[nodiscard]] Status starting_status(const std::string& path);

/// Why the main loop ended.
struct Ending {
  std::optional<int> signal;
  std::optional<Error> failure;
  bool caught_up = false;
  bool turned = false;  ///< the writers have moved: changes travel the other way now
};

/// Shows the board and publishes it (`lock` may be nullptr) until a signal, an error, catching up,
/// or until `turned`, asked each time, says so.
[[nodiscard]] Ending watch(bool until_caught_up, Board& board, sqlite::LockFile* lock,
                           Screen& screen, Signals& signals,
                           const std::function<bool()>& turned = {});

/// "3 rows in quarantine, 1 of them skipped"; empty if there are none.
[[nodiscard]] std::string quarantine_text(const Status& status);

/// Caught up with rows in quarantine, skipped or not, is `waived`.
[[nodiscard]] ExitCode exit_code(const Ending& ending, const Status& status);

}  // namespace lockstep::ops

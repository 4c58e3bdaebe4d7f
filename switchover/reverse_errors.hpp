// What can stop the way back, by name.
#pragma once

#include <string>
#include <vector>

#include "model/error.hpp"
#include "model/target_identity.hpp"
#include "switchover/reverse_position.hpp"

namespace lockstep::switchover {

/// LS-X610: the roles are such that nothing goes back. Ask again.
[[nodiscard]] Error no_way_back_now(std::string why);
/// LS-X611
[[nodiscard]] Error another_history(std::string why, const ReversePosition& here,
                                    const ReversePosition& there);
/// LS-X612
[[nodiscard]] Error another_server(const TargetIdentity& known, const TargetIdentity& seen);
/// LS-X613
[[nodiscard]] Error columns_changed(const std::vector<std::string>& changes);
/// LS-X614: whoever took the triggers of the log away does it once more.
[[nodiscard]] Error triggers_gone(const std::string& table);
/// LS-X670: no reading anew takes rows out of SQLite that nobody else has.
[[nodiscard]] Error quarantine_renumbered(const std::string& table);
/// LS-X615
[[nodiscard]] Error others_are_quicker(int attempts);
/// LS-X616
[[nodiscard]] Error table_is_locked(std::string why);

}  // namespace lockstep::switchover

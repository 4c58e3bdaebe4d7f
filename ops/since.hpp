// The position of `verify --since`: whether it is one of this source's, and what it can be asked
// for.
#pragma once

#include <optional>
#include <string>

#include "link/sqlite/database.hpp"
#include "model/position.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

/// Nothing if `text` is empty. Errors: LS-C100 it is no position; LS-V513 it is none of this
/// source: of another migration or file, or newer than its last change. A change that was pruned
/// cannot be told from another one of its number.
[[nodiscard]] std::optional<Position> since_position(sqlite::Database& source, const Era& era,
                                                     const std::string& text);

/// LS-V512: the lockstep that follows does not remember that much.
[[noreturn]] void throw_cannot_go_back(const Position& since, const Position& from);
/// LS-V515: after a cutover.
[[noreturn]] void throw_since_is_forward();

}  // namespace lockstep::ops

// What the server says it wrote, against what was sent: the second net behind
// link/postgres/meddling.
#pragma once

#include <cstdint>
#include <string>

#include "model/error.hpp"

namespace lockstep::apply {

/// Whether the batch with the missing rows is on the target already.
enum class Kept { nothing, batch };

inline constexpr char kOtherRows[] = "LS-T256";

/// LS-T256 (exit 7). `where`: the table, empty: several.
[[nodiscard]] Error other_rows_written(const std::string& where, std::int64_t sent,
                                       std::int64_t written, Kept kept);

}  // namespace lockstep::apply

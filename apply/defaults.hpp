// SQLite's DEFAULT as PostgreSQL's. Pure.
#pragma once

#include "apply/translate.hpp"

namespace lockstep::apply {

/// What PostgreSQL puts into the column where SQLite would: the same value after SQLite's affinity,
/// and for the current time the same text. Without a default, or with NULL, neither sql nor why.
[[nodiscard]] Translation translate_default(const TablePlan& plan, std::size_t column);

}  // namespace lockstep::apply

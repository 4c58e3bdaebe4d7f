// A row that waits in quarantine, from its entry. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "model/held_row.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::wire {

/// `entry` is present and whole; the value of `column` does not fit, for `reason`.
[[nodiscard]] HeldRow held_row(const TablePlan& plan, const EntryView& entry, std::size_t column,
                               std::string reason);

/// encode_key() of the entry's key.
[[nodiscard]] std::string encode_key_of(const TablePlan& plan, const EntryView& entry);

}  // namespace lockstep::wire

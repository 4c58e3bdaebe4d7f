// The key of a row on its way. Pure.
#pragma once

#include <vector>

#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep {

/// Key values in key order, of a present entry as of an absent one; views into the entry. -0.0 is
/// 0.0, as for both engines: one key. Fewer values if the entry is not whole.
[[nodiscard]] std::vector<ValueView> key_of(const TablePlan& plan, const EntryView& entry);

}  // namespace lockstep

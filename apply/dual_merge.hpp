// The rows of a batch into a table that the application writes on both sides.
#pragma once

#include <cstdint>
#include <string>

#include "apply/dual_write.hpp"
#include "link/postgres/connection.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

enum class DualWay {
  in_place,  ///< rows are added, deleted, updated
  anew,      ///< what is to be written goes, then comes: two rows may exchange a unique value
};

/// Staging to target, inside of the batch's transaction; staging holds each key once. `whole`: it
/// holds every row. Reads committed rows, so whatever the application commits meanwhile comes
/// before or behind this, row by row. Throws LS-X650 (policy `fail`, Retry::new_session: the
/// application may be between its two writes), LS-X651 (`anew` meets a unique value under another
/// key, likewise), or what the server says; 23505 of `in_place` is for `anew` to mend.
/// Returns how many conflicts it met; they are counted in lockstep.dual_writes as well.
std::int64_t merge_dual(postgres::Connection& connection, const std::string& schema,
                        const TablePlan& plan, const DualTable& table, bool whole, DualWay way);

}  // namespace lockstep::apply

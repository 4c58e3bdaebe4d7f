// Every value is checked again while it is applied: what the census saw may have changed since.
// Pure.
#pragma once

#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::postgres {

/// Throws LS-D401 naming table, key and column if a value does not fit its column's type, LS-D412
/// if a key is NULL, LS-D413 if a key
/// or row is larger than PostgreSQL can keep, LS-W501 if the entry has another number of values
/// than it should. Nothing is ever converted.
void check_entry(const TablePlan& plan, const EntryView& entry);

/// False if the target cannot have a row with the key of this absent entry, because a key value is
/// NULL or does not fit its column: such a row was written and deleted again, and there is nothing
/// to delete.
[[nodiscard]] bool key_fits(const TablePlan& plan, const EntryView& absent);

}  // namespace lockstep::postgres

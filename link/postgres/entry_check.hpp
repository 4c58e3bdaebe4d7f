// Every value is checked again while it is applied: what the census saw may have changed since.
// Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::postgres {

/// The first value of a row that does not fit its column's type.
struct BadValue {
  std::size_t column = 0;
  std::string reason;
};

/// Nothing if every value fits. If some do not and all of their columns choose quarantine, the
/// first of them: the row has to wait there. Throws LS-D401 naming table, key and column if one of
/// the columns does not, LS-D412 if a key is NULL, LS-D413 if a key or row is larger than
/// PostgreSQL can keep, LS-W501 if the entry has another number of values than it should. Nothing
/// is ever converted. Throws LS-D421 if such a column's owner lets it become text, and the value
/// has a text of its own: capture is to be asked for that, and the batch read again.
[[nodiscard]] std::optional<BadValue> check_entry(const TablePlan& plan, const EntryView& entry);

/// Why a value, which its column's rule has been through, cannot be in that column; empty: it can.
/// For a plan that has its types.
[[nodiscard]] std::string why_unfit(const TablePlan& plan, std::size_t column,
                                    const ValueView& value);

/// False if the value, which its column's rule has been through, cannot be in that column.
[[nodiscard]] bool value_fits(const TablePlan& plan, std::size_t column, const ValueView& value);

/// False if the target cannot have a row with the key of this absent entry, because a key value is
/// NULL or does not fit its column: such a row was written and deleted again, and there is nothing
/// to delete.
[[nodiscard]] bool key_fits(const TablePlan& plan, const EntryView& absent);

}  // namespace lockstep::postgres

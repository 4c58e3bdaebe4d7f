// The conditions by which probes find the victims of REPLACE, for one table shape. Pure.
//
// Per unique index: the existing row has the terms that the proposed row is about to have. Columns
// are compared as the index compares them; an expression is computed over the proposed row, as
// (e) = (SELECT (e) FROM (SELECT NEW."a" AS "a", ..)); a partial index adds its predicate over the
// existing row, which finds too much rather than too little.
#pragma once

#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::capture {

enum class ProbeEvent { insert, update };

struct Probe {
  std::string condition;  ///< of the existing row, with NEW and OLD as in the trigger
  /// An index whose terms are constants holds one row at most, and SQLite scans it: the line of its
  /// plan names this index, or (empty, `single_row`) reads a table of one row.
  std::string scanned_index;
  bool single_row = false;
};

/// Everything that has to be asked before a row is inserted or updated; empty: REPLACE has no
/// victims that an AFTER trigger does not see.
[[nodiscard]] std::vector<Probe> probes(const TableShape& shape, ProbeEvent event);

/// Why victims through some unique index cannot be found, one sentence each.
[[nodiscard]] std::vector<std::string> probe_problems(const TableShape& shape);

/// The table in the FROM of a probe. One that is called new or old gets another name there.
[[nodiscard]] std::string probed_table(const TableShape& shape);

/// What a key column will hold after the UPDATE, in a BEFORE trigger.
[[nodiscard]] std::string new_key_value(const TableShape& shape, std::size_t column);

/// True if two keys that are equal for the key's index are equal byte for byte. Not so for NOCASE
/// and RTRIM (an INTEGER column can hold texts), nor for columns without affinity, where 1 = 1.0:
/// there the key's own index has victims too.
[[nodiscard]] bool key_is_exact(const TableShape& shape);

}  // namespace lockstep::capture

// What a table declares besides columns and keys, and no trigger depends on: CHECKs, DEFAULTs, and
// what is computed. The fingerprint knows nothing of them, for plans have them in the text of
// CREATE TABLE. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::capture {

/// Of the columns that both have: a sentence for each CHECK or DEFAULT that is another one now.
[[nodiscard]] std::vector<std::string> declared_otherwise(const TableShape& before,
                                                          const TableShape& now);

/// The DEFAULTs among them. Where one stands in for what rows lack that are older than its column,
/// these rows have another value now.
[[nodiscard]] std::vector<std::string> defaults_otherwise(const TableShape& before,
                                                          const TableShape& now);

/// What fingerprints leave out, for old plans lack it: a sentence for each generated column that is
/// computed by another expression, and each index that is not UNIQUE with other expressions or
/// another WHERE.
[[nodiscard]] std::vector<std::string> computed_otherwise(const TableShape& before,
                                                          const TableShape& now);

/// `shape` with CHECKs and DEFAULTs of `now`, which has the same columns.
[[nodiscard]] TableShape with_declarations(TableShape shape, const TableShape& now);

}  // namespace lockstep::capture

// What a table declares besides columns and keys, and no trigger depends on: CHECKs and DEFAULTs.
// The fingerprint knows nothing of them, for plans have them in the text of CREATE TABLE. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::capture {

/// Of the columns that both have: a sentence for each CHECK or DEFAULT that is another one now.
[[nodiscard]] std::vector<std::string> declared_otherwise(const TableShape& before,
                                                          const TableShape& now);

/// `shape` with CHECKs and DEFAULTs of `now`, which has the same columns.
[[nodiscard]] TableShape with_declarations(TableShape shape, const TableShape& now);

}  // namespace lockstep::capture

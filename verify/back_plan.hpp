// What a comparison after a cutover can compare. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::verify {

/// Names of generated columns that SQLite computes and PostgreSQL only holds: on the way there its
/// values were carried; after the cutover nobody computes them on PostgreSQL, and what is there
/// cannot be written into SQLite.
[[nodiscard]] std::vector<std::string> not_comparable_back(const TablePlan& plan);

/// The plan without these columns. For comparisons only: nothing is applied by it.
[[nodiscard]] TablePlan comparable_back(TablePlan plan);

}  // namespace lockstep::verify

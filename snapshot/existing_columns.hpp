// The columns of a table that is on the target already: which of the source's go into which, by
// what type they travel, and what of their values does not fit. Pure.
#pragma once

#include "model/existing_target.hpp"
#include "model/type_map.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::snapshot {

/// Gives the plan one type, spelling and existing column for each column of its shape, and one of
/// `existing->added` for each column that a rule adds; a problem (LS-T221) or warning (LS-T220) for
/// what does not fit. The plan has its shape and its rules, and `existing` without columns.
void meet_columns(Planned& planned, const TableCensus& census, const CatalogTable& there);

/// Keeps the rows from going in: LS-T221.
void blocks(Planned& planned, const std::string& what);
/// A difference that does not: LS-T220.
void tells(Planned& planned, std::string what);

}  // namespace lockstep::snapshot

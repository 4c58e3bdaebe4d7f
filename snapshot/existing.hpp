// The plan of a table that is on the target already: its types win where every value fits. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/existing_target.hpp"
#include "model/shape.hpp"
#include "model/type_map.hpp"
#include "snapshot/plan.hpp"

namespace lockstep::snapshot {

/// `census` was taken with the target_types() of `there` and the same `rules`: columns meet by the
/// names that these give them, and what a rule makes of a value has to fit. What keeps the rows
/// from going in is among the problems (LS-T221, partitions LS-T208), other differences are
/// warnings (LS-T220). `silent`: our sessions may set session_replication_role, so that neither
/// triggers nor foreign keys of the target act.
[[nodiscard]] Planned plan_existing(std::uint32_t id, const TableShape& shape,
                                    const TableCensus& census, std::int64_t sequence,
                                    const CatalogTable& there, bool silent,
                                    const TableRules& rules = {});

/// Whole unique keys of `there` that the source does not keep: rows may be two here and one there.
[[nodiscard]] std::vector<std::vector<std::string>> unproven_keys(const TablePlan& plan,
                                                                  const CatalogTable& there);

}  // namespace lockstep::snapshot

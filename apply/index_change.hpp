// Indexes and constraints that come, go, or are called otherwise. Pure.
#pragma once

#include <string>

#include "apply/plan_change.hpp"
#include "apply/target_schema.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// Adds to `change` what makes of the keys of `before` those of `now`, where copied tables have
/// their keys. `plan` is the table's new one.
void change_indexes(const std::string& schema, const KeyStatements& before,
                    const KeyStatements& now, const TablePlan& plan, PlanChange& change);

}  // namespace lockstep::apply

// By which index an upsert finds its row: the one that tells the plan's keys apart, and none beside
// it. Pure.
#pragma once

#include <string>

#include "model/shape.hpp"

namespace lockstep::apply {

/// " ON CONFLICT (key)", with the collation that tables of ours have.
[[nodiscard]] std::string conflict_target(const TablePlan& plan);

/// A condition for DO UPDATE, empty where none is needed: that the row found, which is called `row`
/// there, has the very key; the statement fails (22P02) if another index took two keys for one.
[[nodiscard]] std::string same_key_or_error(const TablePlan& plan, const std::string& row);

/// " ON CONFLICT (key) ..." that leaves the row which is there, under the same condition.
[[nodiscard]] std::string keep_row(const TablePlan& plan, const std::string& row);

}  // namespace lockstep::apply

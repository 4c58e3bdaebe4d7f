// Columns that a foreign key joins: one type on both sides. Pure.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::snapshot {

/// Columns that have no values, by plan and column.
using Valueless = std::set<std::pair<std::size_t, std::size_t>>;

/// What a column became because of its partner.
struct Joined {
  std::size_t plan = 0, column = 0;
  std::string reason;
};

/// PostgreSQL compares uuid with uuid and text with text: a column without values takes its
/// partner's type, of two others both take the wider one (text before uuid, bigint before boolean).
/// Tables that were on the target, and columns with a rule, stay as they are; so do plans below
/// `first`, which are in force already: what is joined with them takes their type or differs.
std::vector<Joined> join_partners(std::vector<TablePlan>& plans, Valueless valueless,
                                  std::size_t first = 0);

}  // namespace lockstep::snapshot

// Frameworks, told by the tables in which they keep their own state. Pure, but for
// integers_in().
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/shape.hpp"
#include "snapshot/undecided.hpp"

namespace lockstep::ops {

struct Frameworks {
  bool django = false, rails = false, alembic = false, prisma = false;
};

[[nodiscard]] Frameworks frameworks_of(const std::vector<sqlite::TableName>& all);

/// One sentence each, for people.
[[nodiscard]] std::vector<std::string> sentences_of(const Frameworks& found);

/// How they store what a declaration alone does not say.
[[nodiscard]] snapshot::Customs customs_of(const Frameworks& found);
/// What integers are in a column that is declared as an instant.
[[nodiscard]] Integers integers_of(const Frameworks& found);
[[nodiscard]] Integers integers_in(sqlite::Database& database);

}  // namespace lockstep::ops

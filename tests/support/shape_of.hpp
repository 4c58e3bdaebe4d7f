// The shape and the plan of a table, from its SQL, read by the product from a real file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "link/sqlite/shape.hpp"
#include "tests/support/application.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {

inline TableShape shape_of(const std::string& sql, const std::string& table = "t") {
  const TempDir folder;
  Application app(folder.file("shape"));
  app.exec(sql);
  sqlite::Database database =
      sqlite::Database::open(folder.file("shape"), sqlite::OpenMode::read_only);
  return sqlite::read_shape(database, table);
}

/// `types`: one per column, as the census would have decided. Every index is carried.
inline TablePlan plan_of(std::uint32_t id, const std::string& sql, std::vector<ColumnType> types,
                         const std::string& table = "t") {
  TablePlan plan;
  plan.id = id;
  plan.shape = shape_of(sql, table);
  plan.types = std::move(types);
  for (const Index& index : plan.shape.indexes)
    if (index.origin != IndexOrigin::primary_key) plan.carried_indexes.push_back(index.name);
  return plan;
}

}  // namespace lockstep::test

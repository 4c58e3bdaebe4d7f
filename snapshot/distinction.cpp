#include "snapshot/distinction.hpp"

#include <algorithm>

#include "link/sqlite/sql_text.hpp"

namespace lockstep::snapshot {

std::vector<std::size_t> stored_columns(const Index& index, const TableShape& shape) {
  std::vector<std::size_t> columns;
  for (const IndexTerm& term : index.terms) {
    if (term.column) {
      columns.push_back(*term.column);
      continue;
    }
    const std::vector<sqlite::SqlToken> tokens = sqlite::tokens_of(term.expression);
    for (std::size_t i = 0; i < shape.columns.size(); ++i)
      if (tokens.empty() ||
          std::any_of(tokens.begin(), tokens.end(), [&](const sqlite::SqlToken& token) {
            return sqlite::same_name(sqlite::unquoted(token), shape.columns[i].name);
          }))
        columns.push_back(i);
  }
  return columns;
}

Distinction distinction_of(const TableShape& shape, std::size_t column) {
  auto found = Distinction::none;
  if (std::find(shape.key.begin(), shape.key.end(), column) != shape.key.end())
    return Distinction::key;
  for (const Index& index : shape.indexes) {
    const std::vector<std::size_t> stored = stored_columns(index, shape);
    if (std::find(stored.begin(), stored.end(), column) != stored.end())
      found = std::max(found, index.unique ? Distinction::unique : Distinction::indexed);
  }
  return found;
}

}  // namespace lockstep::snapshot

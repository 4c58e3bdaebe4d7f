#include "snapshot/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "link/postgres/names.hpp"
#include "link/postgres/row_size.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/row_stream.hpp"
#include "snapshot/majority.hpp"

namespace lockstep::snapshot {

namespace {

using postgres::kIndexedBytesMax;

std::uint64_t indexed_bytes(const std::vector<std::size_t>& columns, const TableShape& shape,
                            const TableCensus& census) {
  std::uint64_t bytes = 0;
  for (const std::size_t column : columns)  // the longest numeric of ours has 15 bytes
    bytes += census.columns[column].bytes_max +
             (shape.columns[column].affinity == Affinity::numeric ? 16 : 8);
  return bytes;
}

// The columns that an index stores: of an expression all that it names, which is more than enough.
std::vector<std::size_t> stored_columns(const Index& index, const TableShape& shape) {
  std::vector<std::size_t> columns;
  for (const IndexTerm& term : index.terms) {
    if (term.column) columns.push_back(*term.column);
    for (const sqlite::SqlToken& token : sqlite::tokens_of(term.expression))
      for (std::size_t i = 0; i < shape.columns.size(); ++i)
        if (sqlite::same_name(sqlite::unquoted(token), shape.columns[i].name)) columns.push_back(i);
  }
  return columns;
}

// Why PostgreSQL cannot have the same index, its meaning aside; empty: it can.
std::string index_obstacle(const Index& index, const TableShape& shape, const TableCensus& census) {
  const std::uint64_t bytes = indexed_bytes(stored_columns(index, shape), shape, census);
  if (bytes > kIndexedBytesMax) return fmt::format("its longest entry has {} bytes", bytes);
  if (index.origin == IndexOrigin::created) return postgres::relation_name_problem(index.name);
  return {};
}

void decide_indexes(TablePlan& plan, const TableCensus& census) {
  for (const Index& index : plan.shape.indexes) {
    if (index.origin == IndexOrigin::primary_key) continue;
    const std::string obstacle = index_obstacle(index, plan.shape, census);
    if (obstacle.empty())
      plan.carried_indexes.push_back(index.name);
    else
      plan.left_out.push_back(
          fmt::format("{} index {}: {}", index.unique ? "unique" : "plain", index.name, obstacle));
  }
}

// The type of the class, or the one that the declaration promises.
void add_type(Planned& planned, std::size_t column, ColumnType of_class,
              const TableCensus& census) {
  TablePlan& plan = planned.plan;
  const Promise promise = promise_of(plan.shape.columns[column]);
  const PromiseCensus& found = census.columns[column].promise;
  if (promise != Promise::none && found.kept == 0 && !found.broken)
    planned.undecided.push_back(column);
  const Usable usable =
      usable_type(plan.shape.columns[column], found, distinction_of(plan.shape, column));
  plan.types.push_back(usable.type.value_or(of_class));
  plan.spellings.push_back(usable.spelling);
  if (!usable.why_not.empty()) plan.left_out.push_back(usable.why_not);
}

// False unless its owner has chosen that odd values wait in the quarantine.
bool add_majority_type(Planned& planned, std::size_t column, const TableCensus& census) {
  if (planned.plan.on_bad_value_of(column) != OnBadValue::quarantine) return false;
  const Column& declared = planned.plan.shape.columns[column];
  const auto use = planned.plan.is_key(column) ? ColumnUse::key : ColumnUse::plain;
  const auto majority = majority_type(declared, census.columns[column], use);
  if (!majority) return false;
  add_type(planned, column, majority->type, census);
  planned.warnings.push_back(
      {"LS-D402",
       fmt::format("column {} becomes {}; {} row(s) do not fit and wait in quarantine ({})",
                   declared.name, to_string(planned.plan.types[column]), majority->odd,
                   majority->example)});
  return true;
}

}  // namespace

std::vector<std::string> shape_problems(const TableShape& shape) {
  std::vector<std::string> problems;
  if (const std::string problem = postgres::relation_name_problem(shape.name); !problem.empty())
    problems.push_back("its name: " + problem);
  if (shape.columns.size() > postgres::kColumnsMax)
    problems.push_back(fmt::format("it has {} columns; PostgreSQL stops at {}",
                                   shape.columns.size(), postgres::kColumnsMax));
  for (const Column& column : shape.columns)
    if (const std::string problem = postgres::column_name_problem(column.name); !problem.empty())
      problems.push_back(fmt::format("column \"{}\": {}", column.name, problem));
  return problems;
}

Planned plan_table(std::uint32_t id, const TableShape& shape, const TableCensus& census,
                   std::int64_t sequence, std::vector<OnBadValue> on_bad_value) {
  Planned planned;
  planned.plan.on_bad_value = std::move(on_bad_value);
  planned.plan.id = id;
  planned.plan.shape = shape;
  planned.plan.sequence = sequence;
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    std::string why;
    if (census.columns[i].bytes_max > kValueBytesMax)
      planned.problems.push_back(fmt::format("column {} has a value of {} bytes; the limit is {}",
                                             shape.columns[i].name, census.columns[i].bytes_max,
                                             kValueBytesMax));
    const auto use = planned.plan.is_key(i) ? ColumnUse::key : ColumnUse::plain;
    const auto type = decide_type(shape.columns[i], census.columns[i], use, why);
    if (type)
      add_type(planned, i, *type, census);
    else if (!add_majority_type(planned, i, census))
      planned.problems.push_back(why);
  }
  for (const std::size_t key : shape.key) {
    const std::uint64_t nulls =
        census.columns[key].count[static_cast<std::size_t>(ValueClass::null)];
    if (nulls > 0)
      planned.problems.push_back(
          fmt::format("key column {} is NULL in {} row(s), which PostgreSQL does not allow",
                      shape.columns[key].name, nulls));
  }
  if (const std::uint64_t bytes = indexed_bytes(shape.key, shape, census); bytes > kIndexedBytesMax)
    planned.problems.push_back(
        fmt::format("its longest key has {} bytes; PostgreSQL indexes at most about {}", bytes,
                    kIndexedBytesMax));
  if (census.row_bytes_max > postgres::kRowBytesMax)
    planned.problems.push_back(fmt::format(
        "row {} has too many columns that are not NULL: it takes up to {} bytes on a page of "
        "PostgreSQL, which has {} for it",
        census.widest_row, census.row_bytes_max, postgres::kRowBytesMax));
  if (shape.keyed_by_rowid)
    planned.warnings.push_back(
        {"LS-S305",
         fmt::format("no primary key; followed by rowid in column {}; VACUUM may renumber, then "
                     "lockstep reads the table again",
                     shape.columns.back().name)});
  decide_indexes(planned.plan, census);
  return planned;
}

}  // namespace lockstep::snapshot

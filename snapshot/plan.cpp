#include "snapshot/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "link/postgres/names.hpp"
#include "link/postgres/row_size.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/row_stream.hpp"
#include "snapshot/distinction.hpp"
#include "snapshot/majority.hpp"

namespace lockstep::snapshot {

namespace {

using postgres::kIndexedBytesMax;

constexpr std::size_t kIndexColumnsMax = 32;  // INDEX_MAX_KEYS, which servers are built with

std::uint64_t indexed_bytes(const std::vector<std::size_t>& columns, const TableShape& shape,
                            const TableCensus& census) {
  std::uint64_t bytes = 0;
  for (const std::size_t column : columns)  // the longest numeric of ours has 15 bytes
    bytes += census.columns[column].bytes_max +
             (shape.columns[column].affinity == Affinity::numeric ? 16 : 8);
  return bytes;
}

// Why PostgreSQL cannot have the same index, its meaning aside; empty: it can.
std::string index_obstacle(const Index& index, const TableShape& shape, const TableCensus& census) {
  if (index.terms.size() > kIndexColumnsMax)
    return fmt::format("it has {} columns; PostgreSQL stops at {}", index.terms.size(),
                       kIndexColumnsMax);
  const std::uint64_t bytes = indexed_bytes(stored_columns(index, shape), shape, census);
  if (bytes > kIndexedBytesMax) return fmt::format("its longest entry has {} bytes", bytes);
  return {};
}

// Values that SQLite tells apart may be one after a rule.
std::string merging_column(const Index& index, const TablePlan& plan) {
  if (!index.unique || plan.rules.columns.empty()) return {};
  for (const std::size_t column : stored_columns(index, plan.shape))
    if (!plan.rules.columns[column].is_injective()) return plan.shape.columns[column].name;
  return {};
}

void decide_indexes(TablePlan& plan, const TableCensus& census) {
  for (const Index& index : plan.shape.indexes) {
    if (index.origin == IndexOrigin::primary_key) continue;
    std::string obstacle = index_obstacle(index, plan.shape, census);
    if (const std::string column = merging_column(index, plan); !column.empty())
      obstacle = fmt::format("after the rule for {} two values may be the same", column);
    if (obstacle.empty())
      plan.carried_indexes.push_back(index.name);
    else
      plan.left_out.push_back(
          fmt::format("{} index {}: {}", index.unique ? "unique" : "plain", index.name, obstacle));
  }
}

// Migrations drop constraints by their names. Plans of older versions have none of them: there the
// target has other names.
void carry_names(TablePlan& plan) {
  for (const sqlite::KeyText& key : sqlite::read_keys(plan.shape.sql))
    if (!key.name.empty()) plan.carried_indexes.push_back(key.name);
}

bool has_values(const ColumnCensus& census) {
  std::uint64_t values = 0;
  for (const ValueClass kind :
       {ValueClass::integer, ValueClass::real, ValueClass::text, ValueClass::blob})
    values += census.count[static_cast<std::size_t>(kind)];
  return values > 0;
}

// SQLite makes numbers of JSON that is one, and a JSON column of ours holds texts.
bool is_json_of_numbers(Promise promise, ColumnType of_class, const ColumnCensus& census) {
  return promise == Promise::json && of_class != ColumnType::text && has_values(census) &&
         !census.promise.broken;
}

// The type of the class, or the one that the declaration promises.
void add_type(Planned& planned, std::size_t column, ColumnType of_class,
              const TableCensus& census) {
  TablePlan& plan = planned.plan;
  const Column& declared = plan.shape.columns[column];
  const Promise promise = promise_of(declared);
  const ColumnCensus& found = census.columns[column];
  if (promise != Promise::none && !has_values(found)) planned.undecided.push_back(column);
  if (is_json_of_numbers(promise, of_class, found)) {
    plan.types.push_back(of_class);
    plan.spellings.emplace_back();
    plan.left_out.push_back(fmt::format(
        "{}: its JSON is numbers, which SQLite keeps as such; a text that comes later does not fit "
        "(LS-D401){}",
        promised_type(declared),
        distinction_of(plan.shape, column) == Distinction::none
            ? ", unless the column has \"type\": \"json\" in the configuration"
            : ""));
    return;
  }
  const Usable usable = usable_type(declared, found.promise, distinction_of(plan.shape, column));
  plan.types.push_back(usable.type.value_or(of_class));
  plan.spellings.push_back(usable.spelling);
  if (!usable.why_not.empty()) plan.left_out.push_back(usable.why_not);
}

// False unless its owner has chosen that a column of several classes becomes text.
bool add_text_type(Planned& planned, std::size_t column, const TableCensus& census) {
  TablePlan& plan = planned.plan;
  if (plan.on_bad_value_of(column) != OnBadValue::text) return false;
  if (plan.is_converted(column) || !fits_text(plan.shape, column, census)) return false;
  plan.rules.columns.resize(plan.shape.columns.size());
  plan.rules.columns[column].cast = Cast::text;
  plan.types.push_back(ColumnType::text);
  plan.spellings.emplace_back();
  planned.warnings.push_back(
      {"LS-A109", fmt::format("column {} holds values of several classes and becomes text: numbers "
                              "by their digits, by its \"on_bad_value\": \"text\"",
                              plan.shape.columns[column].name)});
  return true;
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

bool fits_text(const TableShape& shape, std::size_t column, const TableCensus& census) {
  const ColumnCensus& found = census.columns[column];
  return std::find(shape.key.begin(), shape.key.end(), column) == shape.key.end() &&
         found.count[static_cast<std::size_t>(ValueClass::blob)] == 0 && found.nul_texts == 0 &&
         found.invalid_texts == 0;
}

std::vector<std::string> shape_problems(const TableShape& shape, const TableRules& rules) {
  std::vector<std::string> problems;
  TablePlan named;
  named.shape = shape;
  named.rules = rules;
  if (const std::string problem = postgres::relation_name_problem(named.target_name());
      !problem.empty())
    problems.push_back("its name: " + problem);
  if (shape.columns.size() > postgres::kColumnsMax)
    problems.push_back(fmt::format("it has {} columns; PostgreSQL stops at {}",
                                   shape.columns.size(), postgres::kColumnsMax));
  if (shape.key.size() > kIndexColumnsMax)
    problems.push_back(fmt::format("its key has {} columns; PostgreSQL stops at {}",
                                   shape.key.size(), kIndexColumnsMax));
  std::set<std::string> names;
  const auto look = [&](const std::string& column, const std::string& name) {
    if (const std::string problem = postgres::column_name_problem(name); !problem.empty())
      problems.push_back(fmt::format("column \"{}\": {}", column, problem));
    else if (!names.insert(name).second)
      problems.push_back(
          fmt::format("column \"{}\": another column is called {} on PostgreSQL", column, name));
  };
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    look(shape.columns[i].name, named.target_column(i));
  for (const AddedColumn& column : rules.added) look(column.name, column.name);
  return problems;
}

std::vector<std::string> rule_problems(const TableShape& shape, const TableRules& rules) {
  std::vector<std::string> problems;
  for (const std::size_t key : shape.key)
    if (key < rules.columns.size() && !rules.columns[key].is_injective())
      problems.push_back(
          fmt::format("column {} is in the key, and its rule {} could make two keys one; on a key "
                      "only \"rename\" and \"type\": \"literal\" are exact",
                      shape.columns[key].name, describe(rules.columns[key])));
  return problems;
}

void tell_rules(Planned& planned) {
  const TablePlan& plan = planned.plan;
  const auto say = [&](std::string what) {
    planned.warnings.push_back({"LS-A109", std::move(what)});
  };
  if (!plan.rules.rename.empty())
    say(fmt::format("it is called {} on PostgreSQL", plan.target_name()));
  for (std::size_t i = 0; i < plan.rules.columns.size(); ++i)
    if (!plan.rules.columns[i].empty())
      say(fmt::format("column {} goes by its rule {}{}", plan.shape.columns[i].name,
                      describe(plan.rules.columns[i]),
                      plan.rules.columns[i].is_injective()
                          ? ""
                          : "; values change where it says so, and only there"));
  for (const AddedColumn& added : plan.rules.added)
    say(fmt::format("PostgreSQL has a column {} more, {} in every row", added.name,
                    describe(added.value.view())));
}

std::string unconverted(const TablePlan& plan, std::size_t column, const TableCensus& census) {
  const ColumnCensus& found = census.columns[column];
  if (found.cast_misfits == 0) return {};
  return fmt::format("column {} has {} value(s) that its rule {} cannot convert ({})",
                     plan.shape.columns[column].name, found.cast_misfits,
                     describe(plan.rules.columns[column]), found.cast_misfit_example);
}

namespace {

// By the rule's type, if every value has become one of it.
std::optional<ColumnType> ruled_type(const TablePlan& plan, std::size_t column,
                                     const TableCensus& census, std::string& why) {
  why = unconverted(plan, column, census);
  if (!why.empty()) return std::nullopt;
  return type_of(plan.rules.columns[column].cast);
}

bool has_cast(const TablePlan& plan, std::size_t column) {
  return column < plan.rules.columns.size() && plan.rules.columns[column].cast != Cast::none;
}

}  // namespace

Planned plan_table(std::uint32_t id, const TableShape& shape, const TableCensus& census,
                   std::int64_t sequence, const TableRules& rules,
                   std::vector<OnBadValue> on_bad_value) {
  Planned planned;
  planned.plan.on_bad_value = std::move(on_bad_value);
  planned.plan.id = id;
  planned.plan.shape = shape;
  planned.plan.sequence = sequence;
  planned.plan.rules = rules;
  tell_rules(planned);
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    std::string why;
    if (census.columns[i].bytes_max > kValueBytesMax)
      planned.problems.push_back(fmt::format("column {} has a value of {} bytes; the limit is {}",
                                             shape.columns[i].name, census.columns[i].bytes_max,
                                             kValueBytesMax));
    const auto use = planned.plan.is_key(i) ? ColumnUse::key : ColumnUse::plain;
    const bool cast = has_cast(planned.plan, i);
    const auto type = cast ? ruled_type(planned.plan, i, census, why)
                           : decide_type(shape.columns[i], census.columns[i], use, why);
    if (type && cast) {
      planned.plan.types.push_back(*type);
      planned.plan.spellings.emplace_back();
    } else if (type)
      add_type(planned, i, *type, census);
    else if (!add_text_type(planned, i, census) && !add_majority_type(planned, i, census))
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
  carry_names(planned.plan);
  return planned;
}

}  // namespace lockstep::snapshot

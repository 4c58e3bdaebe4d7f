#include "capture/probes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "capture/defaults.hpp"
#include "link/sqlite/database.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"

namespace lockstep::capture {

namespace {

using Columns = std::set<std::size_t>;

// Each default that may take the place of a NULL doubles the number of probes.
constexpr std::size_t kDefaultsMax = 3;

bool built_in_collation(std::string_view name) {
  return name == "BINARY" || name == "NOCASE" || name == "RTRIM";
}

std::vector<const Index*> probed_indexes(const TableShape& shape) {
  std::vector<const Index*> probed;
  for (const Index& index : shape.indexes) {
    if (!index.unique) continue;
    if (&index == shape.key_index() && key_is_exact(shape)) continue;
    probed.push_back(&index);
  }
  return probed;
}

// Every column whose name stands in the expression, and now and then one more: a word may be a
// function's name, a quoted one a string.
Columns mentioned(const TableShape& shape, std::string_view expression) {
  Columns found;
  for (const sqlite::SqlToken& token : sqlite::tokens_of(expression)) {
    using Kind = sqlite::SqlToken::Kind;
    if (token.kind != Kind::word && token.kind != Kind::quoted_name) continue;
    const std::string name = sqlite::unquoted(token);
    for (std::size_t i = 0; i < shape.columns.size(); ++i)
      if (!shape.columns[i].is_rowid && sqlite::same_name(shape.columns[i].name, name))
        found.insert(i);
  }
  return found;
}

bool is_generated(const TableShape& shape, std::size_t column) {
  return shape.columns[column].generated != Generated::no;
}

// What a term computes: an index expression, or that of a generated column; empty for a plain
// column.
std::string computed(const TableShape& shape, const IndexTerm& term) {
  if (!term.column) return term.expression;
  if (!is_generated(shape, *term.column)) return {};
  return sqlite::generated_expression(shape.sql, shape.columns[*term.column].name);
}

bool is_plain(const TableShape& shape, const IndexTerm& term) {
  return term.column && !is_generated(shape, *term.column);
}

// Follows generated columns to what they are computed from.
Columns sources_of(const TableShape& shape, const Columns& columns) {
  Columns found;
  std::vector<std::size_t> todo(columns.begin(), columns.end());
  while (!todo.empty()) {
    const std::size_t column = todo.back();
    todo.pop_back();
    if (!found.insert(column).second || !is_generated(shape, column)) continue;
    for (const std::size_t source :
         mentioned(shape, sqlite::generated_expression(shape.sql, shape.columns[column].name)))
      todo.push_back(source);
  }
  return found;
}

bool default_may_replace(const Column& column) {
  return column.not_null && constant_default(column.default_sql) != "";
}

// Columns in computed terms of which OR REPLACE may put the default in place of a NULL.
Columns substituted(const TableShape& shape, const Index& index) {
  Columns found;
  for (const IndexTerm& term : index.terms) {
    if (is_plain(shape, term)) continue;
    for (const std::size_t column : mentioned(shape, computed(shape, term)))
      if (default_may_replace(shape.columns[column])) found.insert(column);
  }
  return found;
}

// What a plain column will hold once NOT NULL defaults are in: OR REPLACE puts the default in place
// of a NULL after the BEFORE trigger has run.
std::string new_value(const Column& column) {
  const std::string value = "NEW." + sqlite::quoted(column.name);
  const auto constant = constant_default(column.default_sql);
  if (!column.not_null || !constant || constant->empty()) return value;
  return fmt::format("coalesce({}, {})", value, *constant);
}

// The expression over the proposed row, with the defaults of `defaults` in place. A subquery's
// columns keep affinity and collation of what they show.
std::string over_new_row(const TableShape& shape, const std::string& expression,
                         const Columns& defaults) {
  std::vector<std::string> columns;
  for (const std::size_t at : mentioned(shape, expression)) {
    const Column& column = shape.columns[at];
    const std::string name = sqlite::quoted(column.name);
    columns.push_back(defaults.contains(at) ? fmt::format("{} AS {}", *typed_default(column), name)
                                            : fmt::format("NEW.{0} AS {0}", name));
  }
  if (columns.empty()) columns.emplace_back("1");
  return fmt::format("(SELECT ({}) FROM (SELECT {}) AS _lockstep_new)", expression,
                     fmt::join(columns, ", "));
}

std::string term_condition(const TableShape& shape, const IndexTerm& term,
                           const Columns& defaults) {
  if (!term.column)
    return fmt::format("({}) COLLATE {} = {}", term.expression, term.collation,
                       over_new_row(shape, term.expression, defaults));
  const Column& column = shape.columns[*term.column];
  const std::string expression = computed(shape, term);
  const Columns sources = mentioned(shape, expression);
  const bool other = std::any_of(defaults.begin(), defaults.end(),
                                 [&](std::size_t at) { return sources.contains(at); });
  return fmt::format("{} = {} COLLATE {}", sqlite::quoted(column.name),
                     other ? over_new_row(shape, expression, defaults) : new_value(column),
                     term.collation);
}

std::string index_condition(const TableShape& shape, const Index& index, const Columns& defaults) {
  std::vector<std::string> terms;
  for (const IndexTerm& term : index.terms) terms.push_back(term_condition(shape, term, defaults));
  if (index.partial) terms.push_back(fmt::format("({})", index.where_sql));
  for (const std::size_t column : defaults)
    terms.push_back(fmt::format("NEW.{} IS NULL", sqlite::quoted(shape.columns[column].name)));
  return fmt::format("{}", fmt::join(terms, " AND "));
}

// Only an UPDATE that changes an indexed value can meet a victim in that index. What a predicate or
// an expression makes of the row may change by any column: there only the row itself is left out.
std::string update_condition(const TableShape& shape, const Index& index) {
  std::vector<std::string> terms;
  const bool plain =
      !index.partial && std::all_of(index.terms.begin(), index.terms.end(),
                                    [&](const IndexTerm& term) { return is_plain(shape, term); });
  if (plain) {
    for (const IndexTerm& term : index.terms)
      terms.push_back(fmt::format("NEW.{0} IS NOT OLD.{0} COLLATE {1}",
                                  sqlite::quoted(shape.columns[*term.column].name),
                                  term.collation));
  } else {
    for (const std::size_t key : shape.key)
      terms.push_back(
          fmt::format("{0} IS NOT OLD.{0} COLLATE BINARY", sqlite::source_name(shape, key)));
  }
  return fmt::format("({})", fmt::join(terms, " OR "));
}

bool probes_rowid(const TableShape& shape) {
  return !shape.without_rowid && !shape.rowid_alias && !shape.keyed_by_rowid &&
         !shape.rowid_name.empty();
}

// Every choice of columns whose NULL gives way to a default, none of them first.
std::vector<Columns> choices(const Columns& columns) {
  std::vector<Columns> found{{}};
  for (const std::size_t column : columns)
    for (std::size_t i = found.size(); i-- > 0;) {
      Columns more = found[i];
      more.insert(column);
      found.push_back(std::move(more));
    }
  return found;
}

void add_default_problems(const TableShape& shape, const Index& index, const Columns& direct,
                          std::vector<std::string>& problems) {
  for (const std::size_t at : sources_of(shape, direct)) {
    const Column& column = shape.columns[at];
    if (!default_may_replace(column)) continue;
    const bool near = direct.contains(at);
    const bool far = std::any_of(direct.begin(), direct.end(), [&](std::size_t other) {
      return other != at && sources_of(shape, {other}).contains(at);
    });
    if (!constant_default(column.default_sql))
      problems.push_back(
          fmt::format("unique index {}: the default of {} is an expression, which a probe cannot "
                      "repeat",
                      index.name, column.name));
    else if (far)
      problems.push_back(
          fmt::format("unique index {}: the default of {} reaches it through generated columns, "
                      "which a probe cannot repeat",
                      index.name, column.name));
    else if (near && !typed_default(column))
      problems.push_back(
          fmt::format("unique index {}: the default of {} is of another type than the column, so a "
                      "probe cannot compute with it",
                      index.name, column.name));
  }
}

void add_computed_problems(const TableShape& shape, const Index& index, const IndexTerm& term,
                           std::vector<std::string>& problems) {
  const std::string expression = computed(shape, term);
  if (expression.empty()) {
    problems.push_back(fmt::format(
        "unique index {}: its expression cannot be found in the schema's text", index.name));
    return;
  }
  const Columns direct = mentioned(shape, expression);
  if (shape.rowid_alias && sources_of(shape, direct).contains(*shape.rowid_alias))
    problems.push_back(fmt::format(
        "unique index {} is computed from {}, which SQLite assigns only after a probe has run: "
        "rows that REPLACE removes through it cannot be seen",
        index.name, shape.columns[*shape.rowid_alias].name));
  add_default_problems(shape, index, direct, problems);
}

void add_index_problems(const TableShape& shape, const Index& index,
                        std::vector<std::string>& problems) {
  for (const IndexTerm& term : index.terms) {
    if (!built_in_collation(term.collation))
      problems.push_back(
          fmt::format("unique index {} uses collation {}, which only the application has",
                      index.name, term.collation));
    if (!is_plain(shape, term)) {
      add_computed_problems(shape, index, term, problems);
      continue;
    }
    const Column& column = shape.columns[*term.column];
    if (column.not_null && !constant_default(column.default_sql))
      problems.push_back(fmt::format(
          "unique index {}: the default of {} is an expression, which a probe cannot repeat",
          index.name, column.name));
  }
  if (index.partial && index.where_sql.empty())
    problems.push_back(fmt::format(
        "unique index {}: its predicate cannot be found in the schema's text", index.name));
  if (const std::size_t count = substituted(shape, index).size(); count > kDefaultsMax)
    problems.push_back(
        fmt::format("unique index {} computes with {} columns that are NOT NULL with a default; "
                    "probes stop at {}",
                    index.name, count, kDefaultsMax));
}

}  // namespace

bool key_is_exact(const TableShape& shape) {
  if (shape.rowid_alias || shape.keyed_by_rowid) return true;
  const Index* index = shape.key_index();
  if (index == nullptr) return false;
  return std::all_of(index->terms.begin(), index->terms.end(), [&](const IndexTerm& term) {
    if (!term.column) return false;
    const Column& column = shape.columns[*term.column];
    return (column.affinity == Affinity::integer || column.affinity == Affinity::text) &&
           term.collation == "BINARY" && column.collation == "BINARY";
  });
}

std::string new_key_value(const TableShape& shape, std::size_t column) {
  const Column& key = shape.columns[column];
  return key.is_rowid ? "NEW." + shape.rowid_name : new_value(key);
}

std::string probed_table(const TableShape& shape) {
  const bool hides = sqlite::same_name(shape.name, "new") || sqlite::same_name(shape.name, "old");
  return sqlite::quoted(shape.name) + (hides ? " AS _lockstep_row" : "");
}

std::vector<Probe> probes(const TableShape& shape, ProbeEvent event) {
  std::vector<Probe> found;
  for (const Index* index : probed_indexes(shape)) {
    const bool constant =
        std::all_of(index->terms.begin(), index->terms.end(), [&](const IndexTerm& term) {
          return !term.column && mentioned(shape, term.expression).empty();
        });
    for (const Columns& defaults : choices(substituted(shape, *index))) {
      Probe probe{index_condition(shape, *index, defaults), {}, constant};
      if (constant && index->partial) probe.scanned_index = index->name;
      if (event == ProbeEvent::update) probe.condition += " AND " + update_condition(shape, *index);
      found.push_back(std::move(probe));
    }
  }
  if (!probes_rowid(shape)) return found;
  // INSERT OR REPLACE INTO t(rowid, ..) and UPDATE OR REPLACE t SET rowid = .. have victims too.
  Probe rowid{fmt::format("{0} = NEW.{0}", shape.rowid_name), {}, false};
  if (event == ProbeEvent::update)
    rowid.condition += fmt::format(" AND NEW.{0} IS NOT OLD.{0}", shape.rowid_name);
  found.push_back(std::move(rowid));
  return found;
}

std::vector<std::string> probe_problems(const TableShape& shape) {
  std::vector<std::string> problems;
  for (const Index* index : probed_indexes(shape)) add_index_problems(shape, *index, problems);
  return problems;
}

}  // namespace lockstep::capture

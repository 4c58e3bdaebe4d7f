#include "link/sqlite/scan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "link/sqlite/shape.hpp"

namespace lockstep::sqlite {

namespace {

const Index* primary_key_index(const TableShape& shape) {
  for (const Index& index : shape.indexes)
    if (index.origin == IndexOrigin::primary_key) return &index;
  return nullptr;
}

struct KeyTerm {
  std::string name;
  std::string collation;
  bool descending = false;
};

std::vector<KeyTerm> key_terms(const TableShape& shape) {
  std::vector<KeyTerm> terms;
  const Index* index = primary_key_index(shape);
  for (std::size_t i = 0; i < shape.key.size(); ++i) {
    KeyTerm term{sqlite::quoted(shape.columns[shape.key[i]].name),
                 shape.columns[shape.key[i]].collation};
    if (index != nullptr && i < index->terms.size()) {
      term.collation = index->terms[i].collation;
      term.descending = index->terms[i].descending;
    }
    terms.push_back(std::move(term));
  }
  return terms;
}

// (k1 >= ?1) AND (k1 > ?1 OR (k2 > ?2 OR ...)): the first part lets the index seek, the rest is
// exact.
std::string key_bounds(const std::vector<KeyTerm>& terms) {
  std::string exact;
  for (std::size_t i = terms.size(); i-- > 0;) {
    const KeyTerm& term = terms[i];
    const std::string beyond = fmt::format("{} {} ?{} COLLATE {}", term.name,
                                           term.descending ? "<" : ">", i + 1, term.collation);
    if (exact.empty())
      exact = beyond;
    else
      exact = fmt::format("({} OR ({} = ?{} COLLATE {} AND {}))", beyond, term.name, i + 1,
                          term.collation, exact);
  }
  const KeyTerm& first = terms.front();
  return fmt::format("{} {}= ?1 COLLATE {} AND {}", first.name, first.descending ? "<" : ">",
                     first.collation, exact);
}

}  // namespace

std::string rowid_of(const TableShape& shape) {
  return shape.rowid_alias ? sqlite::quoted(shape.columns[*shape.rowid_alias].name)
                           : shape.rowid_name;
}

ScanQuery scan_query(const TableShape& shape, std::optional<std::int64_t> rowid_until) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    columns.push_back(sqlite::source_name(shape, i));
  ScanQuery query;
  std::string order, bounds, end;
  if (const std::string rowid = rowid_of(shape); !rowid.empty()) {
    if (shape.rowid_alias) {
      query.cursor_columns = {*shape.rowid_alias};
    } else if (shape.keyed_by_rowid) {
      query.cursor_columns = shape.key;
    } else {
      query.cursor_columns = {columns.size()};
      columns.push_back(rowid);
    }
    order = rowid;
    bounds = rowid + " > ?1";
    if (rowid_until) end = fmt::format("{} <= {}", rowid, *rowid_until);
  } else {
    check(!shape.key.empty(), "a table without rowid has a key");
    std::vector<std::string> ordered;
    const std::vector<KeyTerm> terms = key_terms(shape);
    for (const KeyTerm& term : terms)
      ordered.push_back(fmt::format("{} COLLATE {}{}", term.name, term.collation,
                                    term.descending ? " DESC" : ""));
    query.cursor_columns = shape.key;
    order = fmt::format("{}", fmt::join(ordered, ", "));
    bounds = key_bounds(terms);
  }
  const std::string select =
      fmt::format("SELECT {} FROM {}", fmt::join(columns, ", "), sqlite::quoted(shape.name));
  query.first = fmt::format("{}{} ORDER BY {}", select, end.empty() ? "" : " WHERE " + end, order);
  query.onward = fmt::format("{} WHERE {}{} ORDER BY {}", select, bounds,
                             end.empty() ? "" : " AND " + end, order);
  return query;
}

std::optional<RowidEnds> rowid_ends(Database& database, const TableShape& shape) {
  const std::string rowid = rowid_of(shape);
  if (rowid.empty()) return std::nullopt;
  const auto end = [&](std::string_view which) -> std::optional<std::int64_t> {
    Statement row(database,
                  fmt::format("SELECT {}({}) FROM {}", which, rowid, sqlite::quoted(shape.name)));
    if (!row.step() || row.is_null(0)) return std::nullopt;
    return row.integer(0);
  };
  const auto first = end("min"), last = end("max");
  if (!first || !last) return std::nullopt;
  return RowidEnds{*first, *last};
}

Scan::Scan(Database& database, const TableShape& shape, std::optional<std::vector<Value>> after,
           SliceLimits limits, std::optional<std::int64_t> rowid_until)
    : database_(database),
      query_(scan_query(shape, rowid_until)),
      limits_(limits),
      cursor_(std::move(after)),
      pace_(database, limits.pace) {}

void Scan::remember_cursor(const Statement& statement) {
  std::vector<Value> key;
  key.reserve(query_.cursor_columns.size());
  for (const std::size_t column : query_.cursor_columns)
    key.emplace_back(statement.value(static_cast<int>(column)));
  cursor_ = std::move(key);
}

bool Scan::slice(const Visit& visit, const std::function<void()>& in_view) {
  pace_.let_writer_pass();
  const Transaction view(database_, Transaction::Mode::deferred);
  const bool more = read(visit, Deadline(pace_.slice()), limits_.bytes_max);
  if (in_view) in_view();
  return more;
}

bool Scan::read(const Visit& visit, const Deadline& deadline, std::size_t bytes_max) {
  Statement rows(database_, cursor_ ? query_.onward : query_.first);
  if (cursor_)
    for (std::size_t i = 0; i < cursor_->size(); ++i)
      rows.bind(static_cast<int>(i) + 1, (*cursor_)[i].view());
  constexpr std::uint64_t kRowsPerClockLook = 32;
  std::size_t bytes = 0;
  bool more = false;
  while ((more = rows.step())) {
    bytes += visit(rows);
    ++rows_;
    if (bytes >= bytes_max) break;
    if (rows_ % kRowsPerClockLook == 0 && deadline.passed()) break;
  }
  if (more) remember_cursor(rows);
  return more;  // at the end the cursor stays behind: nobody goes on from there
}

}  // namespace lockstep::sqlite

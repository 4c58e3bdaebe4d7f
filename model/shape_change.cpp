#include "model/shape_change.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/promise.hpp"

namespace lockstep {

namespace {

std::vector<std::string> key_names(const TableShape& shape) {
  std::vector<std::string> names;
  for (const std::size_t column : shape.key) names.push_back(shape.columns[column].name);
  return names;
}

std::string alias_name(const TableShape& shape) {
  return shape.rowid_alias ? shape.columns[*shape.rowid_alias].name : std::string();
}

bool is_alike(const IndexTerm& a, const IndexTerm& b) {
  return a.column == b.column && a.collation == b.collation && a.descending == b.descending &&
         a.expression == b.expression;
}

bool is_alike(const Index& a, const Index& b) {
  return a.name == b.name && a.origin == b.origin && a.unique == b.unique &&
         a.partial == b.partial && a.where_sql == b.where_sql &&
         std::equal(a.terms.begin(), a.terms.end(), b.terms.begin(), b.terms.end(),
                    [](const IndexTerm& x, const IndexTerm& y) { return is_alike(x, y); });
}

// Of `some` those that `others` has not; nothing if one was not made by CREATE INDEX.
std::optional<std::vector<const Index*>> only_in(const std::vector<Index>& some,
                                                 const std::vector<Index>& others) {
  std::vector<const Index*> found;
  for (const Index& index : some) {
    if (std::any_of(others.begin(), others.end(),
                    [&](const Index& other) { return is_alike(index, other); }))
      continue;
    if (index.origin != IndexOrigin::created) return std::nullopt;
    found.push_back(&index);
  }
  return found;
}

// How many were dropped and created.
std::optional<std::size_t> changed_indexes(const TableShape& before, const TableShape& now) {
  const auto dropped = only_in(before.indexes, now.indexes);
  const auto created = only_in(now.indexes, before.indexes);
  if (!dropped || !created) return std::nullopt;
  if (std::any_of(created->begin(), created->end(),
                  [](const Index* index) { return index->unique; }))
    return std::nullopt;
  return dropped->size() + created->size();
}

bool tells_of_type(const std::string& sentence, const Column& column) {
  return sentence.starts_with(promised_type(column) + ":");
}

// What was told of a type that is carried is true of it, and what the new census says is not.
void carry_told(const TablePlan& before, std::size_t was, TablePlan& now, std::size_t column) {
  std::erase_if(now.left_out, [&](const std::string& sentence) {
    return tells_of_type(sentence, now.shape.columns[column]);
  });
  for (const std::string& sentence : before.left_out)
    if (tells_of_type(sentence, before.shape.columns[was])) now.left_out.push_back(sentence);
}

}  // namespace

std::vector<std::string> stored_otherwise(const TableShape& before, const TableShape& now) {
  std::vector<std::string> sentences;
  if (before.without_rowid != now.without_rowid)
    sentences.emplace_back(now.without_rowid ? "it is WITHOUT ROWID now"
                                             : "it is no longer WITHOUT ROWID");
  for (const Column& column : before.columns) {
    const auto still = now.column_named(column.name);
    if (!still) continue;
    const Column& present = now.columns[*still];
    if (present.affinity != column.affinity)
      sentences.push_back(fmt::format("column {} has another affinity", column.name));
    if (present.collation != column.collation)
      sentences.push_back(fmt::format("column {} was COLLATE {}, it is {} now", column.name,
                                      column.collation, present.collation));
  }
  return sentences;
}

ShapeChange shape_change(const TableShape& before, const TableShape& now) {
  ShapeChange change;
  change.otherwise = stored_otherwise(before, now);
  const bool computed_alike =
      std::all_of(before.columns.begin(), before.columns.end(), [&](const Column& column) {
        const auto still = now.column_named(column.name);
        return still && now.columns[*still].computed_as == column.computed_as;
      });
  if (fingerprint(before) == fingerprint(now) && computed_alike && change.otherwise.empty())
    return change;
  change.same = false;
  for (const Column& column : before.columns) {
    const auto still = now.column_named(column.name);
    if (!still)
      change.dropped.push_back(column.name);
    else if (now.columns[*still].affinity != column.affinity)
      change.altered.push_back(fmt::format("column {} was {}, it is {} now", column.name,
                                           column.declared_type,
                                           now.columns[*still].declared_type));
  }
  for (const Column& column : now.columns)
    if (!before.column_named(column.name)) change.added.push_back(column.name);
  if (key_names(before) != key_names(now))
    change.altered.push_back(fmt::format("its key was ({}), it is ({}) now",
                                         fmt::join(key_names(before), ", "),
                                         fmt::join(key_names(now), ", ")));
  else if (alias_name(before) != alias_name(now))
    change.altered.emplace_back("its INTEGER PRIMARY KEY became another kind of key, or was none");
  return change;
}

std::optional<std::size_t> statements_between(const TableShape& before, const TableShape& now) {
  if (now.columns.size() < before.columns.size()) return std::nullopt;
  const std::size_t appended = now.columns.size() - before.columns.size();
  if (appended > 0 && now.keyed_by_rowid) return std::nullopt;  // the rowid is the last column
  TableShape rest = now;
  rest.columns.resize(before.columns.size());
  rest.indexes = before.indexes;
  if (fingerprint(rest) != fingerprint(before) || !stored_otherwise(before, now).empty() ||
      !shape_change(before, now).can_be_followed())
    return std::nullopt;
  const auto changed = changed_indexes(before, now);
  if (!changed || appended + *changed == 0) return std::nullopt;
  return appended + *changed;
}

TablePlan carry_decisions(const TablePlan& before, TablePlan now) {
  now.id = before.id;
  now.spellings.resize(now.types.size());
  for (std::size_t i = 0; i < now.shape.columns.size(); ++i) {
    const auto was = before.shape.column_named(now.shape.columns[i].name);
    if (!was || now.became_text(i)) continue;
    carry_told(before, *was, now, i);
    if (now.types[i] == before.types[*was]) continue;
    // Values by which it would have another type say nothing of how those of this one are spelled.
    now.types[i] = before.types[*was];
    now.spellings[i] = before.spelling(*was);
  }
  return now;
}

bool is_rebuild_in_progress(const std::string& table) {
  return table.starts_with("_alembic_tmp_") || table.starts_with("new__");
}

}  // namespace lockstep

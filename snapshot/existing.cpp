#include "snapshot/existing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "snapshot/existing_columns.hpp"

namespace lockstep::snapshot {

namespace {

using Names = std::set<std::string>;
using CatalogColumn = CatalogTable::CatalogColumn;

Names as_set(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

bool contains(const Names& all, const Names& part) {
  return std::includes(all.begin(), all.end(), part.begin(), part.end());
}

bool is_injective(const TablePlan& plan, std::size_t i) {
  return i >= plan.rules.columns.size() || plan.rules.columns[i].is_injective();
}

// The columns, by their names there, that a whole unique index of the source tells apart; none
// where an expression or a rule could make two values one.
Names told_apart(const TablePlan& plan, const Index& index) {
  Names own;
  if (!index.unique || index.partial) return own;
  for (const IndexTerm& term : index.terms) {
    if (!term.column || !is_injective(plan, *term.column)) return {};
    own.insert(plan.target_column(*term.column));
  }
  return own;
}

Names key_of(const TablePlan& plan) {
  Names key;
  for (const std::size_t column : plan.shape.key) key.insert(plan.target_column(column));
  return key;
}

// That no two rows collapse: the source keeps the same columns, or fewer, unique.
bool proven(const TablePlan& plan, const Names& columns) {
  if (contains(columns, key_of(plan))) return true;
  return std::any_of(plan.shape.indexes.begin(), plan.shape.indexes.end(), [&](const Index& index) {
    const Names own = told_apart(plan, index);
    return !own.empty() && contains(columns, own);
  });
}

class Meeting {
 public:
  Meeting(Planned& planned, const TableCensus& census, const CatalogTable& there, bool silent)
      : planned_(planned),
        plan_(planned.plan),
        census_(census),
        there_(there),
        silent_(silent),
        key_(key_of(plan_)) {}

  void meet() {
    table();
    meet_columns(planned_, census_, there_);
    for (const CatalogColumn& each : there_.columns) extra(each);
    keys();
    uniques();
    unique_here_only();
    foreign_keys();
  }

 private:
  void blocks(const std::string& what) { snapshot::blocks(planned_, what); }
  void tells(std::string what) { snapshot::tells(planned_, std::move(what)); }

  void table() {
    if (there_.kind != 'r' && there_.kind != 'p')
      return blocks(fmt::format("there it is no table (relkind {})", there_.kind));
    if (!there_.writable)
      blocks("our role may not SELECT, INSERT, UPDATE and DELETE there: GRANT these");
    if (there_.unlogged) blocks("there it is UNLOGGED: a crash of the server would empty it");
    if (there_.kind == 'r' && there_.has_children)
      blocks("there it has child tables (inheritance), whose rows would show up in it");
    if (there_.row_security) blocks("there it has row level security that hides rows from us");
    for (const std::string& rule : there_.rules)
      blocks(fmt::format("there it has a rule {}, which can change rows", rule));
    for (const std::string& trigger : there_.firing_triggers)
      blocks(fmt::format("there it has a trigger {} that fires for replicas too", trigger));
    if (!silent_)
      for (const std::string& trigger : there_.triggers)
        blocks(
            fmt::format("there it has a trigger {}, which can change rows: disable it, or GRANT "
                        "SET ON PARAMETER session_replication_role to our role",
                        trigger));
  }

  // The column of the source that goes into it, if one does.
  [[nodiscard]] std::optional<std::size_t> from_source(const std::string& name) const {
    for (std::size_t i = 0; i < plan_.shape.columns.size(); ++i)
      if (plan_.target_column(i) == name) return i;
    return std::nullopt;
  }

  [[nodiscard]] bool is_added(const std::string& name) const {
    return std::any_of(plan_.rules.added.begin(), plan_.rules.added.end(),
                       [&](const AddedColumn& each) { return each.name == name; });
  }

  void extra(const CatalogColumn& column) {
    if (from_source(column.name) || is_added(column.name)) return;
    if (column.not_null && !column.has_default && !column.generated)
      return blocks(
          fmt::format("column {} is there only, NOT NULL and without default", column.name));
    plan_.existing->extra.push_back(column.name);
    if (!column.generated)
      tells(fmt::format("column {} is there only: it gets its default", column.name));
  }

  void keys() {
    ExistingTarget& existing = *plan_.existing;
    existing.key = there_.key;
    existing.partitioned = there_.kind == 'p';
    bool wider = false;
    for (const auto& unique : there_.unique_keys) {
      existing.upserts = existing.upserts || as_set(unique) == key_;
      wider = wider || contains(as_set(unique), key_);
    }
    if (existing.partitioned) return partition_key(wider);
    if (!existing.upserts)
      blocks(fmt::format("there is no unique index over just the source's key ({}) there",
                         fmt::join(key_, ", ")));
  }

  // Rows go to another partition by delete and insert, which needs no arbiter for ON CONFLICT.
  void partition_key(bool wider) {
    if (!wider)
      planned_.problems.push_back(
          fmt::format("LS-T208 it is partitioned there, and no primary key or unique index holds "
                      "both the source's key ({}) and the partition column",
                      fmt::join(key_, ", ")));
    for (const std::string& column : there_.partition_key)
      if (!from_source(column) && !is_added(column))
        planned_.problems.push_back(fmt::format(
            "LS-T208 it is partitioned there by {}, which the source does not have", column));
  }

  // What the source keeps unique the target may keep as well, or not: the ORM decided.
  void unique_here_only() {
    for (const Index& index : plan_.shape.indexes) {
      if (index.origin == IndexOrigin::primary_key) continue;
      const Names own = told_apart(plan_, index);
      const bool there = std::any_of(there_.unique_keys.begin(), there_.unique_keys.end(),
                                     [&](const auto& unique) { return as_set(unique) == own; });
      if (!own.empty() && !there)
        tells(fmt::format("({}) is unique on the source only", fmt::join(own, ", ")));
    }
  }

  void uniques() {
    for (const auto& unique : there_.unique_keys)
      if (!proven(plan_, as_set(unique)))
        tells(
            fmt::format("({}) is unique there only: two rows that agree in it later will "
                        "stop it (LS-T210)",
                        fmt::join(unique, ", ")));
    for (const auto& unique : there_.deferrable_keys)
      if (!proven(plan_, as_set(unique)))
        tells(fmt::format("({}) is unique there only, and DEFERRABLE: {}", fmt::join(unique, ", "),
                          silent_ ? "nothing checks it while lockstep follows"
                                  : "two rows that agree in it will stop it"));
  }

  void foreign_keys() {
    if (silent_ || there_.foreign_keys.empty()) return;
    const std::string names = fmt::format("{}", fmt::join(there_.foreign_keys, ", "));
    if (!there_.foreign_keys_owned)
      return blocks(
          fmt::format("its foreign keys {} would act by themselves: GRANT SET ON PARAMETER "
                      "session_replication_role to our role (PostgreSQL 15), or run as the "
                      "tables' owner, who may set them aside",
                      names));
    tells(fmt::format("its foreign keys are set aside until lockstep remove SOURCE TARGET: {}",
                      names));
  }

  Planned& planned_;
  TablePlan& plan_;
  const TableCensus& census_;
  const CatalogTable& there_;
  bool silent_;
  Names key_;  // of the source, by their names there
};

}  // namespace

std::vector<std::vector<std::string>> unproven_keys(const TablePlan& plan,
                                                    const CatalogTable& there) {
  std::vector<std::vector<std::string>> found;
  for (const auto* keys : {&there.unique_keys, &there.deferrable_keys})
    for (const auto& unique : *keys)
      if (!proven(plan, as_set(unique))) found.push_back(unique);
  return found;
}

Planned plan_existing(std::uint32_t id, const TableShape& shape, const TableCensus& census,
                      std::int64_t sequence, const CatalogTable& there, bool silent,
                      const TableRules& rules) {
  Planned planned;
  planned.plan.id = id;
  planned.plan.shape = shape;
  planned.plan.sequence = sequence;
  planned.plan.rules = rules;
  planned.plan.existing.emplace();
  tell_rules(planned);
  Meeting(planned, census, there, silent).meet();
  for (const std::size_t key : shape.key) {
    const std::uint64_t nulls =
        census.columns[key].count[static_cast<std::size_t>(ValueClass::null)];
    if (nulls > 0 && !planned.plan.existing->columns[key].not_null)
      planned.problems.push_back(
          fmt::format("key column {} is NULL in {} row(s)", shape.columns[key].name, nulls));
  }
  return planned;
}

}  // namespace lockstep::snapshot

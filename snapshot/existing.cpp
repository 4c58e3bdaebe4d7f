#include "snapshot/existing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/row_stream.hpp"
#include "model/spelling.hpp"

namespace lockstep::snapshot {

namespace {

using Names = std::set<std::string>;
using CatalogColumn = CatalogTable::CatalogColumn;

constexpr std::uint64_t kWithoutZone = 0xffff;  // spellings 0 to 15 (model/spelling)

Names as_set(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

bool contains(const Names& all, const Names& part) {
  return std::includes(all.begin(), all.end(), part.begin(), part.end());
}

// How values travel that become this type: what the server converts by itself on the way into the
// column is exact for every value that misfit_of_target() lets pass.
ColumnType carrier(const TargetType& type, const PromiseCensus& found) {
  switch (type.kind) {
    case TargetKind::integer:
      return ColumnType::bigint;
    case TargetKind::double_precision:
    case TargetKind::real:
      return ColumnType::double_precision;
    case TargetKind::numeric:
      return ColumnType::numeric;
    case TargetKind::text:
    case TargetKind::character:
    case TargetKind::time:
      return ColumnType::text;
    case TargetKind::bytea:
      return ColumnType::bytea;
    case TargetKind::boolean:
      return ColumnType::boolean;
    case TargetKind::date:
      return ColumnType::date;
    case TargetKind::timestamp:
    case TargetKind::timestamptz:
      // No zone is UTC: our sessions are in it. Without values: as ORMs write into SQLite.
      return found.spellings == 0 || (found.spellings & kWithoutZone) != 0
                 ? ColumnType::timestamp
                 : ColumnType::timestamptz;
    case TargetKind::uuid:
      return ColumnType::uuid;
    case TargetKind::json:
    case TargetKind::jsonb:
      return ColumnType::json;
  }
  return ColumnType::text;
}

Promise promise_of(const TargetType& type) {
  if (type.kind == TargetKind::timestamp || type.kind == TargetKind::timestamptz)
    return Promise::instant;
  if (type.kind == TargetKind::uuid) return Promise::uuid;
  return type.kind == TargetKind::json || type.kind == TargetKind::jsonb ? Promise::json
                                                                         : Promise::none;
}

// A unique column without values has to keep to some spelling: that of the ORMs.
std::uint64_t usual_spellings(Promise promise, const Column& column) {
  const auto bit = [](const auto& parsed) { return std::uint64_t{1} << parsed.value().spelling; };
  if (promise == Promise::instant)
    return bit(parse_instant("2000-01-01 00:00:00.123456")) |
           bit(parse_instant("2000-01-01 00:00:00"));
  if (column.declared_type.find("32") != std::string::npos)
    return bit(parse_uuid("6ba7b8109dad41d180b400c04fd430c8"));
  return bit(parse_uuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8"));
}

class Meeting {
 public:
  Meeting(Planned& planned, const TableCensus& census, const CatalogTable& there, bool silent)
      : planned_(planned), plan_(planned.plan), census_(census), there_(there), silent_(silent) {
    for (const std::size_t key : plan_.shape.key) key_.insert(plan_.shape.columns[key].name);
    for (const auto& unique : there.unique_keys) unique_.insert(unique.begin(), unique.end());
  }

  void meet() {
    table();
    for (std::size_t i = 0; i < plan_.shape.columns.size(); ++i) column(i);
    for (const CatalogColumn& each : there_.columns) extra(each);
    keys();
    uniques();
    unique_here_only();
    foreign_keys();
  }

 private:
  void blocks(const std::string& what) { planned_.problems.push_back("LS-T221 " + what); }
  void tells(std::string what) { planned_.warnings.push_back({"LS-T220", std::move(what)}); }

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

  // The plan has one entry for each column, whether it can be carried or not.
  void column(std::size_t i) {
    const Column& column = plan_.shape.columns[i];
    const auto found =
        std::find_if(there_.columns.begin(), there_.columns.end(),
                     [&](const CatalogColumn& each) { return each.name == column.name; });
    ExistingColumn& kept = plan_.existing->columns.emplace_back();
    plan_.types.push_back(ColumnType::text);
    plan_.spellings.emplace_back();
    if (found == there_.columns.end())
      return blocks(column.is_rowid
                        ? std::string("it has no primary key on the source, and no column there "
                                      "for the rowid")
                        : fmt::format("column {} is missing there", column.name));
    kept = *found;
    if (found->generated)
      return blocks(fmt::format("column {} is generated there: PostgreSQL takes no value for it",
                                column.name));
    const auto type = parse_target_type(found->type);
    if (!type)
      return blocks(
          fmt::format("column {} is {} there, a type that lockstep does not fill; as text "
                      "there it would be",
                      column.name, found->type));
    kept.holds = *type;
    values(i, *found, *type);
  }

  void values(std::size_t i, const CatalogColumn& there, const TargetType& type) {
    const std::string& name = there.name;
    const ColumnCensus& census = census_.columns[i];
    const std::uint64_t nulls = census.count[static_cast<std::size_t>(ValueClass::null)];
    if (there.not_null && nulls > 0)
      blocks(fmt::format("column {} is NOT NULL there, and NULL in {} row(s) here", name, nulls));
    else if (there.not_null && !plan_.shape.columns[i].not_null && !plan_.is_key(i))
      tells(fmt::format("column {} is NOT NULL there only: a later NULL will stop it", name));
    if (census.nul_texts + census.invalid_texts > 0)
      blocks(fmt::format("column {} has {} text(s) with U+0000 or that are not UTF-8 ({})", name,
                         census.nul_texts + census.invalid_texts, census.bad_text_example));
    if (census.bytes_max > kValueBytesMax)
      blocks(fmt::format("column {} has a value of {} bytes; the limit is {}", name,
                         census.bytes_max, kValueBytesMax));
    if (census.target_misfits > 0)
      return blocks(fmt::format("column {} is {} there, and {} value(s) do not fit: {}", name,
                                there.type, census.target_misfits, census.target_misfit_example));
    const bool distinct = key_.contains(name) || unique_.contains(name);
    if (there.folds && distinct)
      blocks(
          fmt::format("column {} has a collation there that takes different texts for one", name));
    if (type.kind == TargetKind::numeric && key_.contains(name))
      blocks(fmt::format("column {} is in the key, and {} there", name, there.type));
    spelled(i, type, distinct);
  }

  void spelled(std::size_t i, const TargetType& type, bool distinct) {
    const PromiseCensus& found = census_.columns[i].promise;
    Distinction distinction = distinction_of(plan_.shape, i);
    if (distinct && distinction < Distinction::unique) distinction = Distinction::unique;
    const bool unique = distinction >= Distinction::unique;
    const Promise promise = lockstep::snapshot::promise_of(type);
    // Its indexes there are not made by us.
    const std::string_view why = obstacle(promise, found, unique ? distinction : Distinction::none);
    if (!why.empty()) blocks(fmt::format("column {}: {}", plan_.shape.columns[i].name, why));
    plan_.types[i] = carrier(type, found);
    if (promise == Promise::instant || promise == Promise::uuid)
      plan_.spellings[i] = {found.spellings == 0 && unique
                                ? usual_spellings(promise, plan_.shape.columns[i])
                                : found.spellings,
                            unique};
    if (type.kind == TargetKind::timestamptz && plan_.types[i] == ColumnType::timestamp)
      tells(fmt::format("column {} is {} there; times without an offset are taken for UTC",
                        plan_.shape.columns[i].name, plan_.existing->columns[i].type));
    if (type.kind == TargetKind::jsonb)
      tells(
          fmt::format("column {} is jsonb there, which keeps what the JSON means, not how it is "
                      "written",
                      plan_.shape.columns[i].name));
  }

  void extra(const CatalogColumn& column) {
    if (plan_.shape.column_named(column.name)) return;
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
      if (!plan_.shape.column_named(column))
        planned_.problems.push_back(fmt::format(
            "LS-T208 it is partitioned there by {}, which the source does not have", column));
  }

  // What the source keeps unique the target may keep as well, or not: the ORM decided.
  void unique_here_only() {
    for (const Index& index : plan_.shape.indexes) {
      if (!index.unique || index.partial || index.origin == IndexOrigin::primary_key) continue;
      Names own;
      for (const IndexTerm& term : index.terms)
        if (term.column) own.insert(plan_.shape.columns[*term.column].name);
      if (own.size() != index.terms.size()) continue;
      const bool there = std::any_of(there_.unique_keys.begin(), there_.unique_keys.end(),
                                     [&](const auto& unique) { return as_set(unique) == own; });
      if (!there) tells(fmt::format("({}) is unique on the source only", fmt::join(own, ", ")));
    }
  }

  // Proof that no two rows collapse: the source keeps the same columns, or fewer, unique.
  bool proven(const Names& columns) {
    if (contains(columns, key_)) return true;
    return std::any_of(plan_.shape.indexes.begin(), plan_.shape.indexes.end(),
                       [&](const Index& index) {
                         if (!index.unique || index.partial) return false;
                         Names own;
                         for (const IndexTerm& term : index.terms)
                           if (term.column) own.insert(plan_.shape.columns[*term.column].name);
                         return own.size() == index.terms.size() && contains(columns, own);
                       });
  }

  void uniques() {
    for (const auto& unique : there_.unique_keys)
      if (!proven(as_set(unique)))
        tells(
            fmt::format("({}) is unique there only: two rows that agree in it will stop it "
                        "(LS-T210)",
                        fmt::join(unique, ", ")));
    for (const auto& unique : there_.deferrable_keys)
      if (!proven(as_set(unique)))
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
  Names key_;     // of the source
  Names unique_;  // columns of unique indexes there
};

}  // namespace

Planned plan_existing(std::uint32_t id, const TableShape& shape, const TableCensus& census,
                      std::int64_t sequence, const CatalogTable& there, bool silent) {
  Planned planned;
  planned.plan.id = id;
  planned.plan.shape = shape;
  planned.plan.sequence = sequence;
  planned.plan.existing.emplace();
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

#include "snapshot/existing_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "link/postgres/entry_check.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/row_stream.hpp"
#include "model/spelling.hpp"
#include "snapshot/distinction.hpp"

namespace lockstep::snapshot {

namespace {

using CatalogColumn = CatalogTable::CatalogColumn;

constexpr std::uint64_t kWithoutZone = 0xffff;  // spellings 0 to 15 (model/spelling)

// How values travel that become this type: what the server converts by itself on the way into the
// column is exact for every value that misfit_of_target() lets pass.
ColumnType carrier(const TargetType& type, const Column& declared, const ColumnCensus& census) {
  const PromiseCensus& found = census.promise;
  switch (type.kind) {
    case TargetKind::integer:
      return ColumnType::bigint;
    case TargetKind::interval: {  // without values: as it is declared
      const bool counted = census.count[static_cast<std::size_t>(ValueClass::integer)] > 0;
      const bool instants = found.spellings != 0 || promise_of(declared) == Promise::instant;
      return instants && !counted ? ColumnType::timestamp : ColumnType::bigint;
    }
    case TargetKind::double_precision:
    case TargetKind::real:
      return ColumnType::double_precision;
    case TargetKind::numeric:
      return ColumnType::numeric;
    case TargetKind::text:
    case TargetKind::character:
    case TargetKind::enumeration:
    case TargetKind::inet:
      return ColumnType::text;
    case TargetKind::time:
      return found.spellings != 0 ? ColumnType::timestamp : ColumnType::text;
    case TargetKind::bytea:
      return ColumnType::bytea;
    case TargetKind::boolean:
      return ColumnType::boolean;
    case TargetKind::date:
      return ColumnType::date;
    case TargetKind::timestamp:
    case TargetKind::timestamptz:
      if (found.milliseconds > 0) return ColumnType::timestamp_ms;
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

Promise promise_worth(const TargetType& type) {
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

class ColumnMeeting {
 public:
  ColumnMeeting(Planned& planned, const TableCensus& census, const CatalogTable& there)
      : planned_(planned), plan_(planned.plan), census_(census), there_(there) {
    for (const std::size_t key : plan_.shape.key) key_.insert(plan_.target_column(key));
    for (const auto& unique : there.unique_keys) unique_.insert(unique.begin(), unique.end());
  }

  void meet() {
    for (std::size_t i = 0; i < plan_.shape.columns.size(); ++i) column(i);
    for (const AddedColumn& each : plan_.rules.added) added(each);
  }

 private:
  void blocks(const std::string& what) { snapshot::blocks(planned_, what); }
  void tells(std::string what) { snapshot::tells(planned_, std::move(what)); }

  // As the source calls it, and the target if that is otherwise.
  [[nodiscard]] std::string shown(std::size_t i) const {
    const std::string &here = plan_.shape.columns[i].name, &there = plan_.target_column(i);
    return here == there ? here : fmt::format("{} ({} there)", here, there);
  }

  [[nodiscard]] const CatalogColumn* find(const std::string& name) const {
    const auto found = std::find_if(there_.columns.begin(), there_.columns.end(),
                                    [&](const CatalogColumn& each) { return each.name == name; });
    return found == there_.columns.end() ? nullptr : &*found;
  }

  // What is kept of a column there that gets values; nothing if it can get none.
  std::optional<ExistingColumn> fillable(const CatalogColumn& found, const std::string& name,
                                         bool computed = false) {
    if (found.generated && !computed) {
      blocks(fmt::format("column {} is generated there: PostgreSQL takes no value for it", name));
      return std::nullopt;
    }
    const auto type = found.target_type();
    if (!type) {
      blocks(
          fmt::format("column {} is {} there, a type that lockstep does not fill; as text "
                      "there it would be",
                      name, found.type));
      return std::nullopt;
    }
    ExistingColumn kept = found;
    kept.holds = *type;
    return kept;
  }

  // The plan has one entry for each column, whether it can be carried or not.
  void column(std::size_t i) {
    plan_.existing->columns.emplace_back();
    plan_.types.push_back(ColumnType::text);
    plan_.spellings.emplace_back();
    const CatalogColumn* const found = find(plan_.target_column(i));
    if (found == nullptr)
      return blocks(plan_.shape.columns[i].is_rowid
                        ? std::string("it has no primary key on the source, and no column there "
                                      "for the rowid")
                        : fmt::format("column {} is missing there", shown(i)));
    const std::string computed =
        found->generated && !plan_.is_key(i)
            ? sqlite::generated_expression(plan_.shape.sql, plan_.shape.columns[i].name)
            : std::string();
    const auto kept = fillable(*found, shown(i), !computed.empty());
    if (!kept) return;
    plan_.existing->columns[i] = *kept;
    plan_.shape.columns[i].computed_as = computed;
    if (!computed.empty())
      tells(
          fmt::format("column {} is generated on both sides: it is not written, and verify "
                      "compares it",
                      shown(i)));
    values(i, *found, kept->holds);
  }

  // Of a rule: the ORM has made the column, and every row gets the value.
  void added(const AddedColumn& rule) {
    ExistingColumn& entry = plan_.existing->added.emplace_back();
    const CatalogColumn* const found = find(rule.name);
    if (found == nullptr)
      return blocks(
          fmt::format("column {}, which a rule adds, is missing there: tables that were there are "
                      "not altered",
                      rule.name));
    const auto kept = fillable(*found, rule.name);
    if (!kept) return;
    entry = *kept;
    std::string_view why = misfit_of_target(rule.value.view(), kept->holds);
    // A literal of the server's it would be, which counts nothing since 1970.
    if (rule.value.kind == ValueClass::integer && promise_worth(kept->holds) == Promise::instant)
      why = "it is an integer";
    if (kept->holds.kind == TargetKind::interval) why = "a rule has no intervals";
    if (!why.empty())
      blocks(
          fmt::format("column {} is {} there, and {}, which a rule puts into it, does not fit: "
                      "{}",
                      rule.name, found->type, describe(rule.value.view()), why));
  }

  void values(std::size_t i, const CatalogColumn& there, const TargetType& type) {
    const std::string name = shown(i);
    const ColumnCensus& census = census_.columns[i];
    if (std::string why = unconverted(plan_, i, census_); !why.empty())
      planned_.problems.push_back(std::move(why));
    const std::uint64_t nulls = census.count[static_cast<std::size_t>(ValueClass::null)];
    if (there.not_null && nulls > 0)
      blocks(fmt::format("column {} is NOT NULL there, and NULL in {} row(s) here", name, nulls));
    else if (there.not_null && !plan_.shape.columns[i].not_null && !plan_.is_key(i) &&
             !default_of(i))
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
    const bool in_key = key_.contains(there.name);
    const bool distinct = in_key || unique_.contains(there.name);
    if (there.folds && distinct)
      blocks(fmt::format(
          "column {} has a collation there, of its own or in a unique index, that takes "
          "different texts for one",
          name));
    if ((type.kind == TargetKind::numeric || needs_cast(type.kind)) && in_key)
      blocks(fmt::format("column {} is in the key, and {} there", name, there.type));
    spelled(i, type, distinct);
    default_fits(i, there);
  }

  [[nodiscard]] Cast cast_of(std::size_t i) const {
    return i < plan_.rules.columns.size() ? plan_.rules.columns[i].cast : Cast::none;
  }
  [[nodiscard]] std::optional<Value> default_of(std::size_t i) const {
    return i < plan_.rules.columns.size() ? plan_.rules.columns[i].default_if_null : std::nullopt;
  }

  // These casts spell every value in one way, which is not the application's: none is bound to it.
  [[nodiscard]] bool makes_instants(std::size_t i) const {
    if (cast_of(i) == Cast::none) return false;
    const ColumnType type = type_of(cast_of(i));
    return type == ColumnType::timestamp || type == ColumnType::timestamptz;
  }

  // A NULL may come at any time: what stands in for it has to fit before.
  void default_fits(std::size_t i, const CatalogColumn& there) {
    const auto given = default_of(i);
    if (!given) return;
    std::string scratch;
    const ValueView value = apply_rule(plan_.rules.columns[i], ValueView{}, scratch);
    if (const std::string why = postgres::why_unfit(plan_, i, value); !why.empty())
      blocks(
          fmt::format("column {} is {} there, and {}, which a rule puts in place of NULL, does "
                      "not fit: {}",
                      shown(i), there.type, describe(given->view()), why));
  }

  void spelled(std::size_t i, const TargetType& type, bool distinct) {
    const PromiseCensus& found = census_.columns[i].promise;
    const Promise promise = promise_worth(type);
    const bool instants = promise == Promise::instant && makes_instants(i);
    Distinction distinction = distinction_of(plan_.shape, i);
    if (distinct && distinction < Distinction::unique) distinction = Distinction::unique;
    const bool unique = distinction >= Distinction::unique && !instants;
    // Its indexes there are not made by us.
    const std::string_view why = obstacle(promise, found, unique ? distinction : Distinction::none);
    if (!why.empty()) blocks(fmt::format("column {}: {}", shown(i), why));
    plan_.types[i] =
        instants ? type_of(cast_of(i)) : carrier(type, plan_.shape.columns[i], census_.columns[i]);
    if (promise == Promise::instant && !instants && found.kept == 0)
      planned_.undecided.push_back(i);
    if (type.kind == TargetKind::time && plan_.types[i] == ColumnType::timestamp) {
      plan_.spellings[i] = {found.spellings, distinct};
      tells(fmt::format("column {} is {} there; its texts are times of 2000-01-01", shown(i),
                        plan_.existing->columns[i].type));
    }
    if (type.kind == TargetKind::interval && plan_.types[i] == ColumnType::timestamp) {
      plan_.spellings[i] = {found.spellings == 0
                                ? usual_spellings(Promise::instant, plan_.shape.columns[i])
                                : found.spellings,
                            distinct};
      tells(
          fmt::format("column {} is {} there; its instants are taken for the time from "
                      "1970-01-01 on, as SQLAlchemy has it",
                      shown(i), plan_.existing->columns[i].type));
    }
    if (!instants && (promise == Promise::instant || promise == Promise::uuid))
      plan_.spellings[i] = {found.spellings == 0 && unique
                                ? usual_spellings(promise, plan_.shape.columns[i])
                                : found.spellings,
                            unique};
    if (plan_.types[i] == ColumnType::timestamp_ms)
      tells(fmt::format("column {} is {} there; its integers are taken for milliseconds since 1970",
                        shown(i), plan_.existing->columns[i].type));
    if (type.kind == TargetKind::timestamptz && plan_.types[i] == ColumnType::timestamp)
      tells(fmt::format("column {} is {} there; times without an offset are taken for UTC",
                        shown(i), plan_.existing->columns[i].type));
    if (type.kind == TargetKind::jsonb)
      tells(
          fmt::format("column {} is jsonb there, which keeps what the JSON means, not how it is "
                      "written",
                      shown(i)));
  }

  Planned& planned_;
  TablePlan& plan_;
  const TableCensus& census_;
  const CatalogTable& there_;
  std::set<std::string> key_;     // of the source, by their names there
  std::set<std::string> unique_;  // columns of unique indexes there
};

}  // namespace

void blocks(Planned& planned, const std::string& what) {
  planned.problems.push_back("LS-T221 " + what);
}

void tells(Planned& planned, std::string what) {
  planned.warnings.push_back({"LS-T220", std::move(what)});
}

void meet_columns(Planned& planned, const TableCensus& census, const CatalogTable& there) {
  ColumnMeeting(planned, census, there).meet();
}

}  // namespace lockstep::snapshot

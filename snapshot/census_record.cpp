#include "snapshot/census_record.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "link/wire/control.hpp"

namespace lockstep::snapshot {

namespace {

using Json = nlohmann::json;

// With a structure that is named member by member a new member does not compile before it is here,
// and one list serves both ways.
template <class Field>
void visit(PromiseCensus& promise, const Field& field) {
  auto& [broken, broken_by, kept, spellings, milliseconds, empty_fractions] = promise;
  field(broken), field(broken_by), field(kept), field(spellings);
  field(milliseconds), field(empty_fractions);
}

template <class Field>
void visit(Extremes& extremes, const Field& field) {
  auto& [integer_min, integer_max, real_min, real_max, text_bytes_max] = extremes;
  field(integer_min), field(integer_max), field(real_min), field(real_max);
  field(text_bytes_max);
}

template <class Field>
void visit(ColumnCensus& column, const Field& field) {
  auto& [count, example, nul_texts, invalid_texts, bad_text_example, whole_reals,
         whole_real_example, bytes_max, cast_misfits, cast_misfit_example, promise, target_misfits,
         target_misfit_example, extremes, formats] = column;
  for (std::uint64_t& each : count) field(each);
  for (std::string& each : example) field(each);
  field(nul_texts), field(invalid_texts), field(bad_text_example);
  field(whole_reals), field(whole_real_example), field(bytes_max);
  field(cast_misfits), field(cast_misfit_example);
  visit(promise, field);
  field(target_misfits), field(target_misfit_example);
  visit(extremes, field);
  field(formats.found);
}

template <class Field>
void visit(TableCensus& table, const Field& field) {
  auto& [rows, bytes, whole, columns, row_bytes_max, widest_row] = table;
  field(rows), field(bytes), field(whole), field(row_bytes_max), field(widest_row);
  for (ColumnCensus& column : columns) visit(column, field);
}

struct FieldWriter {
  Json& out;
  template <class T>
  void operator()(const T& value) const {
    out.push_back(value);
  }
  template <class T>
  void operator()(const std::optional<T>& value) const {
    out.push_back(value ? Json(*value) : Json());
  }
};

struct FieldReader {
  const Json& in;
  std::size_t& at;
  template <class T>
  void operator()(T& value) const {
    in.at(at++).get_to(value);
  }
  template <class T>
  void operator()(std::optional<T>& value) const {
    const Json& next = in.at(at++);
    if (!next.is_null()) value = next.get<T>();
  }
};

}  // namespace

std::string asked_for(const TableShape& shape, const TableRules& rules, const TargetTypes& targets,
                      Integers integers) {
  // The plan's own text has every member of shape and rules in it.
  TablePlan plan;
  plan.shape = shape;
  plan.types.resize(shape.columns.size(), ColumnType::text);
  plan.rules = rules;
  std::string text = wire::encode_plan(plan) + shape.sql;
  for (const std::optional<TargetType>& type : targets)
    text += type ? fmt::format("|{}:{}:{}{}", static_cast<int>(type->kind), type->limit,
                               type->scale, fmt::join(type->labels, "\1"))
                 : std::string("|");
  if (integers == Integers::milliseconds) text += "|milliseconds";
  return text;
}

std::string encode_census(const CensusRecord& record, std::string_view version) {
  Json tables = Json::object();
  for (const auto& [name, known] : record.tables) {
    TableCensus census = known.census;
    Json values = Json::array();
    visit(census, FieldWriter{values});
    tables[name] =
        Json::array({known.asked, known.seconds, known.census.columns.size(), std::move(values)});
  }
  const Json json{{"version", version},
                  {"state", record.state},
                  {"taken_us", record.taken_us},
                  {"tables", std::move(tables)}};
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

std::optional<CensusRecord> decode_census(std::string_view bytes, std::string_view version) {
  const Json json = Json::from_cbor(bytes, true, false);
  if (!json.is_object()) return std::nullopt;
  try {
    if (json.at("version").get<std::string>() != version) return std::nullopt;
    CensusRecord record{
        json.at("state").get<std::string>(), json.at("taken_us").get<std::int64_t>(), {}};
    for (const auto& [name, table] : json.at("tables").items()) {
      KnownTable known{table.at(0).get<std::string>(), table.at(1).get<double>(), {}};
      const auto columns = table.at(2).get<std::size_t>();
      if (columns > table.at(3).size()) return std::nullopt;
      known.census.columns.resize(columns);
      std::size_t at = 0;
      visit(known.census, FieldReader{table.at(3), at});
      if (at != table.at(3).size()) return std::nullopt;
      record.tables.emplace(name, std::move(known));
    }
    return record;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace lockstep::snapshot

// What a plan keeps of a table that was there as JSON: exact in both directions.
#include <utility>

#include "link/wire/json.hpp"

namespace lockstep::wire {

namespace {

Json existing_columns_to_json(const std::vector<ExistingColumn>& columns) {
  Json json = Json::array();
  for (const ExistingColumn& column : columns) {
    json.push_back({{"type", column.type}, {"not_null", column.not_null}});
    if (!column.labels.empty()) json.back()["labels"] = texts_to_json(column.labels);
  }
  return json;
}

ExistingColumn existing_column_from_json(const JsonReader& from, std::string name) {
  ExistingColumn column;
  column.name = std::move(name);
  column.type = from.string("type");
  column.not_null = from.boolean("not_null");
  if (from.has("labels")) column.labels = texts_from_json(from.member("labels"));
  const auto holds = column.target_type();
  if (!holds) throw_unfit(from.body_of(), "\"existing\" has a type that is not known");
  column.holds = *holds;
  return column;
}

}  // namespace

Json existing_to_json(const ExistingTarget& existing) {
  Json json{{"columns", existing_columns_to_json(existing.columns)},
            {"extra", texts_to_json(existing.extra)},
            {"key", texts_to_json(existing.key)},
            {"upserts", existing.upserts},
            {"partitioned", existing.partitioned},
            {"replaces_rows", existing.replaces_rows}};
  if (!existing.added.empty()) json["added"] = existing_columns_to_json(existing.added);
  return json;
}

ExistingTarget existing_from_json(const JsonReader& from, const TablePlan& plan) {
  ExistingTarget existing;
  const Json& columns = from.member("columns").array();
  const Json none = Json::array();
  const Json& added = from.has("added") ? from.member("added").array() : none;
  if (columns.size() != plan.shape.columns.size() || added.size() != plan.rules.added.size())
    throw_unfit(from.body_of(), "\"existing\" has another number of columns");
  for (std::size_t i = 0; i < columns.size(); ++i)
    existing.columns.push_back(
        existing_column_from_json(JsonReader(from.body_of(), columns[i]), plan.target_column(i)));
  for (std::size_t i = 0; i < added.size(); ++i)
    existing.added.push_back(
        existing_column_from_json(JsonReader(from.body_of(), added[i]), plan.rules.added[i].name));
  existing.extra = texts_from_json(from.member("extra"));
  existing.key = texts_from_json(from.member("key"));
  existing.upserts = from.boolean("upserts");
  existing.partitioned = from.boolean("partitioned");
  existing.replaces_rows = from.boolean("replaces_rows");
  return existing;
}

}  // namespace lockstep::wire

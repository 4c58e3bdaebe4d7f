// Table plans and keys as JSON: exact in both directions.
#include <fmt/format.h>

#include <array>
#include <bit>
#include <utility>

#include "link/wire/control.hpp"
#include "link/wire/json.hpp"
#include "model/bad_value.hpp"
#include "model/row_stream.hpp"
#include "model/spelling.hpp"

namespace lockstep::wire {

namespace {

template <class Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Names<Affinity, 5> kAffinities{{{Affinity::integer, "integer"},
                                          {Affinity::real, "real"},
                                          {Affinity::numeric, "numeric"},
                                          {Affinity::text, "text"},
                                          {Affinity::blob, "blob"}}};
constexpr Names<Generated, 3> kGenerated{
    {{Generated::no, "no"}, {Generated::virtual_column, "virtual"}, {Generated::stored, "stored"}}};
constexpr Names<IndexOrigin, 3> kOrigins{{{IndexOrigin::created, "created"},
                                          {IndexOrigin::unique_constraint, "unique"},
                                          {IndexOrigin::primary_key, "primary_key"}}};

template <class Enum, std::size_t N>
std::string name_of(const Names<Enum, N>& names, Enum value) {
  for (const auto& [known, name] : names)
    if (known == value) return std::string(name);
  broken_promise("every enumerator has a name", __FILE__, __LINE__);
}

template <class Enum, std::size_t N>
Enum named(const Names<Enum, N>& names, const JsonReader& from, const char* member) {
  const std::string name = from.string(member);
  for (const auto& [known, text] : names)
    if (text == name) return known;
  throw_unfit(from.body_of(), fmt::format("\"{}\" is none that is known", member));
}

std::size_t column_number(std::string_view body_of, const Json& json, std::size_t columns) {
  const std::uint64_t number = read_count(body_of, json);
  // Everything that reads a plan indexes the columns with it.
  if (number >= columns) throw_unfit(body_of, "a column number is out of range");
  return static_cast<std::size_t>(number);
}

Json spellings_to_json(const ColumnSpelling& spelling, ColumnType type) {
  Json names = Json::array();
  for (unsigned i = 0; i < spellings_of(type); ++i)
    if ((spelling.found >> i & 1) != 0) names.push_back(spelling_name(type, i));
  return names;
}

ColumnSpelling spelling_from_json(const JsonReader& column, ColumnType type) {
  ColumnSpelling spelling;
  if (!column.has("spellings")) return spelling;
  for (const Json& json : column.member("spellings").array()) {
    const auto known =
        json.is_string() ? parse_spelling(type, json.get<std::string>()) : std::nullopt;
    if (!known) throw_unfit(column.body_of(), "\"spellings\" has one that is not known");
    spelling.found |= std::uint64_t{1} << *known;
  }
  spelling.bound = column.boolean("spelling_bound");
  return spelling;
}

OnBadValue choice_from_json(const JsonReader& column) {
  if (!column.has("on_bad_value")) return OnBadValue::stop;
  // A choice of a newer lockstep is none of ours: then nothing goes on without being asked.
  return parse_on_bad_value(column.string("on_bad_value")).value_or(OnBadValue::stop);
}

Json column_to_json(const Column& column, ColumnType type, const ColumnSpelling& spelling) {
  Json json{{"name", exact_text(column.name)},
            {"declared_type", exact_text(column.declared_type)},
            {"affinity", name_of(kAffinities, column.affinity)},
            {"not_null", column.not_null},
            {"generated", name_of(kGenerated, column.generated)},
            {"default", exact_text(column.default_sql)},
            {"collation", exact_text(column.collation)},
            {"type", std::string(to_string(type))}};
  if (column.is_rowid) json["is_rowid"] = true;
  if (!column.computed_as.empty()) json["computed_as"] = exact_text(column.computed_as);
  if (spelling.found != 0) {
    json["spellings"] = spellings_to_json(spelling, type);
    json["spelling_bound"] = spelling.bound;
  }
  return json;
}

Column column_from_json(const JsonReader& from) {
  Column column;
  column.name = from.exact_text("name");
  column.declared_type = from.exact_text("declared_type");
  column.affinity = named(kAffinities, from, "affinity");
  column.not_null = from.boolean("not_null");
  column.generated = named(kGenerated, from, "generated");
  column.default_sql = from.exact_text("default");
  column.collation = from.exact_text("collation");
  column.is_rowid = from.has("is_rowid") && from.boolean("is_rowid");
  if (from.has("computed_as")) column.computed_as = from.exact_text("computed_as");
  return column;
}

Json index_to_json(const Index& index) {
  Json terms = Json::array();
  for (const IndexTerm& term : index.terms) {
    Json& added = terms.emplace_back(Json{{"column", term.column ? Json(*term.column) : Json()},
                                          {"collation", exact_text(term.collation)},
                                          {"descending", term.descending}});
    if (!term.expression.empty()) added["expression"] = exact_text(term.expression);
  }
  Json json{{"name", exact_text(index.name)},
            {"origin", name_of(kOrigins, index.origin)},
            {"unique", index.unique},
            {"partial", index.partial},
            {"terms", std::move(terms)}};
  if (!index.where_sql.empty()) json["where"] = exact_text(index.where_sql);
  return json;
}

Index index_from_json(const JsonReader& from, std::size_t columns) {
  Index index;
  index.name = from.exact_text("name");
  index.origin = named(kOrigins, from, "origin");
  index.unique = from.boolean("unique");
  index.partial = from.boolean("partial");
  if (from.has("where")) index.where_sql = from.exact_text("where");
  for (const Json& json : from.member("terms").array()) {
    const JsonReader term(from.body_of(), json);
    IndexTerm& added = index.terms.emplace_back();
    if (term.has("column"))
      added.column = column_number(from.body_of(), term.member("column").json(), columns);
    added.collation = term.exact_text("collation");
    added.descending = term.boolean("descending");
    if (term.has("expression")) added.expression = term.exact_text("expression");
  }
  return index;
}

Json reference_to_json(const ForeignKey& key) {
  return {{"columns", texts_to_json(key.columns)},
          {"parent", exact_text(key.parent)},
          {"parent_columns", texts_to_json(key.parent_columns)},
          {"on_update", key.on_update},
          {"on_delete", key.on_delete},
          {"deferred", key.deferred}};
}

ForeignKey reference_from_json(const JsonReader& from) {
  return {texts_from_json(from.member("columns")),
          from.exact_text("parent"),
          texts_from_json(from.member("parent_columns")),
          from.string("on_update"),
          from.string("on_delete"),
          from.boolean("deferred")};
}

Json shape_to_json(const TablePlan& plan) {
  const TableShape& shape = plan.shape;
  Json columns = Json::array();
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    columns.push_back(column_to_json(shape.columns[i], plan.types[i], plan.spelling(i)));
    const OnBadValue choice = plan.on_bad_value_of(i);
    if (choice != OnBadValue::stop) columns.back()["on_bad_value"] = std::string(to_string(choice));
    if (plan.is_personal(i)) columns.back()["pii"] = true;
  }
  Json indexes = Json::array();
  for (const Index& index : shape.indexes) indexes.push_back(index_to_json(index));
  Json json{{"name", exact_text(shape.name)},
            {"columns", std::move(columns)},
            {"key", shape.key},
            {"rowid_alias", shape.rowid_alias ? Json(*shape.rowid_alias) : Json()},
            {"without_rowid", shape.without_rowid},
            {"autoincrement", shape.autoincrement},
            {"rowid_name", exact_text(shape.rowid_name)},
            {"indexes", std::move(indexes)},
            {"foreign_keys", shape.foreign_keys},
            {"checks", shape.checks},
            {"sql", exact_text(shape.sql)}};
  if (shape.keyed_by_rowid) json["keyed_by_rowid"] = true;
  if (!shape.references.empty()) {
    Json& references = json["references"] = Json::array();
    for (const ForeignKey& key : shape.references) references.push_back(reference_to_json(key));
  }
  return json;
}

void read_columns(const JsonReader& from, TablePlan& plan) {
  for (const Json& json : from.member("columns").array()) {
    const JsonReader column(from.body_of(), json);
    plan.shape.columns.push_back(column_from_json(column));
    const auto type = parse_column_type(column.string("type"));
    if (!type) throw_unfit(from.body_of(), "\"type\" is none that is known");
    plan.types.push_back(*type);
    plan.spellings.push_back(spelling_from_json(column, *type));
    plan.on_bad_value.push_back(choice_from_json(column));
    plan.personal.push_back(column.has("pii") && column.boolean("pii"));
  }
}

void read_shape(const JsonReader& from, TablePlan& plan) {
  TableShape& shape = plan.shape;
  shape.name = from.exact_text("name");
  read_columns(from, plan);
  const std::size_t columns = shape.columns.size();
  for (const Json& json : from.member("key").array())
    shape.key.push_back(column_number(from.body_of(), json, columns));
  if (from.has("rowid_alias"))
    shape.rowid_alias = column_number(from.body_of(), from.member("rowid_alias").json(), columns);
  shape.without_rowid = from.boolean("without_rowid");
  shape.autoincrement = from.boolean("autoincrement");
  shape.keyed_by_rowid = from.has("keyed_by_rowid") && from.boolean("keyed_by_rowid");
  shape.rowid_name = from.exact_text("rowid_name");
  for (const Json& json : from.member("indexes").array())
    shape.indexes.push_back(index_from_json(JsonReader(from.body_of(), json), columns));
  shape.foreign_keys = from.count("foreign_keys");
  if (from.has("references"))
    for (const Json& json : from.member("references").array())
      shape.references.push_back(reference_from_json(JsonReader(from.body_of(), json)));
  shape.checks = from.count("checks");
  shape.sql = from.exact_text("sql");
}

Json value_to_json(const Value& value) {
  const std::string kind(to_string(value.kind));
  switch (value.kind) {
    case ValueClass::null:
      return Json::array({kind, nullptr});
    case ValueClass::integer:
      return Json::array({kind, value.integer});
    case ValueClass::real:
      return Json::array({kind, fmt::format("{:016x}", std::bit_cast<std::uint64_t>(value.real))});
    case ValueClass::text:
      return Json::array({kind, exact_text(value.bytes)});
    case ValueClass::blob:
      return Json::array({kind, to_hex(value.bytes)});
  }
  broken_promise("a value has one of five classes", __FILE__, __LINE__);
}

std::string hex_bytes(std::string_view body_of, const Json& json) {
  if (!json.is_string()) throw_unfit(body_of, "a value is not a string of hex digits");
  auto bytes = from_hex(json.get_ref<const std::string&>());
  if (!bytes) throw_unfit(body_of, "hex digits do not pair up");
  return *std::move(bytes);
}

Value value_from_json(std::string_view body_of, const Json& json) {
  if (!json.is_array() || json.size() != 2 || !json[0].is_string())
    throw_unfit(body_of, "a value is not a pair of class and value");
  const auto& kind = json[0].get_ref<const std::string&>();
  Value value;
  if (kind == "null") {
    if (!json[1].is_null()) throw_unfit(body_of, "a null has a value");
  } else if (kind == "integer") {
    value.kind = ValueClass::integer;
    value.integer = read_integer(body_of, json[1]);
  } else if (kind == "real") {
    value.kind = ValueClass::real;
    const std::string bits = hex_bytes(body_of, json[1]);
    if (bits.size() != sizeof(double)) throw_unfit(body_of, "a real has not 16 hex digits");
    value.real = std::bit_cast<double>(get_u64(bits.data()));
  } else if (kind == "text") {
    value.kind = ValueClass::text;
    value.bytes = read_exact_text(body_of, json[1]);
  } else if (kind == "blob") {
    value.kind = ValueClass::blob;
    value.bytes = hex_bytes(body_of, json[1]);
  } else {
    throw_unfit(body_of, "a value's class is none of SQLite's five");
  }
  return value;
}

}  // namespace

Json plan_to_json(const TablePlan& plan) {
  check(plan.types.size() == plan.shape.columns.size(), "a plan has one type per column");
  Json json{{"id", plan.id},
            {"shape", shape_to_json(plan)},
            {"sequence", plan.sequence},
            {"carried_indexes", texts_to_json(plan.carried_indexes)},
            {"left_out", texts_to_json(plan.left_out)}};
  if (Json rules = rules_to_json(plan.rules); !rules.empty()) json["rules"] = std::move(rules);
  if (plan.existing) json["existing"] = existing_to_json(*plan.existing);
  return json;
}

TablePlan plan_from_json(std::string_view body_of, const Json& json) {
  const JsonReader from(body_of, json);
  TablePlan plan;
  plan.id = from.table("id");
  read_shape(from.member("shape"), plan);
  plan.sequence = from.integer("sequence");
  plan.carried_indexes = texts_from_json(from.member("carried_indexes"));
  plan.left_out = texts_from_json(from.member("left_out"));
  if (from.has("rules"))
    plan.rules = rules_from_json(from.member("rules"), plan.shape.columns.size());
  if (from.has("existing")) plan.existing = existing_from_json(from.member("existing"), plan);
  return plan;
}

Json key_to_json(const std::vector<Value>& key) {
  Json json = Json::array();
  for (const Value& value : key) json.push_back(value_to_json(value));
  return json;
}

std::vector<Value> key_from_json(std::string_view body_of, const Json& json) {
  std::vector<Value> key;
  for (const Json& value : JsonReader(body_of, json).array())
    key.push_back(value_from_json(body_of, value));
  return key;
}

std::string encode_plan(const TablePlan& plan) {
  return dump_json(plan_to_json(plan));
}

TablePlan decode_plan(std::string_view json) {
  return plan_from_json("table plan", parse_json("table plan", json));
}

std::string encode_value(const Value& value) {
  return dump_json(value_to_json(value));
}

Value decode_value(std::string_view json) {
  return value_from_json("value", parse_json("value", json));
}

std::string encode_key(const std::vector<Value>& key) {
  return dump_json(key_to_json(key));
}

std::vector<Value> decode_key(std::string_view json) {
  return key_from_json("table cursor", parse_json("table cursor", json));
}

}  // namespace lockstep::wire

// What is kept of a row in quarantine, what its owner may choose, and the type that most values
// have.
#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "link/postgres/entry_check.hpp"
#include "link/wire/control.hpp"
#include "link/wire/held_row.hpp"
#include "model/bad_value.hpp"
#include "model/entry_key.hpp"
#include "snapshot/majority.hpp"

namespace lockstep::test {
namespace {

Value integer(std::int64_t number) {
  return Value(ValueView{.kind = ValueClass::integer, .integer = number});
}
Value real(double number) {
  return Value(ValueView{.kind = ValueClass::real, .real = number});
}
Value text(std::string_view bytes) {
  return Value(ValueView{.kind = ValueClass::text, .bytes = bytes});
}
Value blob(std::string_view bytes) {
  return Value(ValueView{.kind = ValueClass::blob, .bytes = bytes});
}

TablePlan plan_of(std::vector<ColumnType> types, std::vector<std::size_t> key) {
  TablePlan plan;
  plan.id = 7;
  plan.shape.name = "t";
  for (std::size_t i = 0; i < types.size(); ++i)
    plan.shape.columns.emplace_back().name = std::string(1, static_cast<char>('a' + i));
  plan.shape.key = std::move(key);
  plan.types = std::move(types);
  return plan;
}

std::string values_of(const std::vector<Value>& values) {
  std::string entry;
  EntryWriter writer(entry);
  writer.begin(7, true);
  for (const Value& value : values) writer.put(value.view());
  writer.end();
  return entry.substr(kEntryPrefixBytes + 5);  // without length, table and presence
}

ColumnCensus census(std::array<std::uint64_t, 5> count) {
  ColumnCensus found;
  found.count = count;
  const std::array<std::string, 5> examples{"", "an integer", "a real", "a text", "a blob"};
  for (std::size_t i = 0; i < count.size(); ++i)
    if (count[i] > 0) found.example[i] = examples[i];
  return found;
}

std::string majority(const std::string& declared, const ColumnCensus& found,
                     ColumnUse use = ColumnUse::plain) {
  Column column;
  column.declared_type = declared;
  column.affinity = affinity_of(declared);
  const auto most = snapshot::majority_type(column, found, use);
  if (!most) return "none";
  return std::string(to_string(most->type)) + " " + std::to_string(most->odd) + " " + most->example;
}

}  // namespace

TEST_CASE("a value of any class comes back from its text in the quarantine bit by bit", "[unit]") {
  using namespace std::string_literals;
  for (const Value& value :
       {Value(), integer(0), integer(std::numeric_limits<std::int64_t>::min()), real(-0.0),
        real(0.1), real(5e-324), real(std::numeric_limits<double>::infinity()), text(""),
        text("a\0b"s), text("\xff\xfe"), text("[\"x\"]\n\\"), text("\u20ac"), blob(""),
        blob("\0\xff"s)}) {
    const std::string json = wire::encode_value(value);
    INFO(json);
    CHECK(same_value(wire::decode_value(json).view(), value.view()));
    CHECK(json.find('\0') == std::string::npos);
    CHECK(same_value(wire::decode_key(wire::encode_key({value})).at(0).view(), value.view()));
  }
}

TEST_CASE("a row is held under its key, with the first value that does not fit", "[unit]") {
  TablePlan plan =
      plan_of({ColumnType::bigint, ColumnType::text, ColumnType::double_precision}, {2, 1});
  plan.on_bad_value.assign(3, OnBadValue::quarantine);
  const std::string values = values_of({text("x"), blob("y"), real(-0.0)});
  const EntryView entry{7, true, values};
  const auto bad = postgres::check_entry(plan, entry);
  REQUIRE(bad);
  CHECK(bad->column == 0);
  const HeldRow row = wire::held_row(plan, entry, bad->column, bad->reason);
  CHECK(row.key == R"([["real","0000000000000000"],["blob","79"]])");
  CHECK(row.column == "a");
  CHECK(row.value == R"(["text","x"])");
  CHECK(row.bytes == 1);
  CHECK(row.code == "LS-D401");
  CHECK(row.reason == "it is text, the column was decided to be bigint");
  const std::string key = values_of({real(0.0), blob("y")});
  CHECK(wire::encode_key_of(plan, {7, false, key}) == row.key);
  CHECK_FALSE(postgres::key_fits(plan, {7, false, key}));
  plan.on_bad_value[1] = OnBadValue::stop;
  CHECK_THROWS_WITH(postgres::check_entry(plan, entry), Catch::Contains("t.b"));
}

TEST_CASE("a choice is a column's own, else that of all, else the one before", "[unit]") {
  TablePlan before = plan_of({ColumnType::text, ColumnType::text}, {0});
  before.on_bad_value = {OnBadValue::quarantine, OnBadValue::stop};
  TableShape now = before.shape;
  now.columns.emplace_back().name = "new";
  using enum OnBadValue;
  using Choices = std::vector<OnBadValue>;
  BadValuePolicy policy;
  CHECK(choices_for(policy, now, &before, stop) == Choices{quarantine, stop, stop});
  CHECK(choices_for(policy, now, &before, quarantine) == Choices{quarantine, stop, quarantine});
  CHECK(choices_for(policy, now, nullptr, stop) == Choices{stop, stop, stop});
  policy.columns = {{"t.b", quarantine}, {"u.a", stop}};
  CHECK(choices_for(policy, now, &before, stop) == Choices{quarantine, quarantine, stop});
  policy.all = stop;
  CHECK(choices_for(policy, now, &before, quarantine) == Choices{stop, quarantine, stop});
  CHECK(unknown_columns(policy, {&now}) == std::vector<std::string>{"u.a"});
}

TEST_CASE(
    "a column that became text by its choice stays so, and no rule of a configuration did it") {
  TablePlan before;
  before.shape.name = "t";
  before.shape.columns.resize(2);
  before.shape.columns[0].name = "a";
  before.shape.columns[1].name = "b";
  before.on_bad_value = {OnBadValue::text, OnBadValue::text};
  before.rules.columns.resize(2);
  before.rules.columns[1].cast = Cast::text;
  CHECK_FALSE(before.became_text(0));
  CHECK(before.became_text(1));
  TableShape now = before.shape;
  now.columns.resize(3);
  now.columns[0].name = "b";
  now.columns[1].name = "a";
  now.columns[2].name = "c";
  BadValuePolicy policy;
  policy.all = OnBadValue::quarantine;
  CHECK(choices_for(policy, now, &before, OnBadValue::stop) ==
        std::vector{OnBadValue::text, OnBadValue::quarantine, OnBadValue::quarantine});
  const TableRules rules = with_fallbacks({}, now, &before);
  REQUIRE(rules.columns.size() == 3);
  CHECK(rules.columns[0].cast == Cast::text);
  CHECK(rules.columns[1].cast == Cast::none);
  CHECK(
      changed_rules(before.rules, with_fallbacks({}, before.shape, &before), before.shape).empty());
  CHECK_FALSE(changed_rules(before.rules, {}, before.shape).empty());
  CHECK(with_fallbacks({}, now, nullptr).columns.empty());
}

TEST_CASE("a plan carries the choices; one without them, or with an unknown one, stops", "[unit]") {
  TablePlan plan = plan_of({ColumnType::text, ColumnType::text}, {0});
  CHECK(wire::encode_plan(plan).find("on_bad_value") == std::string::npos);
  CHECK(wire::decode_plan(wire::encode_plan(plan)).on_bad_value_of(1) == OnBadValue::stop);
  plan.on_bad_value = {OnBadValue::stop, OnBadValue::quarantine};
  std::string json = wire::encode_plan(plan);
  CHECK(wire::decode_plan(json).on_bad_value == plan.on_bad_value);
  json.replace(json.find("\"quarantine\""), 12, "\"forget it\"");
  CHECK(wire::decode_plan(json).on_bad_value_of(1) == OnBadValue::stop);
}

TEST_CASE("the class of most values decides, and of equals the declared one", "[unit]") {
  // NULLs, integers, reals, texts, blobs
  CHECK(majority("INT", census({5, 9, 0, 1, 1})) == "bigint 2 a text");
  CHECK(majority("INT", census({0, 1, 0, 2, 0})) == "text 1 an integer");
  CHECK(majority("INT", census({0, 1, 0, 1, 0})) == "bigint 1 a text");
  CHECK(majority("TEXT", census({0, 0, 0, 1, 1})) == "text 1 a blob");
  CHECK(majority("BLOB", census({0, 0, 0, 1, 1})) == "bytea 1 a text");
  CHECK(majority("DECIMAL", census({0, 2, 2, 3, 0})) == "numeric 3 a text");
  CHECK(majority("DECIMAL", census({0, 2, 2, 3, 0}), ColumnUse::key) == "text 4 an integer");
  CHECK(majority("INT", census({0, 9, 0, 0, 0})) == "none");
  ColumnCensus texts = census({0, 0, 0, 9, 0});
  texts.nul_texts = 1;
  texts.invalid_texts = 2;
  texts.bad_text_example = "a bad text";
  CHECK(majority("TEXT", texts) == "text 3 a bad text");
  texts.count[1] = 20;
  texts.example[1] = "an integer";
  CHECK(majority("TEXT", texts) == "bigint 9 a text");
}

}  // namespace lockstep::test

#include "link/wire/control.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <random>

#include "tests/support/seed.hpp"
#include "tests/unit/sample_values.hpp"

namespace lockstep::wire {
namespace {

Position sample_position(std::int64_t seq) {
  Position position{{}, seq, -77'120'934};
  for (std::size_t i = 0; i < position.era.bytes.size(); ++i)
    position.era.bytes[i] = static_cast<std::uint8_t>(i * 17);
  return position;
}

TablePlan sample_plan() {
  TablePlan plan;
  plan.id = 4'000'000'000U;
  plan.sequence = 9'007'199'254'740'993;  // not a double
  plan.types = {ColumnType::bigint, ColumnType::text, ColumnType::double_precision,
                ColumnType::uuid};
  plan.spellings.resize(4);
  plan.spellings[3] = {.found = 0b101, .bound = true};
  TableShape& shape = plan.shape;
  shape.name = "we\"ird 'table' \xe2\x82\xac";
  shape.columns = {
      {"id", "INTEGER", Affinity::integer, true, Generated::no, "", "BINARY"},
      {"na\"me", "VARCHAR(10)", Affinity::text, false, Generated::no, "'a\"b'", "NOCASE"},
      {"\xc3\xa4", "", Affinity::real, false, Generated::stored, "x'00'", "RTRIM"},
      {"", "BLOB", Affinity::blob, false, Generated::virtual_column, "'\xff'", "BINARY"}};
  shape.key = {1, 0};
  shape.rowid_alias = 0;
  shape.autoincrement = true;
  shape.keyed_by_rowid = true;
  shape.columns[2].is_rowid = true;
  shape.rowid_name = "_rowid_";
  shape.indexes = {{"i\"1", IndexOrigin::created, true, true, {{1, "NOCASE", true}, {}}},
                   {"u", IndexOrigin::unique_constraint, true, false, {{3, "BINARY", false}}},
                   {"p", IndexOrigin::primary_key, true, false, {}},
                   {"e",
                    IndexOrigin::created,
                    true,
                    true,
                    {{{}, "NOCASE", false, "lower(\"caf\xe9\")"}},
                    "a > '\xe9'"}};
  shape.foreign_keys = 3;
  shape.references = {{{"a\xe9", "b"}, "p\"arent", {}, "NO ACTION", "CASCADE", true},
                      {{"c"}, "q", {"d"}, "SET NULL", "RESTRICT", false}};
  shape.checks = 2;
  shape.sql = "CREATE TABLE \"we\"\"ird\" (\n -- caf\xe9 in latin-1\n id INTEGER)";
  return plan;
}

void check_same(const TablePlan& a, const TablePlan& b) {
  CHECK(a.id == b.id);
  CHECK(a.sequence == b.sequence);
  CHECK(a.types == b.types);
  CHECK(a.spellings == b.spellings);
  CHECK(a.shape.name == b.shape.name);
  CHECK(a.shape.key == b.shape.key);
  CHECK(a.shape.rowid_alias == b.shape.rowid_alias);
  CHECK(a.shape.without_rowid == b.shape.without_rowid);
  CHECK(a.shape.keyed_by_rowid == b.shape.keyed_by_rowid);
  CHECK(a.shape.autoincrement == b.shape.autoincrement);
  CHECK(a.shape.rowid_name == b.shape.rowid_name);
  CHECK(a.shape.foreign_keys == b.shape.foreign_keys);
  REQUIRE(a.shape.references.size() == b.shape.references.size());
  for (std::size_t i = 0; i < a.shape.references.size(); ++i) {
    const ForeignKey &x = a.shape.references[i], &y = b.shape.references[i];
    CHECK(x.columns == y.columns);
    CHECK(x.parent == y.parent);
    CHECK(x.parent_columns == y.parent_columns);
    CHECK(x.on_update == y.on_update);
    CHECK(x.on_delete == y.on_delete);
    CHECK(x.deferred == y.deferred);
  }
  CHECK(a.shape.checks == b.shape.checks);
  CHECK(a.shape.sql == b.shape.sql);
  REQUIRE(a.shape.columns.size() == b.shape.columns.size());
  for (std::size_t i = 0; i < a.shape.columns.size(); ++i) {
    const Column& x = a.shape.columns[i];
    const Column& y = b.shape.columns[i];
    CHECK(std::tie(x.name, x.declared_type, x.affinity, x.not_null, x.generated, x.default_sql,
                   x.collation, x.is_rowid) == std::tie(y.name, y.declared_type, y.affinity,
                                                        y.not_null, y.generated, y.default_sql,
                                                        y.collation, y.is_rowid));
  }
  REQUIRE(a.shape.indexes.size() == b.shape.indexes.size());
  for (std::size_t i = 0; i < a.shape.indexes.size(); ++i) {
    const Index& x = a.shape.indexes[i];
    const Index& y = b.shape.indexes[i];
    CHECK(std::tie(x.name, x.origin, x.unique, x.partial, x.where_sql) ==
          std::tie(y.name, y.origin, y.unique, y.partial, y.where_sql));
    REQUIRE(x.terms.size() == y.terms.size());
    for (std::size_t j = 0; j < x.terms.size(); ++j)
      CHECK(std::tie(x.terms[j].column, x.terms[j].collation, x.terms[j].descending,
                     x.terms[j].expression) == std::tie(y.terms[j].column, y.terms[j].collation,
                                                        y.terms[j].descending,
                                                        y.terms[j].expression));
  }
  CHECK(fingerprint(a.shape) == fingerprint(b.shape));
}

TEST_CASE("hello comes back with and without a position") {
  const Hello empty = decode_hello(encode_hello({"shop", "uuid", {}}));
  CHECK(empty.migration == "shop");
  CHECK(empty.source_id == "uuid");
  CHECK_FALSE(empty.position.has_value());
  const Position at = sample_position(std::numeric_limits<std::int64_t>::max());
  CHECK(decode_hello(encode_hello({"sh\xff", "uuid", at})).position == at);
  CHECK_FALSE(decode_hello(encode_hello({"shop", "uuid", at})).seen);
  CHECK(decode_hello(encode_hello({"shop", "uuid", at, {}, false, sample_position(9)})).seen ==
        sample_position(9));
  CHECK(decode_hello(encode_hello({"sh\xff", "uuid", at})).migration == "sh\xff");
  const TargetIdentity target{"730", "16384", 2};
  CHECK(decode_hello(encode_hello({"shop", "uuid", at, target})).target == target);
  CHECK_FALSE(decode_hello(encode_hello({"shop", "uuid", at, target})).accept_target);
  CHECK(decode_hello(encode_hello({"shop", "uuid", at, target, true})).accept_target);
  CHECK_FALSE(decode_hello(encode_hello({"shop", "uuid", at})).becomes_text);
  const TextWish wish{7, "n\xff", ColumnType::date};
  CHECK(decode_hello(encode_hello({"shop", "uuid", at, {}, false, {}, wish})).becomes_text == wish);
  CHECK_FALSE(decode_hello(encode_hello({"shop", "uuid", at, target})).intended_target);
  const Hello asking = decode_hello(encode_hello({{}, {}, {}, {}, false, {}, {}, target}));
  CHECK(asking.intended_target == target);
  CHECK_FALSE(asking.target);
}

TEST_CASE("welcome brings every table plan") {
  const Welcome sent{"uuid",
                     sample_position(12),
                     {sample_plan(), TablePlan{}},
                     "sh\xff",
                     "/srv/app.db",
                     sample_position(3),
                     {{-5, 7}, {}},
                     false,
                     {945'087, 0}};
  const Welcome got = decode_welcome(encode_welcome(sent));
  CHECK(got.source_id == "uuid");
  CHECK(got.newest == sent.newest);
  CHECK(got.migration == sent.migration);
  CHECK(got.source == sent.source);
  CHECK(got.first == sent.first);
  CHECK(got.split_points == sent.split_points);
  CHECK(got.expected_rows == sent.expected_rows);
  REQUIRE(got.tables.size() == 2);
  check_same(got.tables[0], sent.tables[0]);
  check_same(got.tables[1], sent.tables[1]);
}

TEST_CASE("a plan is the same after a trip through JSON") {
  check_same(decode_plan(encode_plan(sample_plan())), sample_plan());
  TablePlan other = sample_plan();
  other.shape.rowid_alias.reset();
  other.shape.without_rowid = true;
  other.shape.autoincrement = false;
  other.sequence = std::numeric_limits<std::int64_t>::min();
  check_same(decode_plan(encode_plan(other)), other);
}

TEST_CASE("a plan that names columns it does not have is refused") {
  const auto refuses = [](void (*spoil)(TablePlan&)) {
    TablePlan plan = sample_plan();
    spoil(plan);
    return refusal_of([&] { static_cast<void>(decode_plan(encode_plan(plan))); });
  };
  using Catch::Contains;
  CHECK_THAT(refuses([](TablePlan& plan) { plan.shape.key = {0, 4}; }), Contains("LS-W504"));
  CHECK_THAT(refuses([](TablePlan& plan) { plan.shape.rowid_alias = 99; }), Contains("LS-W504"));
  CHECK_THAT(refuses([](TablePlan& plan) { plan.shape.indexes[0].terms[0].column = 4; }),
             Contains("LS-W504"));
}

TEST_CASE("copy requests tell a table from its start and from its middle apart") {
  const auto got = decode_copy(
      encode_copy({{7, {}, {}}, {8, every_kind_of_value(), -5, 7'000'000'000}, {9, {{}}, {}}}));
  REQUIRE(got.size() == 3);
  CHECK(got[0].table == 7);
  CHECK_FALSE(got[0].after.has_value());
  CHECK_FALSE(got[0].until.has_value());
  CHECK(got[1].until == -5);
  CHECK(got[0].table_rows == 0);
  CHECK(got[1].table_rows == 7'000'000'000);
  REQUIRE(got[1].after.has_value());
  CHECK(same_key(*got[1].after, every_kind_of_value()));
  REQUIRE(got[2].after.has_value());
  CHECK(got[2].after->empty());
}

TEST_CASE("the end of a chunk comes back") {
  const ChunkEnd got =
      decode_chunk_end(encode_chunk_end({5, {text("k")}, 1'234'567'890'123, true}));
  CHECK(got.part == 5);
  CHECK(same_key(got.last, {text("k")}));
  CHECK(got.rows == 1'234'567'890'123);
  CHECK(got.done);
  CHECK_FALSE(got.as_of);
  ChunkEnd dated = got;
  dated.as_of = sample_position(8);
  CHECK(decode_chunk_end(encode_chunk_end(dated)).as_of == sample_position(8));
}

TEST_CASE("rows of a chunk come back with their part") {
  const std::string body = encode_chunk_rows({7, "rows"});
  CHECK(decode_chunk_rows(body).part == 7);
  CHECK(decode_chunk_rows(body).fragment == "rows");
  CHECK_THAT(refusal_of([&] { static_cast<void>(decode_chunk_rows("abc")); }),
             Catch::Contains("LS-W504"));
}

TEST_CASE("a refusal comes back with all its facts") {
  const ErrorFacts sent{.code = "LS-S310",
                        .exit = ExitCode::stopped,
                        .what = "what",
                        .why = "why",
                        .data = "data",
                        .todo = "todo",
                        .foreign = "40001",
                        .retry = Retry::same_session};
  const ErrorFacts got = decode_refusal(encode_refusal(sent));
  CHECK(std::tie(got.code, got.exit, got.what, got.why, got.data, got.todo, got.foreign,
                 got.retry) == std::tie(sent.code, sent.exit, sent.what, sent.why, sent.data,
                                        sent.todo, sent.foreign, sent.retry));
}

TEST_CASE("a refusal whose text is not UTF-8 still arrives") {
  ErrorFacts facts;
  facts.code = "LS-X";
  facts.why = "caf\xe9 \xff";
  CHECK(decode_refusal(encode_refusal(facts)).why == "caf\xef\xbf\xbd \xef\xbf\xbd");
}

TEST_CASE("a refusal of a newer release is understood as far as it goes") {
  const ErrorFacts got =
      decode_refusal(R"({"code":"LS-Z999","exit":77,"what":"w","retry":"later","more":[1]})");
  CHECK(got.code == "LS-Z999");
  CHECK(got.exit == ExitCode::stopped);
  CHECK(got.retry == Retry::never);
  CHECK(got.why.empty());
}

TEST_CASE("unknown members of a JSON body are passed over") {
  CHECK(decode_hello(R"({"new":{"a":[1,2]},"migration":"m","source_id":"s"})").migration == "m");
}

TEST_CASE("a JSON body with a member missing or of another type is refused by its kind") {
  const auto refusal = [](const char* body) {
    return refusal_of([&] { static_cast<void>(decode_chunk_end(body)); });
  };
  CHECK(refusal(R"({"part":1,"last":[],"rows":1,"done":true})").empty());
  for (const char* body :
       {R"({"last":[],"rows":1,"done":true})", R"({"part":-1,"last":[],"rows":1,"done":true})",
        R"({"part":4294967296,"last":[],"rows":1,"done":true})",
        R"({"part":1.5,"last":[],"rows":1,"done":true})",
        R"({"part":1,"last":{},"rows":1,"done":true})",
        R"({"part":1,"last":[],"rows":"1","done":true})",
        R"({"part":1,"last":[],"rows":1,"done":1})", R"([])", R"(null)", R"({"table")"}) {
    CAPTURE(body);
    CHECK_THAT(refusal(body), Catch::Contains("LS-W504") && Catch::Contains("chunk_end"));
  }
}

TEST_CASE("JSON nested without end is refused before it costs memory") {
  const std::string deep(4'000'000, '[');
  CHECK_THAT(refusal_of([&] { static_cast<void>(decode_welcome(deep)); }),
             Catch::Contains("nested too deep"));
}

TEST_CASE("fixed bodies come back and are refused at any other length") {
  const Position at = sample_position(-3);
  CHECK(encode_position(at).size() == 32);
  CHECK(decode_position(encode_position(at)) == at);

  const BatchBegin begin = decode_batch_begin(encode_batch_begin({at}));
  CHECK(encode_batch_begin(begin).size() == 32);
  CHECK(begin.from == at);
  CHECK(decode_batch_reset(encode_batch_reset({77})).table == 77);

  const BatchEnd end = decode_batch_end(encode_batch_end({sample_position(8), -5, 1ULL << 63}));
  CHECK(end.to == sample_position(8));
  CHECK(end.wall_us == -5);
  CHECK(end.entries == 1ULL << 63);
  const Credit credit = decode_credit(encode_credit({2, 3}));
  CHECK(credit.bytes == 2);
  CHECK(credit.messages == 3);

  for (std::size_t bytes = 0; bytes < 100; ++bytes) {
    const std::string body(bytes, 'x');
    const auto refused = [&](auto decoder) {
      return !refusal_of([&] { static_cast<void>(decoder(body)); }).empty();
    };
    CHECK(refused(decode_position) == (bytes != 32));
    CHECK(refused(decode_batch_begin) == (bytes != 32));
    CHECK(refused(decode_batch_reset) == (bytes != 4));
    CHECK(refused(decode_batch_end) == (bytes != 48));
    CHECK(refused(decode_credit) == (bytes != 16));
  }
}

TEST_CASE("whatever a body holds, it is read or refused as LS-W504") {
  std::mt19937_64 dice(test::test_seed());
  const std::vector<std::string> bodies{encode_hello({"shop", "uuid", sample_position(1)}),
                                        encode_welcome({"uuid",
                                                        sample_position(2),
                                                        {sample_plan()},
                                                        "shop",
                                                        "/srv/app.db",
                                                        sample_position(1),
                                                        {{-5, 7}, {}}}),
                                        encode_copy({{1, every_kind_of_value(), 9}}),
                                        encode_chunk_end({1, every_kind_of_value(), 5, false}),
                                        encode_refusal({.code = "LS-X", .what = "what"}),
                                        encode_plan(sample_plan()),
                                        encode_key(every_kind_of_value())};
  const std::vector<std::function<void(const std::string&)>> decoders{
      [](const auto& body) { static_cast<void>(decode_hello(body)); },
      [](const auto& body) { static_cast<void>(decode_welcome(body)); },
      [](const auto& body) { static_cast<void>(decode_copy(body)); },
      [](const auto& body) { static_cast<void>(decode_chunk_end(body)); },
      [](const auto& body) { static_cast<void>(decode_refusal(body)); },
      [](const auto& body) { static_cast<void>(decode_plan(body)); },
      [](const auto& body) { static_cast<void>(decode_key(body)); }};
  // What JSON is made of, so that many a mutant parses.
  constexpr std::string_view kBits = "{}[]\",:0123456789-.eE nulltruefalse\\u\xff";
  int refused = 0;
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string body = bodies[dice() % bodies.size()];
    for (std::uint64_t changes = dice() % 3; changes > 0; --changes) {
      if (dice() % 4 == 0) body.erase(dice() % body.size(), 1 + dice() % 12);
      if (body.empty()) break;
      body[dice() % body.size()] = kBits[dice() % kBits.size()];
    }
    try {
      decoders[dice() % decoders.size()](body);
      ++read;
    } catch (const Error& error) {
      ++refused;
      if (error.code() != "LS-W504") FAIL(error.code());
    }
  }
  CHECK(refused > 1000);
  CHECK(read > 500);
}

}  // namespace
}  // namespace lockstep::wire

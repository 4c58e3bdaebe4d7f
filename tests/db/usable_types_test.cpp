// Dates, booleans, UUIDs and JSON: PostgreSQL's own reading of each text is the judge of ours.
#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "link/postgres/copy.hpp"
#include "link/postgres/encode.hpp"
#include "link/postgres/names.hpp"
#include "model/spelling.hpp"
#include "model/target_type.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/seed.hpp"
#include "verify/compare.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

ValueView text(std::string_view bytes) {
  return {.kind = ValueClass::text, .bytes = bytes};
}

std::string any_day(std::mt19937_64& random) {
  const std::array<unsigned, 8> years{1, 4, 100, 1900, 1969, 2000, 2024, 9999};
  const std::uint64_t year =
      random() % 3 == 0 ? years[random() % years.size()] : 1 + random() % 9'999;
  return fmt::format("{:04}-{:02}-{:02}", year, 1 + random() % 12, 1 + random() % 31);
}

std::string any_instant(std::mt19937_64& random, bool zoned) {
  static constexpr const char* kZones[] = {"Z", "+00:00", "+00"};
  std::string made = fmt::format("{}{}{:02}:{:02}", any_day(random), random() % 2 == 0 ? ' ' : 'T',
                                 random() % 24, random() % 60);
  if (random() % 8 != 0) {
    made += fmt::format(":{:02}", random() % 60);
    const std::size_t digits = random() % 7;
    if (digits > 0) made += "." + fmt::format("{:06}", random() % 1'000'000).substr(0, digits);
  }
  return zoned ? made + kZones[random() % 3] : made;
}

std::string any_uuid(std::mt19937_64& random) {
  std::string digits = fmt::format("{:016x}{:016x}", random(), random());
  if (random() % 2 == 0)
    for (const std::size_t dash : {8U, 13U, 18U, 23U}) digits.insert(dash, 1, '-');
  if (random() % 2 == 0)
    for (char& c : digits) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return digits;
}

/// Near JSON: mostly broken somewhere.
std::string any_json(std::mt19937_64& random, int depth = 0) {
  static constexpr const char* kParts[] = {
      "1",           "-0",     "0.5",  "1e5",  "01",        "1.",          "-",
      "true",        "fals",   "null", "\"\"", "\"a\\n\"",  "\"\\u12g4\"", "\"\\ud800\"",
      "\"\\u0000\"", "\"\t\"", "[]",   "{}",   "{\"a\":1}", "[1,]",        "{\"a\"}",
      "\"\\x\"",     " 2 ",    "1 2",  "+1",   "NaN",       "1E+2"};
  if (depth > 3 || random() % 3 == 0) return kParts[random() % std::size(kParts)];
  std::string made = random() % 2 == 0 ? "[" : "{";
  const bool object = made == "{";
  for (std::uint64_t i = random() % 3; i > 0; --i) {
    if (object) made += "\"k\" :";
    made += any_json(random, depth + 1) + (i > 1 ? ", " : "");
  }
  return made + (random() % 20 == 0 ? "" : (object ? "}" : "]"));
}

struct Case {
  ColumnType type;
  std::vector<std::string> texts;
};

std::vector<Case> cases() {
  std::mt19937_64 random(test_seed());
  std::vector<Case> made{
      {ColumnType::date, {"0001-01-01", "9999-12-31", "2000-02-29"}},
      {ColumnType::timestamp, {"0001-01-01 00:00", "9999-12-31 23:59:59.999999"}},
      {ColumnType::timestamptz, {"0001-01-01 00:00Z"}},
      {ColumnType::uuid, {}},
      {ColumnType::json, {" [1.10, {\"a\":1,\"a\":2}] ", "\"\\u0000\""}}};
  for (int i = 0; i < 3'000; ++i) {
    made[0].texts.push_back(any_day(random));
    made[1].texts.push_back(any_instant(random, false));
    made[2].texts.push_back(any_instant(random, true));
    made[3].texts.push_back(any_uuid(random));
    made[4].texts.push_back(any_json(random));
  }
  return made;
}

constexpr char kSchema[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, born DATE, at DATETIME, zoned TIMESTAMP, ok BOOLEAN, "
    "u CHAR(32), j JSON, UNIQUE(born, u));"
    "CREATE TABLE k(day DATE, u UUID, v INT, PRIMARY KEY(day, u)) WITHOUT ROWID;"
    "INSERT INTO t VALUES (1, '2024-02-29', '2024-01-02 03:04:05', '2024-01-02T03:04:05Z', 1, "
    "'6ba7b8109dad11d180b400c04fd430c8', '{\"a\": 1,  \"a\": 2}'), (2, NULL, '2024-01-02 "
    "03:04:05.678901', '2024-01-02 03:04:05.5+00:00', 0, NULL, '[1.10]');"
    "INSERT INTO k VALUES ('2024-01-02', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 1);";

std::string found_by_verify(CapturedSource& source, FollowedTarget& target) {
  sqlite::Database database = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  std::string found;
  for (const TablePlan& plan : source.plans()) {
    const auto result =
        verify::compare_table(database, target.connection(), "public", plan, [](std::uint64_t) {});
    if (!result.equal()) found += fmt::format("{}", fmt::join(result.examples, "; "));
  }
  return found;
}

}  // namespace

TEST_CASE("each text means to PostgreSQL what we encode, by COPY and as a parameter") {
  postgres::Connection connection = connect(fresh_database(server()));
  for (const Case& tried : cases()) {
    const std::string type(to_string(tried.type));
    INFO(type);
    connection.exec(
        fmt::format("DROP TABLE IF EXISTS public.copied, public.bound; CREATE TABLE "
                    "public.copied(s text, v {}); CREATE TABLE public.bound(LIKE "
                    "public.copied)",
                    type));
    std::string tuples;
    std::size_t fitting = 0;
    {
      postgres::Pipeline pipeline(connection);
      pipeline.prepare("insert_" + type,
                       fmt::format("INSERT INTO public.bound VALUES ($1::text, $2::{})", type));
      for (const std::string& one : tried.texts) {
        if (postgres::misfit_of(text(one), tried.type) != postgres::Misfit::none) continue;
        ++fitting;
        postgres::append_tuple_head(tuples, 2);
        postgres::append_field(tuples, text(one), ColumnType::text);
        postgres::append_field(tuples, text(one), tried.type);
        std::string bytes;
        postgres::append_raw(bytes, text(one), tried.type);
        pipeline.run("insert_" + type, std::array<postgres::BinaryParameter, 2>{one, bytes});
      }
      REQUIRE_FALSE(pipeline.finish().error);
    }
    CHECK(fitting > 500);
    postgres::CopyIn in(connection, "COPY public.copied FROM STDIN (FORMAT binary)");
    in.put(tuples);
    REQUIRE(in.finish() == static_cast<std::int64_t>(fitting));
    for (const char* table : {"copied", "bound"}) {
      postgres::CopyOut out(
          connection, fmt::format("COPY (SELECT s, v::text, s::{}::text FROM public.{}) TO STDOUT "
                                  "(FORMAT binary)",
                                  type, table));
      std::vector<std::optional<std::string_view>> fields;
      while (out.next(fields)) {
        INFO(*fields[0]);
        REQUIRE(*fields[1] == *fields[2]);
      }
    }
  }
}

TEST_CASE("numbers go into jsonb and numeric(3,5) where PostgreSQL takes them as they are") {
  postgres::Connection connection = connect(fresh_database(server()));
  connection.exec(
      "CREATE FUNCTION public.takes(s text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "s::jsonb; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$");
  const TargetType jsonb = parse_target_type("jsonb").value();
  for (const std::size_t whole : {1U, 131'072U, 131'073U})
    for (const std::size_t fraction : {1U, 16'383U, 16'384U})
      for (const char* exponent : {"", "e1", "E+1", "e-1", "e-0", "e999"}) {
        const std::string number =
            fmt::format("{}.{}{}", std::string(whole, '7'), std::string(fraction, '7'), exponent);
        INFO(whole << '.' << fraction << exponent);
        const bool takes =
            connection.query("SELECT public.takes($1)", {"[" + number + "]"}).boolean(0, 0);
        REQUIRE(misfit_of_target(text("[" + number + "]"), jsonb).empty() == takes);
      }
  const TargetType small = parse_target_type("numeric(3,5)").value();
  for (const char* number : {"0.0", "0.00123", "0.00999", "0.001234", "0.01", "0.0123", "1.0"}) {
    INFO(number);
    const ValueView value{.kind = ValueClass::real, .real = std::stod(number)};
    const bool same = connection
                          .query(
                              "SELECT CASE WHEN abs($1::numeric) < 0.01 THEN "
                              "$1::numeric::numeric(3,5) = $1::numeric ELSE false END",
                              {number})
                          .boolean(0, 0);
    CHECK(misfit_of_target(value, small).empty() == same);
  }
}

TEST_CASE("what is taken for JSON is what PostgreSQL takes for it") {
  postgres::Connection connection = connect(fresh_database(server()));
  connection.exec(
      "CREATE FUNCTION public.takes(s text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "s::json; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$;"
      "CREATE TABLE public.tried(s text)");
  const std::vector<std::string> texts = cases().back().texts;
  std::string tuples;
  for (const std::string& one : texts) {
    postgres::append_tuple_head(tuples, 1);
    postgres::append_field(tuples, text(one), ColumnType::text);
  }
  postgres::CopyIn in(connection, "COPY public.tried FROM STDIN (FORMAT binary)");
  in.put(tuples);
  (void)in.finish();
  postgres::CopyOut out(
      connection,
      "COPY (SELECT s, public.takes(s)::text FROM public.tried) TO STDOUT (FORMAT binary)");
  std::vector<std::optional<std::string_view>> fields;
  std::size_t taken = 0;
  while (out.next(fields)) {
    INFO(*fields[0]);
    REQUIRE((*fields[1] == "true") == is_json(*fields[0]));
    taken += *fields[1] == "true" ? 1 : 0;
  }
  CHECK(taken > 300);
  CHECK(texts.size() - taken > 300);
}

TEST_CASE("an address fits inet if PostgreSQL spells it just so") {
  postgres::Connection connection = connect(fresh_database(server()));
  std::mt19937_64 random(test_seed());
  const TargetType inet = parse_target_type("inet").value();
  std::vector<std::string> texts;
  for (int i = 0; i < 2'000; ++i) {
    std::string address;
    for (int group = 0; group < 8; ++group)
      address += fmt::format("{}{:x}", group == 0 ? "" : ":",
                             random() % 2 == 0   ? 0
                             : random() % 3 == 0 ? 0xffff
                                                 : random() % 0x10000);
    if (random() % 3 == 0) address = fmt::format("::{:x}:{:x}", random() % 0x10000, random() % 3);
    if (random() % 4 == 0)
      address = fmt::format("{}.{}.0.{}", random() % 256, random() % 3, random() % 256);
    if (random() % 3 == 0) address += fmt::format("/{}", random() % 33);
    texts.push_back(std::move(address));
  }
  const auto rows = connection.query("SELECT s, abbrev(s::inet) FROM unnest($1::text[]) AS s",
                                     {postgres::text_array(texts)});
  int spelled = 0;
  for (int row = 0; row < rows.rows(); ++row) {
    INFO(rows.value(row, 0) << " " << rows.value(row, 1));
    const bool fits = misfit_of_target(text(rows.value(row, 0)), inet).empty();
    REQUIRE(fits == (rows.value(row, 0) == rows.value(row, 1)));
    REQUIRE(misfit_of_target(text(rows.value(row, 1)), inet).empty());
    spelled += fits ? 1 : 0;
  }
  CHECK(spelled > 300);
  CHECK(spelled < 1'700);
}

TEST_CASE("usable types are copied, followed by both paths of a batch, and verified") {
  const bool staging = GENERATE(false, true);
  CapturedSource source(kSchema);
  source.install();
  using enum ColumnType;
  CHECK(source.plans()[0].types == std::vector{date, uuid, bigint});
  CHECK(source.plans()[1].types ==
        std::vector{bigint, date, timestamp, timestamptz, boolean, uuid, json});
  FollowedTarget target(server(), source);
  target.copy_and_index();
  CHECK(target.query("SELECT born, at, zoned, ok, u, j FROM public.t ORDER BY id LIMIT 1") ==
        Rows{{"2024-02-29", "2024-01-02 03:04:05", "2024-01-02 03:04:05+00", "t",
              "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "{\"a\": 1,  \"a\": 2}"}});
  CHECK(found_by_verify(source, target).empty());
  apply::Applier applier = target.applier(target.connection(), staging);
  source.app().exec(
      "UPDATE t SET born = '0001-01-01', at = '2024-05-06T07:08', ok = 0 WHERE id = 1;"
      "INSERT INTO t VALUES (3, '9999-12-31', NULL, '1969-12-31 23:59:59.999999Z', NULL, "
      "'00000000000040008000000000000000', 'null');"
      "DELETE FROM t WHERE id = 2;"
      "INSERT INTO k VALUES ('2024-01-01', 'ffffffff-9dad-11d1-80b4-00c04fd430c8', 2);"
      "UPDATE k SET v = 3 WHERE day = '2024-01-02'; DELETE FROM k WHERE v = 2");
  (void)apply_batch(applier, source.take().value());
  CHECK(target.query("SELECT id, born, at, zoned, ok, u FROM public.t ORDER BY id") ==
        Rows{{"1", "0001-01-01", "2024-05-06 07:08:00", "2024-01-02 03:04:05+00", "f",
              "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
             {"3", "9999-12-31", std::nullopt, "1969-12-31 23:59:59.999999+00", std::nullopt,
              "00000000-0000-4000-8000-000000000000"}});
  CHECK(found_by_verify(source, target).empty());
}

TEST_CASE("a later value of another meaning, or a second spelling of a key, stops by name") {
  const auto [change, why] = GENERATE(table<std::string, std::string>(
      {{"UPDATE t SET born = '2024-02-30' WHERE id = 1", "no date"},
       {"UPDATE t SET at = '2024-01-02 03:04:05Z' WHERE id = 1", "without an offset"},
       {"UPDATE t SET at = 'now' WHERE id = 1", "without an offset"},
       {"UPDATE t SET zoned = '2024-01-02 03:04:05' WHERE id = 1", "with Z or +00:00"},
       {"UPDATE t SET ok = 2 WHERE id = 1", "neither 0 nor 1"},
       {"UPDATE t SET ok = 'yes' WHERE id = 1", "it is text"},
       {"UPDATE t SET u = 'x' WHERE id = 1", "no UUID"},
       {"UPDATE t SET u = '6BA7B8109DAD11D180B400C04FD430C8' WHERE id = 1", "spelled otherwise"},
       {"UPDATE t SET j = '{bad' WHERE id = 1", "not JSON"},
       {"INSERT INTO k VALUES ('2024-01-02', '6ba7b8109dad11d180b400c04fd430c8', 9)",
        "spelled otherwise"}}));
  INFO(change);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  source.app().exec(change);
  apply::Applier applier = target.applier(target.connection());
  const Batch batch = source.take().value();
  const ErrorFacts facts = facts_of([&] { (void)apply_batch(applier, batch); });
  CHECK(facts.code == "LS-D401");
  CHECK_THAT(facts.why, Catch::Contains(why));
  CHECK(target.query("SELECT count(*) FROM public.k") == Rows{{"1"}});
}

TEST_CASE("an index on an expression is about the columns that it names, and no others") {
  // Rails' index on lower(email), Django's UniqueConstraint(Lower("name")).
  CapturedSource source(
      "CREATE TABLE people(id INTEGER PRIMARY KEY, email VARCHAR, settings JSON, seen DATETIME, "
      "born "
      "DATETIME, tags JSON);"
      "CREATE UNIQUE INDEX by_email ON people (lower(email));"
      "CREATE UNIQUE INDEX by_day ON people (date(\"BORN\"), length(tags));"
      "INSERT INTO people VALUES (1, 'A@b', '{}', '2024-01-02 03:04:05', '2024-01-02 03:04:05', "
      "'[]'), (2, 'c', '[1]', '2024-01-02T03:04:05', '2024-01-03T03:04:05', '[2]')");
  source.install();
  using enum ColumnType;
  CHECK(source.plans()[0].types == std::vector{bigint, text, json, timestamp, text, text});
}

TEST_CASE("verify finds another instant, day, truth, UUID and JSON text") {
  const std::string change = GENERATE(
      as<std::string>{}, "at = at + interval '1 microsecond'", "at = 'infinity'", "at = NULL",
      "born = born + 1", "born = '-infinity'", "zoned = zoned - interval '1 hour'", "ok = NOT ok",
      "u = '6ba7b810-9dad-11d1-80b4-00c04fd430c9'", "j = '{\"a\": 1, \"a\": 2}'");
  INFO(change);
  CapturedSource source(kSchema);
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  REQUIRE(found_by_verify(source, target).empty());
  target.query("UPDATE public.t SET " + change + " WHERE id = 1");
  CHECK_THAT(found_by_verify(source, target), Catch::StartsWith("id=1: "));
}

}  // namespace lockstep::test

// What is decided about findings, waivers and pairs of queries, and what a query may do on SQLite.
#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>

#include "link/sqlite/read_guard.hpp"
#include "link/sqlite/statement.hpp"
#include "model/bad_value.hpp"
#include "model/error.hpp"
#include "ops/verify_report.hpp"
#include "verify/query.hpp"
#include "verify/values.hpp"

namespace lockstep::ops {
namespace {

using Catch::Contains;
using verify::Answer;
using verify::Cell;
using verify::Relation;
using verify::Verdict;

Cell number(std::string text) {
  return {Cell::Kind::number, std::move(text)};
}
Cell text(std::string value) {
  return {Cell::Kind::text, std::move(value)};
}
Answer one(Cell cell) {
  return {{{std::move(cell)}}, false, ""};
}
bool holds(const char* expect, const Cell& source, const Cell& target) {
  return broken(verify::parse_relation(expect).value(), one(source), one(target)).empty();
}

CheckFinding finding(std::string code, std::string table, std::uint64_t rows = 1) {
  return {
      std::move(code), CheckCategory::data, CheckSeverity::critical, std::move(table), "w", rows};
}

}  // namespace

TEST_CASE("a relation is one of four, and nothing else", "[unit]") {
  for (const char* good : {"equal", "<=", "no-rows", "within 5%", "within 0.5 %", "within 0%"})
    CHECK(verify::parse_relation(good).has_value());
  for (const char* bad : {"", "Equal", ">=", "within", "within %", "within -1%", "within 5",
                          "within x%", "within nan%", "within inf%", "within 5%%"})
    CHECK_FALSE(verify::parse_relation(bad).has_value());
  CHECK(to_string(*verify::parse_relation("within 5 %")) == "within 5%");
}

TEST_CASE("numbers are compared as numbers, whatever type they come in", "[unit]") {
  for (const auto& [a, b] : std::array<std::pair<const char*, const char*>, 8>{
           {{"1", "1.0"},
            {"1", "1.000"},
            {"-0", "0"},
            {"1e+20", "100000000000000000000"},
            {"0.1", "0.10"},
            {"1.5e-07", "0.00000015"},
            {"9007199254740993", "9007199254740993.00"},
            {"Infinity", "Infinity"}}})
    CHECK(verify::same_number(a, b));
  for (const auto& [a, b] : std::array<std::pair<const char*, const char*>, 6>{
           {{"1", "1.0000000000000000000000000001"},
            {"9007199254740993", "9007199254740992"},
            {"123456789012345678901234567890", "123456789012345678901234567891"},
            {"0.30000000000000004", "0.3"},
            {"1", "-1"},
            {"Infinity", "-Infinity"}}})
    CHECK_FALSE(verify::same_number(a, b));
  CHECK(holds("equal", number("1"), number("1.00")));
  CHECK_FALSE(holds("equal", number("1"), text("1")));
  CHECK(holds("equal", {}, {}));
  CHECK_FALSE(holds("equal", {}, number("0")));
  CHECK_FALSE(holds("equal", text("a"), text("a ")));
  CHECK(holds("<=", number("9"), number("10")));
  CHECK(holds("<=", number("10"), number("10.0")));
  CHECK_FALSE(holds("<=", number("10.5"), number("10")));
  CHECK_FALSE(holds("<=", {}, {}));
  CHECK(holds("<=", text("a"), text("b")));
  CHECK(holds("within 10%", number("100"), number("90")));
  CHECK_FALSE(holds("within 10%", number("100"), number("89.9")));
  CHECK(holds("within 10%", number("-100"), number("-110")));
  CHECK_FALSE(holds("within 10%", number("0"), number("0.1")));
  CHECK_FALSE(holds("within 10%", number("1"), {}));
  CHECK_FALSE(holds("no-rows", {}, {}));
}

TEST_CASE("answers are compared row by row", "[unit]") {
  const Relation equal, none{Relation::Kind::no_rows, 0};
  const Answer empty, row = one(text("a")), rows{{{text("a")}, {text("b")}}, false, ""},
                      wide{{{text("a"), text("b")}}, false, ""};
  CHECK(broken(equal, empty, empty).empty());
  CHECK(broken(none, empty, empty).empty());
  CHECK(broken(none, empty, row) == "no row is expected; the source has 0 rows, the target 1 row");
  CHECK(broken(equal, rows, row) == "the source answers 2 rows, the target 1 row");
  CHECK(broken(equal, row, wide) == "the source answers 1 columns, the target 2");
  Answer other = rows;
  other.rows[1][0].text = "secret";
  CHECK(broken(equal, rows, other) == "row 2, column 1: not equal");
}

TEST_CASE("a waiver counts to its last day and for so many rows", "[unit]") {
  const std::vector<config::Waiver> waivers{
      {"LS-V501", "etf_*", 2, "test rows", "kim", "2026-12-01"},
      {"LS-V520", "*", 1, "known", "lee", "2026-01-31"}};
  std::vector<CheckFinding> findings{finding("LS-V501", "etf_details", 2),
                                     finding("LS-V501", "etf_details", 3),
                                     finding("LS-V501", "orders"), finding("LS-V520", "orders"),
                                     finding("LS-V521", "etf_details")};
  waive(findings, waivers, "2026-12-01");
  CHECK(findings[0].waiver->by == "kim");
  CHECK(findings[1].not_waived == "the waiver of kim is for 2 row(s), these are 3");
  CHECK((!findings[2].waiver && findings[2].not_waived.empty()));
  CHECK(findings[3].not_waived == "the waiver of lee ended with 2026-01-31");
  CHECK_FALSE(findings[4].waiver);
  for (CheckFinding& each : findings) each.waiver.reset();
  waive(findings, waivers, "2026-12-02");
  CHECK(findings[0].not_waived == "the waiver of kim ended with 2026-12-01");
  CHECK_FALSE(findings[0].waiver);
}

TEST_CASE("the exit code is that of what is not waived", "[unit]") {
  VerifyTotals totals;
  TableLine line{.table = "t", .source_rows = 10, .target_rows = 9, .missing = 1};
  line.examples = {"id=1: on the source only"};
  totals.add(line);
  VerifyRequest request;
  CHECK(result_of(totals, request, "2026-06-01").exit == ExitCode::different);
  CHECK(result_of(totals, request, "2026-06-01").sentence == "DIFFERENT: 1 rows");
  request.waivers = {{"LS-V501", "t", 1, "why", "kim", "2026-06-01"}};
  const VerifyResult waived = result_of(totals, request, "2026-06-01");
  CHECK(waived.exit == ExitCode::waived);
  CHECK(waived.sentence == "equal but for 1 finding(s) that are waived: 10 rows, every column");
  CHECK(result_of(totals, request, "2026-06-02").exit == ExitCode::different);
  // What is only told changes nothing.
  VerifyTotals told;
  told.findings = {finding("LS-V529", "t")};
  told.findings[0].severity = CheckSeverity::warning;
  CHECK(result_of(told, {}, "2026-06-01").exit == ExitCode::done);
  told.findings[0].severity = CheckSeverity::critical;
  CHECK(result_of(told, {}, "2026-06-01").sentence == "DIFFERENT: 1 check(s) do not hold");
  // A table that was not compared is not equal, beside others that are and beside others that
  // differ.
  VerifyTotals broken;
  TableLine bad{.table = "u", .problem = "LS-T211: gone"};
  broken.add(bad);
  CHECK(result_of(broken, {}, "2026-06-01").exit == ExitCode::stopped);
  CHECK(result_of(broken, {}, "2026-06-01").sentence ==
        "NOT PROVEN: 1 table(s) could not be compared");
  broken.add(line);
  CHECK(result_of(broken, {}, "2026-06-01").exit == ExitCode::different);
  CHECK(result_of(broken, {}, "2026-06-01").sentence ==
        "DIFFERENT: 1 rows; 1 table(s) could not be compared");
  // No answer is no equality.
  VerifyTotals silent;
  silent.verdicts = {Verdict{}};
  CHECK(result_of(silent, {}, "2026-06-01").exit == ExitCode::different);
}

TEST_CASE("names and values cannot break out of the page or the XML", "[unit]") {
  const std::string evil = "<script>alert(\"1\")</script>&'\x1b[31m]]>\xff";
  VerifyTotals totals;
  TableLine line{.table = evil, .source_rows = 1, .target_rows = 1, .differ = 1};
  line.examples = {evil};
  line.problem = evil;
  totals.add(line);
  totals.compared = {.source = evil, .target = evil, .left_out = {evil}};
  Verdict verdict;
  verdict.name = verdict.source = verdict.target = verdict.what = evil;
  verdict.answered = true;
  totals.verdicts = {verdict};
  totals.findings = {finding("LS-V527", evil)};
  VerifyRequest request;
  request.waivers = {{"LS-V527", "*", 1, evil, evil, "2026-12-01"}};
  const VerifyResult result = result_of(totals, request, "2026-06-01");
  for (const std::string& page : {verify_html(result), verify_junit(result)}) {
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find('\x1b') == std::string::npos);
    CHECK(page.find('\xff') == std::string::npos);
    CHECK(page.find("alert(\"") == std::string::npos);
    CHECK_THAT(page, Contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;"));
  }
  CHECK_THAT(verify_junit(result),
             Contains("tests=\"3\" failures=\"2\" skipped=\"1\" errors=\"0\""));
  CHECK_THAT(verify_html(result), Contains("default-src 'none'"));
}

TEST_CASE("a personal value is masked, and the same one looks the same", "[unit]") {
  TablePlan plan;
  plan.shape.name = "people";
  plan.shape.columns.resize(2);
  plan.shape.columns[0].name = "id";
  plan.shape.columns[1].name = "mail";
  plan.shape.key = {1};
  BadValuePolicy policy;
  policy.personal = {"people.mail"};
  plan.personal = personal_for(policy, plan.shape, nullptr);
  CHECK((!plan.is_personal(0) && plan.is_personal(1)));
  // A start that says nothing leaves it; one whose file does not mark it takes it back.
  CHECK(personal_for({}, plan.shape, &plan)[1]);
  policy.personal.emplace();
  CHECK_FALSE(personal_for(policy, plan.shape, &plan)[1]);

  const auto mail = [](std::string_view bytes) {
    return ValueView{.kind = ValueClass::text, .bytes = bytes};
  };
  CHECK(verify::outline(plan, 1, Value(mail(std::string(100, 'k')))).empty());
  const std::string shown = verify::shown_value(plan, 1, mail("kim@ex\xc3\xa4mple.org"));
  CHECK(shown.find("kim") == std::string::npos);
  CHECK_THAT(shown, Contains("xxh3:") && Contains("(text, 15 characters)"));
  CHECK(shown == verify::shown_value(plan, 1, mail("kim@ex\xc3\xa4mple.org")));
  CHECK(shown != verify::shown_value(plan, 1, mail("kim@example.org")));
  CHECK(verify::shown_value(plan, 1, ValueView{}) == "NULL");
  CHECK(verify::shown_value(plan, 0, mail("kim")) == "'kim'");
  CHECK(verify::describe_key(plan, {Value(mail("kim"))}).find("kim") == std::string::npos);
}

TEST_CASE("somebody else's SQL reads the tables that are followed, and does nothing else",
          "[unit]") {
  sqlite::Database database = sqlite::Database::in_memory();
  database.exec(
      "CREATE TABLE orders(id INTEGER PRIMARY KEY, total REAL, mail TEXT);"
      "INSERT INTO orders VALUES (1, 1.5, 'kim@example.org'), (2, 2.5, 'lee@example.org');"
      "CREATE TABLE secret(word TEXT); INSERT INTO secret VALUES ('sesame');"
      "CREATE VIEW sums AS SELECT sum(total) AS s FROM orders;"
      "CREATE VIEW peep AS SELECT word FROM secret;");
  const std::vector<sqlite::ReadableTable> tables{{"orders", {"mail"}}};
  const auto ask = [&](const std::string& sql, Milliseconds patience = Milliseconds{5'000}) {
    sqlite::ReadGuard guard(database, tables, patience);
    return verify::ask_source(database, guard, sql);
  };
  CHECK(verify::describe(ask("SELECT count(*), sum(total) FROM orders -- done"), false) == "2, 4");
  CHECK(verify::describe(
            ask("WITH t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT "
                "sum(n) FROM t, orders"),
            false) == "12");
  CHECK(verify::describe(ask("SELECT s FROM sums"), false) == "4");
  CHECK(verify::describe(ask("WITH t AS (SELECT 1) SELECT count(*) FROM t, Orders ;\n"), false) ==
        "2");
  CHECK(ask("SELECT mail FROM orders").personal);
  CHECK(ask("SELECT count(*) FROM orders WHERE mail > 'k'").personal);
  CHECK_FALSE(ask("SELECT total FROM orders").personal);

  for (const char* refused : {"SELECT count(*) FROM SECRET",
                              "SELECT count(*) FROM sqlite_master",
                              "SELECT 1 FROM main.secret",
                              "SELECT count(*) FROM peep",
                              "SELECT * FROM secret",
                              "SELECT * FROM peep",
                              "SELECT sql FROM sqlite_schema",
                              "SELECT (SELECT word FROM secret) FROM orders",
                              "DELETE FROM orders",
                              "UPDATE orders SET total = 0 RETURNING id",
                              "INSERT INTO orders VALUES (3, 1, 'x')",
                              "ATTACH '/tmp/other.db' AS other",
                              "PRAGMA writable_schema = 1",
                              "PRAGMA user_version",
                              "SELECT * FROM pragma_table_info('orders')",
                              "SELECT load_extension('x')",
                              "BEGIN",
                              "COMMIT",
                              "DROP TABLE orders",
                              "VACUUM",
                              "SELECT 1); DELETE FROM orders; SELECT (1",
                              "WITH t AS (SELECT 1) DELETE FROM orders",
                              "no SQL",
                              "",
                              "SELECT 1; SELECT 2"}) {
    INFO(refused);
    const Answer answer = ask(refused);
    CHECK_FALSE(answer.problem.empty());
    CHECK(answer.rows.empty());
  }
  CHECK_THAT(ask("SELECT * FROM secret").problem, Contains("secret, which is no table"));
  CHECK(ask("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t",
            Milliseconds{30})
            .problem == "it ran for too long on the source and was cut off");
  CHECK_THAT(ask("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5000) "
                 "SELECT n FROM t")
                 .problem,
             Contains("more than 1000 rows"));
  CHECK_FALSE(ask("SELECT hex(zeroblob(900000))").problem.empty());
  CHECK_FALSE(ask("SELECT length(zeroblob(1000000000))").problem.empty());
  // Behind the guard the connection is as it was.
  database.exec("UPDATE orders SET total = 0");
  sqlite::Statement rest(database, "SELECT count(*), (SELECT word FROM secret) FROM orders");
  REQUIRE(rest.step());
  CHECK(rest.integer(0) == 2);
  CHECK(rest.text(1) == "sesame");
}

TEST_CASE("an outline tells where another value parts, within its pieces", "[unit]") {
  TablePlan plan;
  plan.shape.columns.resize(1);
  const auto text = [](const std::string& bytes) {
    return Value(ValueView{.kind = ValueClass::text, .bytes = bytes});
  };
  CHECK(verify::outline(plan, 0, text(std::string(30, 'x'))).empty());
  for (const std::size_t size : {31U, 512U, 4'096U, 4'097U, 5'000U, 100'001U, 1'048'576U}) {
    const std::string whole(size, 'x');
    const std::string outline = verify::outline(plan, 0, text(whole));
    CHECK(outline.size() <= 4'096 + 9);
    for (const std::size_t at : {std::size_t{0}, size / 3, size / 2 + 1, size - 1}) {
      std::string other = whole;
      other[at] = 'y';
      const std::string said = verify::where_apart(outline, text(other));
      INFO(size << " " << at << said);
      if (size <= 4'096) {
        CHECK(said ==
              fmt::format(" ({0} and {0} bytes, first difference at byte {1})", size, at + 1));
        continue;
      }
      std::size_t first = 0, last = 0;
      REQUIRE(std::sscanf(said.substr(said.find("in bytes")).c_str(), "in bytes %zu to %zu", &first,
                          &last) == 2);
      CHECK((first <= at + 1 && at + 1 <= last && last <= size));
      CHECK(last - first < size / 512 + 1);
    }
    CHECK(verify::where_apart(outline, text(whole + "z")) ==
          fmt::format(" ({} and {} bytes, first difference at byte {})", size, size + 1, size + 1));
    CHECK(verify::where_apart(outline, Value(ValueView{.kind = ValueClass::blob, .bytes = whole}))
              .empty());
    // Cut, or not what it says: nothing is read behind its end.
    for (const std::size_t left : {0U, 1U, 8U, 9U, 20U})
      CHECK_NOTHROW(verify::where_apart(outline.substr(0, left), text(whole)));
    CHECK_NOTHROW(verify::where_apart(std::string(30, '\xff'), text(whole)));
  }
}

}  // namespace lockstep::ops

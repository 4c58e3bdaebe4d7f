#include "link/postgres/names.hpp"

#include <catch2/catch.hpp>

#include "model/error.hpp"

using namespace lockstep::postgres;

namespace {

std::string refusal(std::string_view name) {
  try {
    return quoted(name);
  } catch (const lockstep::Error& error) {
    CHECK(error.facts().exit == lockstep::ExitCode::precondition);
    CHECK(error.facts().what.find('\0') == std::string::npos);
    return error.code();
  }
}

}  // namespace

TEST_CASE("names are quoted whatever is in them") {
  CHECK(quoted("orders") == "\"orders\"");
  CHECK(quoted("Order Items") == "\"Order Items\"");
  CHECK(quoted("a\"; DROP TABLE b; --") == "\"a\"\"; DROP TABLE b; --\"");
  CHECK(quoted("größe") == "\"größe\"");
  CHECK(qualified("public", "a.b") == "\"public\".\"a.b\"");
}

TEST_CASE("names that PostgreSQL would cut or refuse are refused") {
  CHECK(refusal("") == "LS-D420");
  CHECK(refusal(std::string(63, 'n')) == '"' + std::string(63, 'n') + '"');
  CHECK(refusal(std::string(64, 'n')) == "LS-D420");
  CHECK(refusal(std::string_view("a\0b", 3)) == "LS-D420");
  CHECK(refusal("\xff") == "LS-D420");
}

TEST_CASE("literals are safe with and without standard_conforming_strings") {
  CHECK(literal("it's") == "'it''s'");
  CHECK(literal("") == "''");
  CHECK(literal("a\\b'c") == "E'a\\\\b''c'");
  CHECK_THROWS_AS(literal(std::string_view("a\0b", 3)), lockstep::Error);
}

TEST_CASE("the names of system columns cannot be columns but can be tables") {
  for (const char* name : {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}) {
    CHECK_FALSE(column_name_problem(name).empty());
    CHECK(relation_name_problem(name).empty());
  }
  CHECK(column_name_problem("CTID").empty());
  CHECK(column_name_problem("oid").empty());
  CHECK_FALSE(column_name_problem("").empty());
  CHECK_FALSE(relation_name_problem(std::string(64, 'n')).empty());
}

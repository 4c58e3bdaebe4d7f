#include "ops/roles.hpp"

#include <catch2/catch.hpp>

#include "model/error.hpp"
#include "ops/printable.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

namespace {

std::string refusal(RoleNames roles, const std::string& database, const std::string& schema) {
  try {
    static_cast<void>(roles_sql(roles, database, schema));
  } catch (const Error& error) {
    return error.code();
  }
  return {};
}

}  // namespace

TEST_CASE("names that would be something else in the printed SQL are refused", "[unit]") {
  CHECK(refusal({.app = "app"}, "shop", "shop").empty());
  CHECK(refusal({.app = ""}, "shop", "shop") == "LS-C100");
  CHECK(refusal({.app = "lockstep_apply"}, "shop", "shop") == "LS-C100");
  CHECK(refusal({.apply = "x\n; DROP ROLE y --", .app = "app"}, "shop", "shop") == "LS-C100");
  CHECK(refusal({.app = "app"}, "shop\n;", "shop") == "LS-C100");
  CHECK(refusal({.app = "app"}, "shop", "lockstep") == "LS-C100");
  CHECK(refusal({.app = std::string(64, 'a')}, "shop", "shop") == "LS-C100");
}

TEST_CASE("names and foreign texts reach a terminal as one line that obeys nobody", "[unit]") {
  CHECK(printable("orders \"ü\" 表 \xf0\x9f\x98\x80") == "orders \"ü\" 表 \xf0\x9f\x98\x80");
  CHECK(printable("a\nb\tc\x1b[2J\x7f") == "a\\x0ab\\x09c\\x1b[2J\\x7f");
  CHECK(printable(std::string_view("\0x", 2)) == "\\x00x");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");             // C1's CSI
  CHECK(printable("\xe2\x80\xae") == "\\xe2\\x80\\xae");  // right-to-left override
  CHECK(printable("\xe2\x80\xa8") == "\\xe2\\x80\\xa8");  // line separator
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");           // no UTF-8
  const std::string shown = error_text({.code = "LS-T211",
                                        .what = "a\nerror[LS-X]: forged",
                                        .why = "\x1b]0;title\a",
                                        .data = "fine",
                                        .todo = "x\ry"});
  CHECK(shown ==
        "error[LS-T211]: a\\x0aerror[LS-X]: forged\n  why    \\x1b]0;title\\x07\n  data   fine\n"
        "  do     x\\x0dy");
}

}  // namespace lockstep::ops

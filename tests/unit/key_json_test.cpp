#include <catch2/catch.hpp>

#include "link/wire/control.hpp"
#include "tests/unit/sample_values.hpp"

namespace lockstep::wire {

TEST_CASE("a key is the same to the last bit after a trip through JSON") {
  const std::vector<Value> key = every_kind_of_value();
  CHECK(same_key(decode_key(encode_key(key)), key));
  for (const Value& value : key) {
    CAPTURE(describe(value.view()), encode_key({value}));
    CHECK(same_key(decode_key(encode_key({value})), {value}));
  }
  CHECK(decode_key(encode_key({})).empty());
}

TEST_CASE("a key in JSON is a list of class and value, safe for jsonb") {
  CHECK(encode_key({null(), integer(-5), real(1.5), text("a\"b"), text("\0"s), blob("\x0f"s)}) ==
        R"([["null",null],["integer",-5],["real","3ff8000000000000"],["text","a\"b"],)"
        R"(["text",{"hex":"00"}],["blob","0f"]])");
}

TEST_CASE("a key that no encoder wrote is refused") {
  for (const char* json : {"",
                           "{}",
                           "[",
                           "[1]",
                           "[[]]",
                           R"([["null"]])",
                           R"([["null",1]])",
                           R"([["integer",1.5]])",
                           R"([["integer","1"]])",
                           R"([["integer",9223372036854775808]])",
                           R"([["real",1.5]])",
                           R"([["real","3ff8"]])",
                           R"([["real","3FF8000000000000"]])",
                           R"([["text",1]])",
                           R"([["text",{"hex":"0"}]])",
                           R"([["text",{}]])",
                           R"([["blob","0g"]])",
                           R"([["date","x"]])",
                           R"([["null",null,null]])",
                           "\xff"}) {
    CAPTURE(json);
    CHECK_THAT(refusal_of([&] { static_cast<void>(decode_key(json)); }),
               Catch::Contains("LS-W504") && Catch::Contains("cursor"));
  }
}

}  // namespace lockstep::wire

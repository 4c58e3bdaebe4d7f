#include "link/postgres/session_name.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

namespace lockstep::postgres {

constexpr char kHere[] = "0123456789abcdef";

TEST_CASE("a session's name tells its process, to those who count processes as it does") {
  const std::string name = session_name("apply", "web1", kHere, 4711);
  CHECK(name == "lockstep apply web1/0123456789abcdef:4711");
  CHECK(process_at(kHere, name) == 4711);
  CHECK_FALSE(process_at("0123456789abcdee", name));
  CHECK_FALSE(process_at("", name));
  CHECK_FALSE(process_at(our_place(), name));
  CHECK(process_at(our_place(), our_session_name("apply")) == ::getpid());
}

TEST_CASE("of a session whose place nobody knows no process is told") {
  CHECK(session_name("apply", "web1", "", 4711) == "lockstep apply web1:4711");
  for (const char* text :
       {"lockstep apply web1:4711", "", "web1/0123456789abcdef:", "web1/0123456789abcdef:x",
        "web1/0123456789abcdef:12x", "web1/0123456789abcdef:-1", "web1/0123456789abcdef:0"}) {
    INFO(text);
    CHECK_FALSE(process_at(kHere, text));
    CHECK_FALSE(process_at("", text));
  }
}

TEST_CASE("a long host name is cut, and what is judged by is not") {
  const std::string host(200, 'h');
  const std::string name = session_name("switch reverse", host, kHere, 4'194'304);
  CHECK(name.size() == 63);
  CHECK(process_at(kHere, name) == 4'194'304);
}

}  // namespace lockstep::postgres

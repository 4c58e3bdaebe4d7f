// Two hosts that follow over the wire while a test does something to their port.
#pragma once

#include "tests/system/wire_world.hpp"

namespace lockstep::test {

/// Hosts that follow, and a way to ask whether they still do.
class Served {
 public:
  Served(PostgresServer& server, const std::string& name) : hosts(server, name) {
    hosts.start_capture();
    hosts.start_apply();
    hosts.require_same();
  }
  void still() {
    hosts.write("UPDATE accounts SET balance = balance + 1");
    hosts.require_same(30s);
  }
  std::int64_t counted(const char* what) { return hosts.status().value(what, std::int64_t{-1}); }
  Hosts hosts;
};

}  // namespace lockstep::test

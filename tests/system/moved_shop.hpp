// What tests of an application after its cutover ask of its gates and of lockstep run.
#pragma once

#include "tests/system/moved_world.hpp"

namespace lockstep::test {

inline constexpr char kShop[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, t TEXT);"
    "INSERT INTO a VALUES (1, 1, 'a'), (2, 2, 'b');"
    "CREATE TABLE w(id INTEGER PRIMARY KEY, at DATETIME);"
    "INSERT INTO w VALUES (1, '2024-01-02 03:04:05'), (2, '2024-01-02 03:04:06'), (3, NULL);"
    "CREATE TABLE g(id INTEGER PRIMARY KEY, n INT, code TEXT GENERATED ALWAYS AS (printf('%05d', "
    "n)) "
    "STORED, z INT);"
    "INSERT INTO g(id, n, z) VALUES (1, 1, 1);";

inline nlohmann::json gate_in(const Outcome& outcome, const std::string& name) {
  const nlohmann::json gates = object_of(outcome, "gates");
  for (const nlohmann::json& each : gates["gates"])
    if (each["name"] == name) return each;
  return {};
}

inline Outcome dry(const Moved& moved) {
  return lockstep({"rollback", moved.file(), "--dry-run", "--json"});
}

inline bool run_says(Moved& moved, const std::string& text) {
  return wait_until([&] { return moved.run().error_output().find(text) != std::string::npos; }, 15s,
                    20ms);
}

inline void stop(Moved& moved) {
  moved.run().signal(SIGTERM);
  CHECK(moved.run().wait_or_throw(20s) == ExitStatus{.code = 143});
}

}  // namespace lockstep::test

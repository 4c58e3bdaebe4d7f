#include "link/sqlite/own_objects.hpp"

#include <catch2/catch.hpp>

namespace lockstep::test {
using sqlite::Own;
using sqlite::own_object;
using sqlite::own_trigger_name;

TEST_CASE("a table is ours by its name and its text") {
  const std::string changes =
      "CREATE TABLE _lockstep_changes (seq INTEGER PRIMARY KEY, identity INTEGER DEFAULT "
      "(random()), tbl INTEGER, k1, k2)";
  CHECK(own_object("table", "_lockstep_changes", changes) == Own::capture);
  CHECK(own_object("table", "_lockstep_changes",
                   "CREATE TABLE _lockstep_changes(id INTEGER PRIMARY KEY, v)") == Own::no);
  CHECK(own_object("table", "_LOCKSTEP_changes", changes) == Own::no);
  CHECK(own_object("view", "_lockstep_changes", changes) == Own::no);
  CHECK(own_object("table", "_lockstep_meta",
                   "CREATE TABLE _lockstep_meta(name text, value text)") == Own::no);
  CHECK(own_object("table", "_lockstep_notes", "CREATE TABLE _lockstep_notes (a)") == Own::no);
  CHECK(own_object("table", "_lockstep_refused",
                   "CREATE TABLE _lockstep_refused (one INTEGER PRIMARY KEY CHECK (one = 1), "
                   "writes INTEGER NOT NULL, newest TEXT)") == Own::fence);
}

TEST_CASE("a trigger is ours by its name and by what it does") {
  const std::string logs =
      " BEGIN\n  INSERT INTO _lockstep_changes(tbl, k1) VALUES (7, NEW.id);\nEND";
  CHECK(own_object("trigger", "_lockstep_7_insert", logs) == Own::capture);
  CHECK(own_object("trigger", "_lockstep_7_insert", "BEGIN SELECT 1; END") == Own::no);
  CHECK(own_object("trigger", "_lockstep_audit", logs) == Own::no);
  CHECK(own_trigger_name("_lockstep_12_probe_update") == Own::capture);
  CHECK(own_trigger_name("_lockstep_fence_DELETE_some table") == Own::fence);
  for (const char* name : {"_lockstep_", "_lockstep_1", "_lockstep_1_", "_lockstep_1_inserted",
                           "_lockstep__insert", "_lockstep_x_insert", "_Lockstep_1_insert",
                           "_lockstep_fence_delete_t", "lockstep_1_insert", ""})
    CHECK(own_trigger_name(name) == Own::no);
}

TEST_CASE("a trigger that names a table of ours needs it, one that only says the words does not") {
  for (const char* needs : {"BEGIN DELETE FROM _lockstep_changes; END",
                            "BEGIN DELETE FROM main.\"_LOCKSTEP_changes\"; END",
                            "BEGIN SELECT role FROM [_lockstep_switch]; END"})
    CHECK(sqlite::needs_own_tables(needs));
  for (const char* not_so :
       {"BEGIN SELECT '_lockstep_changes'; END", "BEGIN DELETE FROM _lockstep_changes_of_mine; END",
        "BEGIN SELECT 1 /* _lockstep_changes */; END", "", "\""})
    CHECK_FALSE(sqlite::needs_own_tables(not_so));
}

TEST_CASE("the prefix is kept in whatever case") {
  CHECK(sqlite::is_named_like_ours("_LockStep_mine"));
  CHECK_FALSE(sqlite::is_named_like_ours("_lockstepx"));
  CHECK_FALSE(sqlite::is_named_like_ours("a_lockstep_"));
}

}  // namespace lockstep::test

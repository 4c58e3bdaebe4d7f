#include "capture/take_over.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/drift.hpp"
#include "capture/lookups.hpp"
#include "capture/schema_record.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"
#include "link/wire/control.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr char kHold[] = "schema_hold", kHeld[] = "held", kAccepted[] = "accepted";

// By name, not by what they should be called: a probe may be gone from the new shape, and a table
// that was renamed took its triggers along.
std::vector<std::string> trigger_names(Database& database, std::uint32_t id) {
  std::vector<std::string> names;
  {
    Statement ours(database,
                   "SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND name LIKE ? "
                   "ESCAPE '\\'");
    ours.bind(1, std::string_view(fmt::format("\\_lockstep\\_{}\\_%", id)));
    while (ours.step())
      if (sqlite::own_trigger_name(ours.text(0)) == sqlite::Own::capture)
        names.emplace_back(ours.text(0));
  }
  return names;
}

void drop_triggers(Database& database, std::uint32_t id) {
  for (const std::string& name : trigger_names(database, id))
    database.exec("DROP TRIGGER " + sqlite::quoted(name));
}

void make_triggers(Database& database, const TablePlan& plan) {
  drop_triggers(database, plan.id);
  for (const Trigger& trigger : triggers_for(plan.id, plan.shape)) database.exec(trigger.sql);
}

// With an index its probes go. What was logged till now was enough: more than is needed.
void refresh_triggers(Database& database, const TablePlan& plan) {
  if (drift(database, {plan}).empty() &&
      trigger_names(database, plan.id).size() == triggers_for(plan.id, plan.shape).size())
    return;
  make_triggers(database, plan);
}

// PRAGMA legacy_alter_table=ON renames a table and leaves our probes looking for the old name: each
// write of the application would fail. What the probes would have logged is not missed: a renamed
// table is followed only after it was read anew.
void drop_broken_probes(Database& database, const TablePlan& plan) {
  std::vector<std::string> names;
  {
    Statement broken(database,
                     "SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND name LIKE ?1 "
                     "ESCAPE '\\' AND tbl_name <> ?2 AND instr(sql, ?3)");
    broken.bind(1, std::string_view(fmt::format("\\_lockstep\\_{}\\_%", plan.id)))
        .bind(2, std::string_view(plan.name()))
        .bind(3, std::string_view(" FROM " + sqlite::quoted(plan.name()) + " "));
    while (broken.step())
      if (sqlite::own_trigger_name(broken.text(0)) == sqlite::Own::capture)
        names.emplace_back(broken.text(0));
  }
  for (const std::string& name : names) database.exec("DROP TRIGGER " + sqlite::quoted(name));
}

// The change table has as many key columns as the widest key.
void widen_change_table(Database& database, const std::vector<TablePlan>& plans) {
  Statement counted(database, "SELECT count(*) FROM pragma_table_info(?)");
  counted.bind(1, std::string_view(kChangeTable));
  check(counted.step(), "count() returns a row");
  std::size_t have = static_cast<std::size_t>(counted.integer(0)) - 3;  // seq, identity, tbl
  counted.reset();
  for (const TablePlan& plan : plans)
    while (have < plan.shape.key.size())
      database.exec(fmt::format("ALTER TABLE {} ADD COLUMN k{}", kChangeTable, ++have));
}

void mark(Database& database, std::uint32_t id) {
  database.exec(fmt::format("INSERT INTO {}(tbl) VALUES (-{})", kChangeTable, id));
}

void keep_plan(Database& database, const TablePlan& plan) {
  Statement insert(database, fmt::format("INSERT OR REPLACE INTO {}(id, name, plan) VALUES "
                                         "(?, ?, ?)",
                                         kTablesTable));
  insert.bind(1, static_cast<std::int64_t>(plan.id))
      .bind(2, std::string_view(plan.name()))
      .bind(3, std::string_view(wire::encode_plan(plan)))
      .run();
}

}  // namespace

bool take_over(Database& database, std::int64_t schema_version, const SchemaStep& step,
               SchemaWatch& watch) {
  database.exec("PRAGMA synchronous=EXTRA");
  Transaction transaction(database, Transaction::Mode::immediate);
  if (database.pragma_int("schema_version") != schema_version) return false;
  SchemaWatch seen = watch;
  seen.look(database);
  drop_objects_on_ours(database);  // before the marks, which they could take away
  widen_change_table(database, step.added);
  for (const std::vector<TablePlan>* plans : {&step.changed, &step.added}) {
    for (const TablePlan& plan : *plans) {
      make_triggers(database, plan);
      keep_plan(database, plan);
      mark(database, plan.id);
      seen.answered(plan.name());
    }
  }
  for (const TablePlan& plan : step.in_place) {
    refresh_triggers(database, plan);
    keep_plan(database, plan);
  }
  // A change of no table: so the target learns of the plans with the next batch, which may
  // otherwise be days away, and of a table that nobody follows any more, too.
  if (!step.in_place.empty() || !step.dropped.empty())
    database.exec(fmt::format("INSERT INTO {}(tbl) VALUES (0)", kChangeTable));
  for (const std::uint32_t id : step.dropped) {
    drop_triggers(database, id);
    // The number stays taken: an older change of that table may still be in the change table.
    Statement forget(database, fmt::format("UPDATE {} SET plan = NULL WHERE id = ?", kTablesTable));
    forget.bind(1, static_cast<std::int64_t>(id)).run();
  }
  seen.done_by_us(database);
  record_look(database, seen);
  transaction.commit();
  watch = std::move(seen);
  return true;
}

void keep_logging(Database& database, const TablePlan& plan, SchemaWatch& watch) {
  database.exec("PRAGMA synchronous=EXTRA");
  Transaction transaction(database, Transaction::Mode::immediate);
  SchemaWatch seen = watch;
  seen.look(database);
  const auto tables = sqlite::list_tables(database);
  if (std::none_of(tables.begin(), tables.end(),
                   [&](const sqlite::TableName& table) { return table.name == plan.name(); })) {
    drop_broken_probes(database, plan);
    seen.done_by_us(database);
    transaction.commit();
    watch = std::move(seen);
    return;
  }
  const TableShape now = sqlite::read_shape(database, plan.name(), &plan.shape);
  if (now.key.size() != plan.shape.key.size()) return;
  for (std::size_t i = 0; i < now.key.size(); ++i)
    if (now.columns[now.key[i]].name != plan.shape.columns[plan.shape.key[i]].name) return;
  Statement there(database,
                  "SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND name = ? AND "
                  "tbl_name = ? AND sql = ?");
  bool complete = true;
  for (const Trigger& trigger : triggers_for(plan.id, now)) {
    there.reset();
    there.bind(1, std::string_view(trigger.name))
        .bind(2, std::string_view(plan.name()))
        .bind(3, std::string_view(trigger.sql));
    complete = complete && there.step();
  }
  there.reset();
  const std::vector<HidingTrigger> hiding = newer_hiding_triggers(database);
  complete = complete && std::none_of(hiding.begin(), hiding.end(), [&](const HidingTrigger& each) {
               return sqlite::same_name(each.table, plan.name());
             });
  complete = complete && objects_on_ours(database).empty();
  if (complete && !seen.in_question().contains(plan.name())) return;
  drop_objects_on_ours(database);
  TablePlan present = plan;
  present.shape = now;
  if (!complete) make_triggers(database, present);
  mark(database, plan.id);
  seen.answered(plan.name());
  seen.done_by_us(database);
  record_look(database, seen);
  transaction.commit();
  watch = std::move(seen);
}

SchemaHold schema_hold(Database& database) {
  Statement find(database, fmt::format("SELECT value FROM {} WHERE name = ?", kMetaTable));
  find.bind(1, std::string_view(kHold));
  if (!find.step()) return SchemaHold::none;
  return find.text(0) == kAccepted ? SchemaHold::accepted : SchemaHold::held;
}

void set_schema_hold(Database& database, SchemaHold hold) {
  database.exec("PRAGMA synchronous=EXTRA");
  Transaction transaction(database, Transaction::Mode::immediate);
  Statement forget(database, fmt::format("DELETE FROM {} WHERE name = ?", kMetaTable));
  forget.bind(1, std::string_view(kHold)).run();
  if (hold != SchemaHold::none) {
    Statement keep(database, fmt::format("INSERT INTO {}(name, value) VALUES (?, ?)", kMetaTable));
    keep.bind(1, std::string_view(kHold))
        .bind(2, std::string_view(hold == SchemaHold::accepted ? kAccepted : kHeld))
        .run();
  }
  transaction.commit();
}

std::uint32_t next_table_id(Database& database) {
  Statement newest(database, fmt::format("SELECT coalesce(max(id), 0) + 1 FROM {}", kTablesTable));
  check(newest.step(), "max() returns a row");
  return static_cast<std::uint32_t>(newest.integer(0));
}

}  // namespace lockstep::capture

#include "capture/install.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "capture/lookups.hpp"
#include "capture/schema_record.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/file_state.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"
#include "link/wire/control.hpp"
#include "model/bad_value.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Database;
using sqlite::Own;
using sqlite::Statement;
using sqlite::Transaction;

constexpr char kRowidsFile[] = "rowids_file";

std::string meta(Database& database, std::string_view name) {
  Statement value(database, fmt::format("SELECT value FROM {} WHERE name = ?", kMetaTable));
  value.bind(1, name);
  return value.step() ? value.text(0) : std::string();
}

bool has_meta(Database& database, std::string_view name) {
  Statement value(database, fmt::format("SELECT 1 FROM {} WHERE name = ?", kMetaTable));
  value.bind(1, name);
  return value.step();
}

std::vector<std::string> parts(const std::string& lines) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    found.push_back(lines.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

void set_meta(Database& database, std::string_view name, std::string_view value) {
  Statement insert(database, fmt::format("INSERT INTO {}(name, value) VALUES (?, ?)", kMetaTable));
  insert.bind(1, name).bind(2, value).run();
}

// One line for a table: its number, a blank, its rows.
std::string census_lines(const std::map<std::uint32_t, std::int64_t>& rows) {
  std::string lines;
  for (const auto& [table, count] : rows) lines += fmt::format("{} {}\n", table, count);
  return lines;
}

std::map<std::uint32_t, std::int64_t> parse_census(const std::string& lines) {
  std::map<std::uint32_t, std::int64_t> rows;
  std::istringstream from(lines);
  std::uint32_t table = 0;
  std::int64_t count = 0;
  while (from >> table >> count) rows[table] = count;
  return rows;
}

void keep_default_choice(Database& database, OnBadValue choice) {
  Statement forget(database, fmt::format("DELETE FROM {} WHERE name = 'on_bad_value'", kMetaTable));
  forget.run();
  if (choice != OnBadValue::stop) set_meta(database, "on_bad_value", to_string(choice));
}

// In the caller's transaction.
void keep_rowids(Database& database, std::int64_t schema_version) {
  Statement forget(database,
                   fmt::format("DELETE FROM {} WHERE name IN ('rowids_version', ?)", kMetaTable));
  forget.bind(1, std::string_view(kRowidsFile)).run();
  set_meta(database, "rowids_version", std::to_string(schema_version));
  set_meta(database, kRowidsFile, sqlite::file_identity(database.path()));
}

void must_search(Database& database, const TablePlan& plan) {
  const std::vector<std::string> problems = lookup_problems(database, plan.shape);
  if (problems.empty()) return;
  throw Error({.code = "LS-S327",
               .exit = ExitCode::precondition,
               .what = fmt::format(
                   "table {} has no index for a look-up that every change would make", plan.name()),
               .why = fmt::format("{}", fmt::join(problems, "; ")),
               .data = "nothing was installed",
               .todo = "leave the table out with --exclude"});
}

void install_table(Database& database, const TablePlan& plan) {
  Statement insert(database,
                   fmt::format("INSERT INTO {}(id, name, plan) VALUES (?, ?, ?)", kTablesTable));
  insert.bind(1, static_cast<std::int64_t>(plan.id))
      .bind(2, std::string_view(plan.name()))
      .bind(3, std::string_view(wire::encode_plan(plan)))
      .run();
  for (const Trigger& trigger : triggers_for(plan.id, plan.shape)) database.exec(trigger.sql);
  must_search(database, plan);
}

Position end_position(Database& database, const Era& era, std::string_view order) {
  if (sqlite::has_own_table(database, kChangeTable)) {
    Statement row(database, fmt::format("SELECT seq, identity FROM {} ORDER BY seq {} LIMIT 1",
                                        kChangeTable, order));
    if (row.step()) return {era, row.integer(0), row.integer(1)};
  }
  throw Error(
      {.code = "LS-S328",
       .exit = ExitCode::stopped,
       .what = "the change table is gone or empty",
       .why = "somebody dropped it or deleted its rows; lockstep always leaves at least one",
       .data = "changes may be missing; nothing more is applied",
       .todo = "lockstep remove SOURCE TARGET, then run again: a new copy is needed"});
}

}  // namespace

std::int64_t census_rows(const Installed& installed, std::uint32_t table) {
  const auto known = installed.census_rows.find(table);
  return known == installed.census_rows.end() ? 0 : known->second;
}

std::optional<Installed> read_installed(Database& database) {
  if (!sqlite::has_own_table(database, kMetaTable)) return std::nullopt;
  const std::string format = meta(database, "format");
  if (format != std::to_string(kSourceFormat))
    throw Error(
        {.code = "LS-S326",
         .exit = ExitCode::precondition,
         .what = fmt::format("the source's lockstep tables have format {}, this lockstep knows {}",
                             format, kSourceFormat),
         .why = "another version of lockstep installed them",
         .data = "nothing was touched",
         .todo = "use that version, or take them out with it: lockstep remove SOURCE"});
  Installed installed;
  installed.source_id = meta(database, "source_id");
  const auto era = parse_era(meta(database, "era"));
  check(era.has_value(), "the source's era is a UUID");
  installed.era = *era;
  installed.migration = meta(database, "migration");
  installed.target = meta(database, "target");
  installed.target_schema = meta(database, "target_schema");
  Statement tables(database, fmt::format("SELECT plan FROM {} WHERE plan IS NOT NULL ORDER BY id",
                                         kTablesTable));
  while (tables.step()) installed.tables.push_back(wire::decode_plan(tables.text(0)));
  if (has_meta(database, "tables"))
    installed.choice = {parts(meta(database, "tables")), parts(meta(database, "exclude"))};
  if (installed.choice && has_meta(database, "rules"))
    installed.choice->rules = wire::decode_rules(meta(database, "rules"));
  installed.census_rows = parse_census(meta(database, "census_rows"));
  installed.on_bad_value =
      parse_on_bad_value(meta(database, "on_bad_value")).value_or(OnBadValue::stop);
  installed.schema_watch = SchemaWatch(recorded_look(database));
  return installed;
}

Installed require_installed(Database& database) {
  auto installed = read_installed(database);
  if (installed) return std::move(*installed);
  throw Error({.code = "LS-R712",
               .exit = ExitCode::precondition,
               .what = fmt::format("there is no migration of {}", database.path()),
               .why = "it has no lockstep tables",
               .data = "nothing was changed",
               .todo = "lockstep run SOURCE TARGET starts one"});
}

void install(Database& database, const Installed& what) {
  // The change table's first rows must not be taken back by a power loss once the target knows of
  // them.
  database.exec("PRAGMA synchronous=EXTRA");
  Transaction transaction(database, Transaction::Mode::immediate);
  std::size_t key_columns = 1;
  for (const TablePlan& plan : what.tables)
    key_columns = std::max(key_columns, plan.shape.key.size());
  database.exec(change_table_sql(key_columns));
  database.exec(fmt::format("CREATE TABLE {} (name TEXT PRIMARY KEY, value TEXT)", kMetaTable));
  database.exec(
      fmt::format("CREATE TABLE {} (id INTEGER PRIMARY KEY, name TEXT, plan TEXT)", kTablesTable));
  // Row 0: a position needs a row to prove its identity, before the first change and for ever after
  // (prune keeps one).
  database.exec(fmt::format("INSERT INTO {}(seq, tbl) VALUES (0, 0)", kChangeTable));
  set_meta(database, "format", std::to_string(kSourceFormat));
  set_meta(database, "source_id", what.source_id);
  set_meta(database, "era", to_string(what.era));
  set_meta(database, "migration", what.migration);
  set_meta(database, "target", what.target);
  set_meta(database, "target_schema", what.target_schema);
  if (what.choice) {
    set_meta(database, "tables", fmt::format("{}", fmt::join(what.choice->tables, "\n")));
    set_meta(database, "exclude", fmt::format("{}", fmt::join(what.choice->exclude, "\n")));
    if (!what.choice->rules.empty())
      set_meta(database, "rules", wire::encode_rules(what.choice->rules));
  }
  set_meta(database, "census_rows", census_lines(what.census_rows));
  keep_default_choice(database, what.on_bad_value);
  for (const TablePlan& plan : what.tables) install_table(database, plan);
  keep_rowids(database, database.pragma_int("schema_version"));
  record_look(database, SchemaWatch(look_at(database)));
  transaction.commit();
}

void keep_choices(Database& database, const Installed& what) {
  database.exec("PRAGMA synchronous=EXTRA");
  Transaction transaction(database, Transaction::Mode::immediate);
  Statement update(database, fmt::format("UPDATE {} SET plan = ? WHERE id = ?", kTablesTable));
  for (const TablePlan& plan : what.tables) {
    update.reset();
    update.bind(1, std::string_view(wire::encode_plan(plan)))
        .bind(2, static_cast<std::int64_t>(plan.id))
        .run();
  }
  keep_default_choice(database, what.on_bad_value);
  transaction.commit();
}

std::size_t remove(Database& database, Fence fence) {
  database.exec("PRAGMA synchronous=EXTRA");
  Transaction transaction(database, Transaction::Mode::immediate);
  std::vector<std::string> drops;
  const bool ours_are_there = sqlite::has_own_table(database, kMetaTable);
  {
    // Triggers first: with the change table gone, every write of the application would fail.
    Statement named(database,
                    "SELECT type, name, coalesce(sql, '') FROM main.sqlite_master WHERE type IN "
                    "('trigger', 'table') AND name LIKE '\\_lockstep\\_%' ESCAPE '\\' ORDER BY "
                    "type DESC, name");
    while (named.step()) {
      const std::string name = named.text(1);
      Own own = sqlite::own_object(named.text(0), name, named.text(2));
      // One of ours that somebody gave another text. What only has such a name may be the
      // application's, and works without lockstep's tables: it stays.
      if (own == Own::no && ours_are_there && named.text(0) == "trigger" &&
          sqlite::needs_own_tables(named.text(2)))
        own = sqlite::own_trigger_name(name);
      if (own == Own::no || (own == Own::fence && fence == Fence::stays)) continue;
      drops.push_back(fmt::format("DROP {} {}", named.text(0), sqlite::quoted(name)));
    }
  }
  for (const std::string& drop : drops) database.exec(drop);
  transaction.commit();
  return drops.size();
}

bool is_other_file(Database& database) {
  const std::string file = meta(database, kRowidsFile);  // an older lockstep recorded none
  return !file.empty() && file != sqlite::file_identity(database.path());
}

std::int64_t recorded_rowids_version(Database& database) {
  const std::string recorded = meta(database, "rowids_version");
  if (is_other_file(database)) return -1;
  return recorded.empty() ? -1 : std::stoll(recorded);
}

void record_rowids_version(Database& database, std::int64_t schema_version) {
  database.exec("PRAGMA synchronous=NORMAL");
  Transaction transaction(database, Transaction::Mode::immediate);
  keep_rowids(database, schema_version);
  transaction.commit();
}

std::string recorded_target(Database& database) {
  return meta(database, "target_identity");
}

void record_target(Database& database, std::string_view identity) {
  database.exec("PRAGMA synchronous=NORMAL");
  Transaction transaction(database, Transaction::Mode::immediate);
  database.exec(fmt::format("DELETE FROM {} WHERE name = 'target_identity'", kMetaTable));
  set_meta(database, "target_identity", identity);
  transaction.commit();
}

void record_place(Database& database, std::string_view target, std::string_view schema) {
  database.exec("PRAGMA synchronous=NORMAL");
  Transaction transaction(database, Transaction::Mode::immediate);
  Statement update(database, fmt::format("UPDATE {} SET value = CASE name WHEN 'target' THEN ?1 "
                                         "ELSE ?2 END WHERE name IN ('target', 'target_schema')",
                                         kMetaTable));
  update.bind(1, target).bind(2, schema).run();
  check(database.changes() == 2, "a source that is followed has two lines for its target");
  transaction.commit();
}

Position newest_position(Database& database, const Era& era) {
  return end_position(database, era, "DESC");
}

Position first_position(Database& database, const Era& era) {
  return end_position(database, era, "ASC");
}

std::optional<std::int64_t> identity_of_change(Database& database, std::int64_t seq) {
  Statement row(database, fmt::format("SELECT identity FROM {} WHERE seq = ?", kChangeTable));
  row.bind(1, ValueView{.kind = ValueClass::integer, .integer = seq});
  if (!row.step()) return std::nullopt;
  return row.integer(0);
}

Position begin_era(Database& database) {
  const Era era = random_era(database);
  Statement update(database, fmt::format("UPDATE {} SET value = ? WHERE name = 'era'", kMetaTable));
  update.bind(1, std::string_view(to_string(era))).run();
  check(database.changes() == 1, "a source that is followed has an era");
  // Both sides are the same here, whatever was done to the schema before.
  record_look(database, SchemaWatch(look_at(database)));
  return newest_position(database, era);
}

Era random_era(Database& database) {
  Statement random(database, "SELECT randomblob(16)");
  check(random.step(), "randomblob() returns a row");
  const ValueView bytes = random.value(0);
  Era era;
  std::copy_n(bytes.bytes.begin(), era.bytes.size(), era.bytes.begin());
  // The bits that mark a random (version 4) UUID.
  era.bytes[6] = static_cast<std::uint8_t>((era.bytes[6] & 0x0f) | 0x40);
  era.bytes[8] = static_cast<std::uint8_t>((era.bytes[8] & 0x3f) | 0x80);
  return era;
}

}  // namespace lockstep::capture

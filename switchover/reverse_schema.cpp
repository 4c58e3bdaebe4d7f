#include "switchover/reverse_schema.hpp"

#include <fmt/format.h>

#include <set>

#include "capture/schema_record.hpp"
#include "capture/schema_watch.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::switchover {

namespace {

using capture::SchemaLook;
using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr char kSchemaOnRecord[] = "reverse_schema";  // in the meta table, as schema_look is kept

std::string schema_on_record(Database& database) {
  Statement row(database, fmt::format("SELECT value FROM {} WHERE name = ?", capture::kMetaTable));
  row.bind(1, std::string_view(kSchemaOnRecord));
  return row.step() ? row.text(0) : std::string();
}

// Without reading the rest, which is long.
bool is_of_version(const std::string& look, std::int64_t version) {
  return look.starts_with(capture::encode_look(SchemaLook{.version = version}));
}

std::vector<std::string> tables_that_are_followed(Database& database) {
  Statement rows(database, fmt::format("SELECT name FROM {} WHERE plan IS NOT NULL ORDER BY id",
                                       capture::kTablesTable));
  std::vector<std::string> names;
  while (rows.step()) names.push_back(rows.text(0));
  return names;
}

}  // namespace

SchemaSince schema_since(Database& database) {
  SchemaSince since{.version = database.pragma_int("schema_version")};
  const std::string on_record = schema_on_record(database);
  since.on_record = is_of_version(on_record, since.version);
  if (since.on_record) return since;
  SchemaLook before = capture::decode_look(on_record);
  if (before.version < 0) before = capture::recorded_look(database);
  const SchemaLook now = capture::look_at(database);
  // Also a trigger of the fence that was away and is back takes two steps that nothing explains.
  if (before.version < 0 || capture::may_have_missed(before, now)) {
    since.in_question = {"any table may have got other rows by steps that left no trace"};
    return since;
  }
  const std::set<std::string> rewritten = capture::possibly_rewritten(before, now);
  for (const std::string& table : tables_that_are_followed(database))
    if (rewritten.contains(table)) since.in_question.push_back(table + " may have got other rows");
  return since;
}

SchemaSince schema_now(Database& database) {
  const Transaction transaction(database, Transaction::Mode::deferred);
  return schema_since(database);
}

bool record_schema(Database& database) {
  if (is_of_version(schema_on_record(database), database.pragma_int("schema_version")))
    return false;
  Statement keep(database, fmt::format("INSERT OR REPLACE INTO {}(name, value) VALUES (?, ?)",
                                       capture::kMetaTable));
  keep.bind(1, std::string_view(kSchemaOnRecord))
      .bind(2, std::string_view(capture::encode_look(capture::look_at(database))))
      .run();
  return true;
}

void keep_schema(Database& database, std::int64_t version) {
  Transaction transaction(database, Transaction::Mode::immediate);
  if (database.pragma_int("schema_version") == version && record_schema(database))
    transaction.commit();
}

}  // namespace lockstep::switchover

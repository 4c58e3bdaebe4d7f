#include "link/sqlite/statement.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace lockstep::sqlite {

void FinalizeStatement::operator()(sqlite3_stmt* handle) const noexcept {
  sqlite3_finalize(handle);
}

Statement::Statement(Database& database, std::string_view sql) : database_(&database) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK)
    throw_sqlite_error(database.handle(), code, fmt::format("preparing \"{}\"", sql));
  handle_.reset(raw);
}

Statement& Statement::bind(int parameter, const ValueView& value) {
  int code = SQLITE_OK;
  switch (value.kind) {
    case ValueClass::null:
      code = sqlite3_bind_null(handle_.get(), parameter);
      break;
    case ValueClass::integer:
      code = sqlite3_bind_int64(handle_.get(), parameter, value.integer);
      break;
    case ValueClass::real:
      code = sqlite3_bind_double(handle_.get(), parameter, value.real);
      break;
    case ValueClass::text:
      code = sqlite3_bind_text64(handle_.get(), parameter, value.bytes.data(), value.bytes.size(),
                                 SQLITE_TRANSIENT, SQLITE_UTF8);
      break;
    case ValueClass::blob:
      // A null pointer would bind NULL instead of an empty blob.
      code = sqlite3_bind_blob64(handle_.get(), parameter,
                                 value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(),
                                 SQLITE_TRANSIENT);
      break;
  }
  if (code != SQLITE_OK) throw_sqlite_error(database_->handle(), code, "binding a parameter");
  return *this;
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  return bind(parameter, ValueView{.kind = ValueClass::integer, .integer = value});
}

Statement& Statement::bind(int parameter, std::string_view text) {
  // std::string_view{} has a null pointer, which SQLite would take for NULL.
  return bind(parameter, ValueView{.kind = ValueClass::text, .bytes = text.data() ? text : ""});
}

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const char* sql = sqlite3_sql(handle_.get());
  throw_sqlite_error(database_->handle(), code, fmt::format("running \"{}\"", sql ? sql : ""));
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::reset() {
  sqlite3_reset(handle_.get());
}

int Statement::columns() const {
  return sqlite3_column_count(handle_.get());
}

// One look-up of the cell instead of one per question. Our connections are opened NOMUTEX, where an
// "unprotected" value may be asked like any other (https://www.sqlite.org/c3ref/value.html).
ValueView Statement::value(int column) const {
  sqlite3_value* cell = sqlite3_column_value(handle_.get(), column);
  ValueView value;
  switch (sqlite3_value_type(cell)) {
    case SQLITE_INTEGER:
      value.kind = ValueClass::integer;
      value.integer = sqlite3_value_int64(cell);
      return value;
    case SQLITE_FLOAT:
      value.kind = ValueClass::real;
      value.real = sqlite3_value_double(cell);
      return value;
    case SQLITE_TEXT: {
      value.kind = ValueClass::text;
      const auto bytes = reinterpret_cast<const char*>(sqlite3_value_text(cell));
      value.bytes = {bytes, static_cast<std::size_t>(sqlite3_value_bytes(cell))};
      return value;
    }
    case SQLITE_BLOB: {
      value.kind = ValueClass::blob;
      const auto bytes = static_cast<const char*>(sqlite3_value_blob(cell));
      const auto size = static_cast<std::size_t>(sqlite3_value_bytes(cell));
      if (size > 0) value.bytes = {bytes, size};
      return value;
    }
    default:
      return value;
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string Statement::text(int column) const {
  const ValueView cell = value(column);
  if (cell.kind == ValueClass::integer) return std::to_string(cell.integer);
  return std::string(cell.bytes);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

}  // namespace lockstep::sqlite
